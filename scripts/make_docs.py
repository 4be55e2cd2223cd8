"""Reference pages made from the code, so that they can't be wrong: settings, commands, routes.

    make docs        writes docs/operators/settings.md, docs/operators/commands.md, docs/developers/routes.md

`tests/test_settings_docs.py` fails when one of them is out of date.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from strongroom.app import API
from strongroom.cli.commands import cli
from strongroom.settings import Settings
from strongroom.web.routes import PAGES

DOCS = Path(__file__).parent.parent / "docs"
MADE = "<!-- Made by `make docs` from the code: change it there. -->\n"


def settings() -> str:
    """Every setting, in the order and under the headings of the class."""
    lines = [
        "# Settings",
        "",
        MADE,
        "From the environment, or from a TOML file that `STRONGROOM_CONFIG` names (there in lower case and without the",
        'prefix: `data_dir = "/srv/strongroom"`); the environment wins. A variable that is set, but empty, counts as not set.',
        "`strongroom doctor` names variables that are no settings.",
    ]
    headings = _headings()
    for name, field in Settings.model_fields.items():
        if name in headings:
            lines += [
                "",
                f"## {headings[name].capitalize()}",
                "",
                "| variable | values | default | what it is |",
                "|---|---|---|---|",
            ]
        extra = field.json_schema_extra
        secret = " **Secret.**" if isinstance(extra, dict) and extra.get("secret") else ""
        cells = (
            f"`STRONGROOM_{name.upper()}`",
            _values(field),
            _default(field),
            f"{field.description}{secret}",
        )
        lines.append("| " + " | ".join(_plain(c) for c in cells) + " |")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _headings() -> dict[str, str]:
    """The comment above a group of fields, by the group's first field."""
    return {
        m[2]: m[1] for m in re.finditer(r"^    # (.+)\n    (\w+):", inspect.getsource(Settings), re.MULTILINE)
    }


def _values(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{v}`" for v in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(k for k in get_args(kind) if k is not type(None))
    name = {bool: "`true`, `false`", int: "whole number", float: "number", str: "text", Path: "folder"}[kind]
    for bound in field.metadata:
        if hasattr(bound, "ge"):
            name += f", {bound.ge} or more"
        if hasattr(bound, "gt"):
            name += f", above {bound.gt}"
    return name


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, bool):
        value = str(value).lower()
    return f"`{value}`" if value not in ("", None) else ""


def commands() -> str:
    """Every command with its options, as `--help` tells them."""
    lines = ["# Commands", "", MADE, "All take their [settings](settings.md) from the environment."]
    for words, command in _walk(cli, ("strongroom",)):
        if isinstance(command, click.Group):
            continue
        context = click.Context(command, info_name=words[-1])
        usage = " ".join([*words, *command.collect_usage_pieces(context)])
        lines += ["", f"## {' '.join(words[1:])}", "", f"`{usage}`", "", inspect.cleandoc(command.help or "")]
        options = [p for p in command.params if isinstance(p, click.Option)]
        if options:
            lines += ["", "| option | what it is |", "|---|---|"]
        for option in options:
            default = f" Default: `{option.default}`." if option.show_default else ""
            lines.append(f"| {', '.join(f'`{o}`' for o in option.opts)} | {option.help}{default} |")
    return "\n".join(lines) + "\n"


def _walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from _walk(below, (*words, name))


def routes() -> str:
    """Every address, and what its handler says of itself."""
    lines = [
        "# Addresses",
        "",
        MADE,
        "Who may do what is in `tests/test_access_matrix.py`; a route that is not there fails it. `HEAD` goes where `GET` does.",
    ]
    for title, table in (("API", API), ("Pages", PAGES)):
        lines += ["", f"## {title}", "", "| verb | address | what it does | handler |", "|---|---|---|---|"]
        lines += [
            f"| {verb} | `{path}` | {_says(handler)} | `{_place(handler)}` |" for verb, path, handler in table
        ]
    return "\n".join(lines) + "\n"


def _says(handler: Callable[..., Any]) -> str:
    first = inspect.cleandoc(handler.__doc__ or "").partition("\n")[0]
    # `GET /api/records/{id}: what it is` stands in a table that has the rest already.
    said = re.sub(r"^[A-Z]+( (or|and) [A-Z]+)? \S+?( and \S+?)*(?:: |\.$)", "", first).replace("|", "\\|")
    return said[:1].upper() + said[1:]


def _place(handler: Callable[..., Any]) -> str:
    return f"{handler.__module__.removeprefix('strongroom.')}.{handler.__name__}"


PAGES_MADE: dict[str, Callable[[], str]] = {
    "operators/settings.md": settings,
    "operators/commands.md": commands,
    "developers/routes.md": routes,
}


def main() -> None:
    for name, make in PAGES_MADE.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make())
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
