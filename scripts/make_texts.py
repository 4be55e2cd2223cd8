"""`make texts`: reads every text of templates, pages and vocabularies into the catalogue, and compiles the languages.

`strongroom.pot` is what there is to translate, `<language>/LC_MESSAGES/strongroom.po` what was translated (edit
these), `.mo` what the server reads. New texts appear in the .po files without translation; a test counts them.
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.frontend import CommandLineInterface

ROOT = Path(__file__).parent.parent
LOCALE = "strongroom/web/locale"


def main() -> None:
    def run(*arguments: str) -> None:
        CommandLineInterface().run(["pybabel", "-q", *arguments])

    # Neither places nor dates: they would change with every commit and say nothing.
    run(
        "extract",
        "-F",
        f"{LOCALE}/babel.cfg",
        "--no-location",
        "--sort-output",
        "--omit-header",
        "-o",
        f"{LOCALE}/strongroom.pot",
        "strongroom",
    )
    run(
        "update",
        "-D",
        "strongroom",
        "-i",
        f"{LOCALE}/strongroom.pot",
        "-d",
        LOCALE,
        "--no-fuzzy-matching",
        "--ignore-obsolete",
        "--width=110",
        "--ignore-pot-creation-date",
    )
    run("compile", "-D", "strongroom", "-d", LOCALE)


if __name__ == "__main__":
    import os

    os.chdir(ROOT)
    main()
