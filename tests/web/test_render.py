"""The environment: languages, catalogues, dates, sizes, static files, escaping."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

import strongroom
from strongroom.web import render as R
from strongroom.web import words
from strongroom.web.pages import error_page
from strongroom.web.render import LANGUAGES, STATIC_DIR, choose_language, static_file, static_url, texts
from tests.web.samples import SETTINGS

PACKAGE = Path(strongroom.__file__).parent
LOCALE = PACKAGE / "web" / "locale"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("fr, de;q=0.5, en;q=0.7", "en"),
        ("fr;q=1.0, *;q=0.1", "en"),
        ("de;q=0", "en"),
        ("de;q=banana", "de"),
        ("de;q=" + "9" * 10_000, "de"),
        ("," * 10_000, "en"),
    ],
)
def test_the_language_follows_the_header(accept: str | None, expected: str) -> None:
    assert choose_language(accept) == expected


@pytest.mark.parametrize(
    ("size", "english", "german"),
    [
        (0, "0 bytes", "0 Byte"),
        (1, "1 byte", "1 Byte"),
        (999, "999 bytes", "999 Byte"),
        (1000, "1 KB", "1 KB"),
        (121_847, "121.8 KB", "121,8 KB"),
        (999_949, "1 MB", "1 MB"),
        (415_000, "415 KB", "415 KB"),
        (2 * 10**9, "2 GB", "2 GB"),
        (64 * 10**12, "64 TB", "64 TB"),
        (5 * 10**18, "5000 PB", "5000 PB"),
    ],
)
def test_sizes(size: int, english: str, german: str) -> None:
    assert texts("en").size(size) == english
    assert texts("de").size(size) == german


@pytest.mark.parametrize(
    ("value", "english", "german"),
    [
        ("2019-03-13", "13 March 2019", "13. März 2019"),
        ("2019-03", "March 2019", "März 2019"),
        ("2019", "2019", "2019"),
        ("2024-01-01/2024-02-01", "1 January 2024 to 1 February 2024", "1. Januar 2024 bis 1. Februar 2024"),
        ("2024-01/", "from January 2024", "ab Januar 2024"),
        ("/2024", "until 2024", "bis 2024"),
        ("2024-13", "2024-13", "2024-13"),
        ("2024-00", "2024-00", "2024-00"),
        ("some day", "some day", "some day"),
        (None, "", ""),
    ],
)
def test_dates_in_words(value: str | None, english: str, german: str) -> None:
    assert texts("en").edtf(value) == english
    assert texts("de").edtf(value) == german


def test_days_and_numbers() -> None:
    t = texts("de")
    assert t.day(datetime(2019, 3, 5, tzinfo=UTC)) == "5. März 2019"
    assert t.short_day(date(2019, 11, 5)) == "5. Nov. 2019"
    assert t.number(48_210) == "48.210"
    assert texts("en").number(48_210) == "48,210"
    assert t.language_name("eng") == "Englisch"
    assert texts("en").language_name("gsw") == "Swiss German"
    assert texts("en").language_name("qqq") == "qqq"


def test_an_unknown_language_is_english() -> None:
    assert texts("xx").language == "en"
    assert b'lang="en"' in error_page(404, settings=SETTINGS, lang="../../etc")


# -- static files


def test_static_addresses_change_with_the_content_and_lead_to_it() -> None:
    url = static_url("site.css")
    found = re.fullmatch(r"/static/([0-9a-f]{12})/site\.css", url)
    assert found
    file = static_file(found.group(1), "site.css")
    assert file is not None
    assert file.body == (STATIC_DIR / "site.css").read_bytes()
    assert file.media_type == "text/css; charset=utf-8"
    assert static_file("0" * 12, "site.css") is None
    assert static_file(found.group(1), "../render.py") is None
    with pytest.raises(KeyError):
        static_url("nothing.css")


def test_everything_a_style_sheet_names_exists() -> None:
    version = static_url("site.css").split("/")[2]
    for sheet in STATIC_DIR.glob("*.css"):
        for name in re.findall(r'url\("?([^")]+)"?\)', sheet.read_text(encoding="utf-8")):
            assert static_file(version, name), name


def test_nothing_comes_from_another_host() -> None:
    for path in [*STATIC_DIR.glob("*.css"), *STATIC_DIR.glob("*.js"), *STATIC_DIR.glob("*.svg")]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE), path


def test_every_icon_that_a_template_uses_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC_DIR / "icons.svg").read_text(encoding="utf-8")))
    used: set[str] = set()
    for path in [*(PACKAGE / "web" / "templates").glob("*.html"), *(PACKAGE / "web").glob("*.py")]:
        used |= set(re.findall(r"\bicon\(\"([\w-]+)\"\)", path.read_text(encoding="utf-8")))
    from strongroom.web import landing, pages, words

    used.discard("name")  # the docstring's example
    used |= set(landing._ICONS.values()) | set(pages._TYPE_ICONS.values()) | set(words.STATUS_ICONS.values())
    assert used <= drawn


def test_templates_have_no_inline_script_or_style() -> None:
    for path in (PACKAGE / "web" / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\son\w+=|\sstyle=\"|<style", text), path
        assert set(re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", text)) <= {
            '<script type="application/ld+json">'
        }


# -- catalogues


Key = tuple[str | None, str]  # context and text


def extracted() -> set[Key]:
    with (LOCALE / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    found = set()
    for _, _, message, _, context in extract_from_dir(PACKAGE, methods, options):
        found.add((context, message if isinstance(message, str) else message[0]))
    return found


def catalogue(path: Path) -> dict[Key, object]:
    with path.open("rb") as file:
        read = read_mo(file) if path.suffix == ".mo" else read_po(file)
    found: dict[Key, object] = {}
    for m in read:
        if m.id:
            # Babel leaves the context of compiled texts as bytes.
            context = m.context.decode() if isinstance(m.context, bytes) else m.context
            text = m.id if isinstance(m.id, str) else m.id[0]
            found[context, text] = m.string if isinstance(m.string, str) else tuple(m.string)
    return found


def test_the_template_catalogue_is_up_to_date() -> None:
    """If this fails, run `make texts`."""
    assert set(catalogue(LOCALE / "strongroom.pot")) == extracted()


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_a_language_is_complete_and_compiled(language: str) -> None:
    folder = LOCALE / language / "LC_MESSAGES"
    said = catalogue(folder / "strongroom.po")
    wanted = set(catalogue(LOCALE / "strongroom.pot"))
    empty = {k for k, v in said.items() if not v or (isinstance(v, tuple) and not all(v))}
    assert wanted - set(said) == set()
    assert empty & wanted == set()
    assert catalogue(folder / "strongroom.mo") == said


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_translations_keep_placeholders_and_tags(language: str) -> None:
    holes = re.compile(r"%\(\w+\)[sd]|</?\w+>")
    for (_, english), said in catalogue(LOCALE / language / "LC_MESSAGES" / "strongroom.po").items():
        for text in said if isinstance(said, tuple) else (said,):
            assert sorted(holes.findall(str(text))) == sorted(holes.findall(english)), english


@pytest.mark.parametrize(
    ("word", "id", "english", "german"),
    [
        (words.resource_type, "other", "Other", "Sonstiges"),
        (words.relation, "other", "Other", "Sonstiger Bezug"),
        (words.role, "other", "Other", "Sonstige Rolle"),
        (words.title_type, "other", "Other", "Sonstiger Titel"),
        (words.relation, "references", "References", "Referenziert"),
        (words.removal_reason, "fraud", "Fraud", "Betrug"),
        (words.removal_reason, "own words", "own words", "own words"),
    ],
)
def test_a_word_is_that_of_its_vocabulary(
    word: Callable[[str, Callable[[str], str]], str], id: str, english: str, german: str
) -> None:
    assert word(id, texts("en").gettext) == english
    assert word(id, texts("de").gettext) == german


def test_texts_are_put_in_at_compile_time_and_values_stay_escaped() -> None:
    environment = R._environment("de", False)
    template = environment.from_string(
        '{{ _("Version %(version)s", version=v) }}|{{ _("Files") }}|{{ icon("open") }}'
    )
    about = environment.from_string('{{ _("About") }} {{ pgettext("record", "About") }}')
    assert about.render() == "Über uns Inhalt", "the foot of all pages, and the part of a record's page"
    assert template.render(v="<b>") == f"Version &lt;b&gt;|Dateien|{R.icon('open')}"
    code = environment.compile('{{ _("Files") }}{{ icon("open") }}', raw=True)
    assert "Dateien" in code
    assert "context.call" not in code
