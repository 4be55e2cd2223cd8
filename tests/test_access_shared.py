"""Who may do what with what was given to him: every route, every kind of record, everybody in SHARERS.

The table of test_access_matrix.py says what a stranger, a guest and the owner are answered. Here each route has a
level: who has it is answered as the owner is, who has less as a stranger (a user) or a guest (a link alone).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from strongroom.access import Level
from tests.app import Reader, Site, running
from tests.cast import GRANTED, KINDS, LINKED, READERS, SHARERS, Cast, Subject
from tests.test_access_matrix import EXPECTED, Request, newest, request_of

VIEW, PREVIEW, EDIT, MANAGE = Level.VIEW, Level.PREVIEW, Level.EDIT, Level.MANAGE

# The level that makes one be answered as the owner is, by the beginning of the path; the longest that fits counts.
# A verb before it stands for that verb alone.
NOBODY = MANAGE + 1  # administrators alone, whatever was given
NEEDS: dict[str, int] = {
    "/api/records/{id}": VIEW,
    "/api/records/{id}/draft": EDIT,
    "GET /api/records/{id}/draft": PREVIEW,
    "/api/records/{id}/access": MANAGE,
    "/api/records/{id}/requests": MANAGE,
    "/api/records/{id}/request-deletion": MANAGE,
    "/api/records/{id}/quota": MANAGE,
    "/api/records/{id}/quota-increase": MANAGE,
    "/api/records/{id}/revisions": MANAGE,
    "POST /api/records/{id}/versions": EDIT,
    "/api/records/{id}/delete": MANAGE,
    "/api/records/{id}/restore": MANAGE,
    "/api/deposit/depositions/{id}": EDIT,
    "/api/files/{bucket}": VIEW,
    "PUT /api/files/{bucket}": EDIT,
    "DELETE /api/files/{bucket}": EDIT,
    "/records/{id}": VIEW,
    "/record/{id}": VIEW,
    "/doi/": VIEW,
    "/badge/": VIEW,
    "/records/{id}/share": MANAGE,
    "/uploads/{id}": EDIT,
    "/uploads/{id}/preview/": PREVIEW,
    "/admin/": NOBODY,
    "/deposit/{id}": VIEW,
}
# What these need of some kinds: who gives up a draft that was never published gives it up for good, and an open draft
# can be read by who may preview it.
OF_KINDS: dict[tuple[str, str], tuple[tuple[str, ...], int]] = {
    ("DELETE", "/api/records/{id}/draft"): (("draft",), MANAGE),
    ("DELETE", "/api/deposit/depositions/{id}"): (("draft",), MANAGE),
    ("POST", "/api/deposit/depositions/{id}/actions/discard"): (("draft",), MANAGE),
    ("GET", "/api/deposit/depositions/{id}"): (("edit", "draft"), PREVIEW),
    ("GET", "/api/deposit/depositions/{id}/files"): (("edit", "draft"), PREVIEW),
    ("GET", "/uploads/{id}"): (("edit", "draft"), PREVIEW),
    ("GET", "/uploads/{id}/preview"): (KINDS, PREVIEW),
    # There is no draft: who may preview is told so.
    ("PUT", "/api/records/{id}/draft/files/{key:path}/content/{part:int}"): (
        ("open", "embargoed", "restricted", "private", "withdrawn"),
        PREVIEW,
    ),
    ("GET", "/api/files/{bucket}"): (("draft",), PREVIEW),
    ("GET", "/api/files/{bucket}/{key:key}"): (("draft",), PREVIEW),
}
ABOUT_ONE = [route for route, lines in EXPECTED.items() if set(lines) == set(KINDS)]


def needed(verb: str, path: str) -> int | None:
    fits = [
        (len(begins.rpartition(" ")[2]), " " in begins, level)
        for begins, level in NEEDS.items()
        if path.startswith(begins.rpartition(" ")[2]) and begins.rpartition(" ")[0] in ("", verb)
    ]
    return max(fits)[2] if fits else None


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site") / "data") as site:
        yield site


@pytest.fixture(scope="module")
def cast(site: Site) -> Cast:
    return Cast(site)


def test_every_route_about_a_record_has_its_level() -> None:
    assert [route for route in ABOUT_ONE if needed(*route) is None] == []
    assert [
        begins for begins in NEEDS if not any(p.startswith(begins.rpartition(" ")[2]) for _, p in ABOUT_ONE)
    ] == []


def ask(site: Site, cast: Cast, name: str, request: Request, tokens: dict[str, str]) -> int:
    # The grants that are there are these readers' own.
    path, headers = request.path.replace("/grants/0", "/grants/99"), dict(request.headers)
    if name in LINKED:
        if path.startswith("/records/"):  # as the browser that followed the link
            headers["cookie"] = f"strongroom-link=m!{tokens[name]}; strongroom-links=m"
        else:
            path += ("&" if "?" in path else "?") + f"token={tokens[name]}"
    answer = site.ask(request.verb, path, cast.sharers[name], request.body, headers)
    assert answer.status < 500, (name, request, answer)
    if request.verb == "GET" and not path.startswith(("/badge/", "/static/")):
        assert "public" not in answer.headers["cache-control"], (name, request)
    return answer.status


@pytest.fixture(scope="module")
def subjects() -> dict[str, tuple[Subject, dict[str, str]]]:
    """Those that nobody has changed yet, with the tokens of their links."""
    return {}


@pytest.mark.parametrize(("verb", "path"), ABOUT_ONE, ids=lambda part: part)
def test_who_was_given_it_may(
    site: Site, cast: Cast, subjects: dict[str, tuple[Subject, dict[str, str]]], verb: str, path: str
) -> None:
    least = needed(verb, path)
    assert least is not None
    for kind, row in EXPECTED[verb, path].items():
        told = dict(zip(READERS, row, strict=True))
        got, expected = {}, {}
        for name in (*GRANTED, *LINKED):
            if kind not in subjects:
                made = cast.make(kind)
                subjects[kind] = (made, cast.shared(made))
            subject, tokens = subjects[kind]
            before = newest(site)
            got[name] = ask(site, cast, name, request_of(verb, path, subject), tokens)
            if newest(site) != before:
                subjects.pop(kind)
            kinds, of_kinds = OF_KINDS.get((verb, path), ((), least))
            has = SHARERS[name] >= (of_kinds if kind in kinds else least)
            expected[name] = _expected(told, name, has, verb, path, kind)
        assert got == expected, kind


def _expected(told: dict[str, int], name: str, has: bool, verb: str, path: str, kind: str) -> int:
    if path.startswith("/api/records/{id}/access/request") and kind == "restricted":
        return told["owner"]  # whoever has access already
    if name in LINKED:
        # A link is nobody: it reads, and what changes something wants a user.
        in_forms = path.startswith("/uploads/") and not path.startswith("/uploads/{id}/preview")
        signed_out = verb != "GET" or path.startswith("/api/deposit/") or in_forms
        return told["anonymous"] if signed_out or not has else told["owner"]
    return told["owner"] if has else told["other"]


# Nothing more than what was given ------------------------------------------------------------------------------


def test_a_grant_says_nothing_of_other_records(site: Site, cast: Cast) -> None:
    mine, hers = cast.make("private"), cast.make("private")
    tokens = cast.shared(mine)
    for name in (*GRANTED, *LINKED):
        for path in ("/api/records/{id}", "/api/records/{id}/files", "/records/{id}"):
            assert ask(site, cast, name, request_of("GET", path, mine), tokens) == 200
            assert ask(site, cast, name, request_of("GET", path, hers), tokens) in (401, 403)


def ids(site: Site, path: str, reader: Reader) -> set[int]:
    answer = site.ask("GET", path, reader)
    assert answer.status == 200, answer
    hits = answer.json()["hits"]
    found = {int(hit["id"]) for hit in hits["hits"]}
    assert hits["total"] == len(found)
    return found


def test_readers_find_what_is_shared_with_them(site: Site, cast: Cast) -> None:
    private, edited, draft = (cast.make(kind) for kind in ("private", "edit", "draft"))
    named = " OR ".join(f"conceptrecid:{s.id - 1}" for s in (private, edited, draft)).replace(" ", "+")
    search, shared = f"/api/records?q={named}", f"/api/user/records?q={named}&shared_with_me=true"
    other = cast.readers["other"]
    for reader in (other, cast.readers["anonymous"]):
        assert ids(site, search, reader) == {edited.id}
    assert ids(site, shared, other) == set()
    tokens = [cast.shared(subject) for subject in (private, edited, draft)]
    for name in GRANTED:
        assert ids(site, search, cast.sharers[name]) == {private.id, edited.id}, name
        drafts = {draft.id} if SHARERS[name] >= PREVIEW else set()
        assert ids(site, shared, cast.sharers[name]) == {private.id, edited.id} | drafts, name
        assert ids(site, f"/api/user/records?q={named}", cast.sharers[name]) == set(), name
        # Whoever may see the edit is shown it, others the record as it is.
        for hit in site.ask("GET", shared, cast.sharers[name]).json()["hits"]["hits"]:
            if int(hit["id"]) == edited.id:
                assert ("edited" in hit["title"]) == bool(drafts), name
    for name in LINKED:
        found = ids(site, f"{search}&token={tokens[0][name]}", cast.sharers[name])
        assert found == {private.id, edited.id}, name
    owner = cast.readers["owner"]
    assert ids(site, shared, owner) == set(), "one's own is not shared with one"
    assert ids(site, f"/api/user/records?q={named}", owner) == {private.id, edited.id, draft.id}
    assert site.ask("GET", shared).status == 403


def test_a_search_shows_who_was_given_it_no_more_than_that(site: Site, cast: Cast) -> None:
    hers = cast.make("private")
    cast.shared(cast.make("open"))
    for name in GRANTED:
        said = site.ask("GET", "/api/records?q=rose&size=100", cast.sharers[name])
        assert hers.given_away_by(said.text) == []
