"""Must hold 6: walk all links of all answers as each actor; what is hidden from him is never among what he gets.

Where one may go is not listed here: the answers say it. Restricted bytes, names and texts carry marks (tests/cast.py).
"""

from __future__ import annotations

import json
import random
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import pytest

from strongroom.access import Level
from tests.app import Reader, Site, running
from tests.cast import GRANTED, KINDS, LINKED, SHARERS, Cast, Subject
from tests.conftest import PROVE, count

BASE = "http://testserver"
STEPS = count(40, 6000)  # after the places that one begins with
ACCEPTS = ("application/json", "application/vnd.inveniordm.v1+json", "text/html", "*/*")
_LINKS = re.compile(r"""(?:href|src|action)=["']([^"']+)["']|<(https?://[^>\s]+)>""")
# What the level VIEW shows, and what wants PREVIEW.
OF_DRAFTS = ("draft", "edit")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site") / "data") as site:
        yield site


@pytest.fixture(scope="module")
def cast(site: Site) -> Cast:
    return Cast(site)


@pytest.fixture(scope="module")
def given(cast: Cast) -> dict[str, tuple[Subject, dict[str, str]]]:
    """One of each kind that was given to everybody in SHARERS, with the tokens of its links."""
    made = {kind: cast.make(kind) for kind in KINDS}
    return {kind: (subject, cast.shared(subject)) for kind, subject in made.items()}


@pytest.fixture(scope="module")
def kept(cast: Cast) -> dict[str, Subject]:
    """One of each kind that was given to nobody."""
    return {kind: cast.make(kind) for kind in KINDS}


def found_in(value: Any) -> Iterator[str]:
    """Every text in a JSON value that is an address of ours."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from found_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from found_in(inner)
    elif isinstance(value, str) and value.startswith((BASE, "/")):
        yield value


def links_of(headers: dict[str, str], body: bytes) -> Iterator[str]:
    text = body.decode("utf-8", "replace")
    kind = headers.get("content-type", "")
    if "json" in kind:
        with suppress(json.JSONDecodeError):
            yield from found_in(json.loads(text))
    for match in _LINKS.finditer(text if "html" in kind or "xml" in kind else ""):
        yield (match[1] or match[2]).replace("&amp;", "&")
    for match in re.finditer(r"<([^>]+)>", headers.get("link", "")):
        yield match[1]
    if "location" in headers:
        yield headers["location"]


def ours(link: str) -> str | None:
    """The path and query of an address of ours; None for others and for what is the same for everybody."""
    link = link.partition("#")[0].removeprefix(BASE)
    if not link.startswith("/") or link.startswith(("//", "/static/", "/api/openapi")):
        return None
    return re.sub(r"[?&]token=[^&]*", "", link)


def walk(
    site: Site, reader: Reader, starts: list[str], token: str | None, seed: str
) -> Iterator[tuple[str, str]]:
    """(address, all that came) of every answer to GET that is reached from here by links."""
    chance = random.Random(seed)
    waiting = deque(starts)
    seen = set(starts)
    for step in range(len(starts) + STEPS):
        if not waiting:
            return
        if step >= len(starts):
            # Not always the oldest: pages of lists would hide what is deep.
            waiting.rotate(-chance.randrange(len(waiting)))
        path = waiting.popleft()
        headers = {"accept": chance.choice(ACCEPTS)}
        asked = path
        if token is not None:
            if path.startswith("/records/"):
                headers["cookie"] = f"strongroom-link=m!{token}; strongroom-links=m"
            else:
                asked += ("&" if "?" in path else "?") + f"token={token}"
        target, _, query = asked.partition("?")
        answer = site.ask("GET", target + (f"?{query}" if query else ""), reader, None, headers)
        assert answer.status < 500, (reader.name, asked, answer.body[:300])
        yield path, answer.text
        for link in links_of(answer.headers, answer.body):
            there = ours(link)
            if there is not None and there not in seen and not there.startswith("/logout"):
                seen.add(there)
                waiting.append(there)


def starts_of(subjects: list[Subject]) -> list[str]:
    found = ["/", "/search", "/api/records?size=25", "/api/records?all_versions=1", "/me/uploads"]
    found += [
        "/api/user/records",
        "/api/deposit/depositions",
        "/api/user/requests",
        "/api/requests",
        "/api/users",
    ]
    for subject in subjects:
        found += [
            f"/records/{subject.id}",
            f"/records/{subject.id - 1}",
            f"/api/records/{subject.id}",
            f"/api/records/{subject.id}/draft",
            f"/api/deposit/depositions/{subject.id}",
            f"/api/files/{subject.bucket}",
            f"/api/records/{subject.id}/files/{subject.key}/content",
            f"/records/{subject.id}?preview=1",
        ]
    return found


def hidden_from(level: Level, subject: Subject) -> list[str]:
    """What of a subject one with this level may not be told."""
    if subject.kind == "withdrawn":
        return list(subject.hidden)
    least = Level.PREVIEW if subject.kind in OF_DRAFTS else Level.VIEW
    return [] if level >= least else list(subject.hidden)


def leaks(
    answers: Iterator[tuple[str, str]], watched: list[tuple[Subject, Level]]
) -> tuple[dict[str, str], set[str]]:
    """What was told that may not be, with where; and the kinds of which something was told rightly."""
    wrong: dict[str, str] = {}
    right: set[str] = set()
    for path, text in answers:
        for subject, level in watched:
            for what in subject.given_away_by(text):
                if what in hidden_from(level, subject):
                    # An address that one knows may come back in the answer.
                    if subject.hidden[what] not in unquote(path):
                        wrong[f"{subject.kind}: {what}"] = path
                else:
                    right.add(subject.kind)
    return wrong, right


@pytest.mark.parametrize("name", ["anonymous", "other", *GRANTED])
def test_nobody_walks_to_what_is_hidden(
    site: Site,
    cast: Cast,
    given: dict[str, tuple[Subject, dict[str, str]]],
    kept: dict[str, Subject],
    name: str,
) -> None:
    level = SHARERS.get(name, Level.NONE)
    reader = cast.sharers[name] if name in SHARERS else cast.readers[name]
    watched = [(s, level) for s, _ in given.values()] + [(s, Level.NONE) for s in kept.values()]
    starts = starts_of([s for s, _ in watched])
    wrong, right = leaks(walk(site, reader, starts, None, name), watched)
    assert wrong == {}
    if level >= Level.VIEW:
        assert {"embargoed", "restricted", "private"} <= right, "the walk finds what there is to find"
    if level >= Level.PREVIEW:
        assert "draft" in right


@pytest.mark.parametrize("name", LINKED)
@pytest.mark.parametrize(
    "kind", ["private", "restricted", "draft", "edit"] if PROVE else ["private", "draft"]
)
def test_a_link_leads_to_its_record_only(
    site: Site,
    cast: Cast,
    given: dict[str, tuple[Subject, dict[str, str]]],
    kept: dict[str, Subject],
    name: str,
    kind: str,
) -> None:
    """Walked with the token on every address, those of other records too."""
    mine, tokens = given[kind]
    level = SHARERS[name]
    watched = [(s, level if s is mine else Level.NONE) for s, _ in given.values()]
    watched += [(s, Level.NONE) for s in kept.values()]
    starts = starts_of([mine, kept["private"], kept["draft"], kept["restricted"]])
    wrong, right = leaks(walk(site, Reader(name), starts, tokens[name], f"{name}{kind}"), watched)
    assert wrong == {}
    assert (kind in right) == (not hidden_from(level, mine))


def test_no_walk_of_others_meets_a_token(
    site: Site, cast: Cast, given: dict[str, tuple[Subject, dict[str, str]]]
) -> None:
    """Share links are shown to managers at `access/links`, and nowhere else to nobody else."""
    tokens = [t for _, some in given.values() for t in some.values()]
    for name in ("anonymous", "editor"):
        reader = cast.sharers.get(name) or cast.readers[name]
        for path, text in walk(site, reader, starts_of([s for s, _ in given.values()]), None, f"t{name}"):
            assert not [t for t in tokens if t in text], (name, path)
    manager = cast.sharers["manager"]
    subject, some = given["private"]
    shown = site.ask("GET", f"/api/records/{subject.id}/access/links", manager).text
    assert all(token in shown for token in some.values())
