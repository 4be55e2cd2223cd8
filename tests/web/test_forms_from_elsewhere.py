"""No page of another site writes here: every unsafe form wants its mark and our own origin (design 5b)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from strongroom.web.routes import PAGES
from tests.app import Answer, Reader, Site, running

FORMS = sorted(path for method, path, _ in PAGES if method not in ("GET", "HEAD"))
FORM = {"content-type": "application/x-www-form-urlencoded"}
FIELDS = urlencode(
    {"email": "owner@example.org", "password": "correct horse", "name": "x", "do": "save", "message": "x"}
)
VALUES = {"action": "block", "token": "x" * 43}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("data")) as site:
        yield site


@pytest.fixture(scope="module")
def admin(site: Site) -> Reader:
    return site.session("admin", site.reader("owner", admin=True))


@pytest.fixture(scope="module")
def draft(site: Site, admin: Reader) -> int:
    return site.desk.create(admin.actor)


def send(site: Site, path: str, draft: int, headers: dict[str, str]) -> Answer:
    filled = re.sub(r"\{(\w+)(?::path)?\}", lambda m: VALUES.get(m[1], str(draft)), path)
    return site.ask("POST", filled, None, FIELDS.encode(), {**FORM, **headers})


def test_there_are_forms() -> None:
    assert {"/login", "/uploads/{id}", "/account/settings/security/password"} <= set(FORMS)


@pytest.mark.parametrize("path", FORMS)
def test_another_site_can_not_send_it(site: Site, admin: Reader, draft: int, path: str) -> None:
    for origin in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {},
    ):
        headers = {k: v for k, v in admin.headers.items() if k != "sec-fetch-site"}
        assert send(site, path, draft, headers | origin).status == 403, origin


@pytest.mark.parametrize("path", FORMS)
def test_a_session_alone_is_not_enough(site: Site, admin: Reader, draft: int, path: str) -> None:
    for mark in ({}, {"x-csrf-token": "wrong"}):
        headers = {k: v for k, v in admin.headers.items() if k != "x-csrf-token"}
        assert send(site, path, draft, headers | mark).status == 403, mark
