"""The reference pages say what the code says."""

from __future__ import annotations

import html
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from strongroom.settings import Settings

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def make_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["operators/settings.md", "operators/commands.md", "developers/routes.md"])
def test_it_is_up_to_date(make_docs: ModuleType, name: str) -> None:
    made = make_docs.PAGES_MADE[name]()
    assert (ROOT / "docs" / name).read_text() == made, "run `make docs`"


def test_every_setting_has_its_line_and_secrets_are_marked(make_docs: ModuleType) -> None:
    page = make_docs.settings()
    for name, field in Settings.model_fields.items():
        line = re.search(rf"^\| `STRONGROOM_{name.upper()}` \|.*$", page, re.MULTILINE)
        assert line, name
        assert field.description, name
        assert field.description in html.unescape(line[0])
        assert ("**Secret.**" in line[0]) == (name.endswith(("password", "secret_key", "client_secret"))), (
            name
        )


def test_every_handler_says_what_it_does(make_docs: ModuleType) -> None:
    for line in make_docs.routes().splitlines():
        if line.startswith("| ") and not line.startswith("| verb"):
            _, verb, path, said, handler, _ = re.split(r"(?<!\\)\|", line)
            assert len(said.strip()) > 3, (verb, path, handler)


def test_what_the_documents_name_is_there() -> None:
    """Variables and commands in the operators' pages and the README exist."""
    known = {f"STRONGROOM_{name.upper()}" for name in Settings.model_fields} | {"STRONGROOM_CONFIG"}
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*/*.md")]
    for page in pages:
        named = set(re.findall(r"\bSTRONGROOM_[A-Z_]+[A-Z]\b", page.read_text()))
        unknown = {n for n in named if n not in known and not n.startswith("STRONGROOM_TEST_")}
        assert unknown == set(), page
