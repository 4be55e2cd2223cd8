"""Pages go packed to who takes it, and only those that hold nobody's secrets."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from strongroom.web.render import static_url
from tests.app import Reader, Site, running

PACKED = {"accept-encoding": "br, gzip;q=0.8"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("data")) as site:
        yield site


@pytest.fixture(scope="module")
def owner(site: Site) -> Reader:
    return site.reader("owner")


@pytest.fixture(scope="module")
def page(site: Site, owner: Reader) -> str:
    return f"/records/{site.desk.deposit(owner.actor)}"


@pytest.mark.parametrize("path", ["/", "page", static_url("site.css"), static_url("site.js")])
def test_what_anybody_may_have_is_packed(site: Site, page: str, path: str) -> None:
    path = page if path == "page" else path
    plain = site.ask("GET", path)
    assert "content-encoding" not in plain.headers
    assert "Accept-Encoding" in plain.headers["vary"]
    for _ in range(2):  # made, then from the cache
        small = site.ask("GET", path, headers=PACKED)
        assert small.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in small.headers["vary"]
        assert int(small.headers["content-length"]) == len(small.body) < len(plain.body)
        assert gzip.decompress(small.body) == plain.body


def test_what_has_no_etag_is_packed_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    packings: list[int] = []
    pack = gzip.compress

    def counted(body: bytes, level: int, *, mtime: int) -> bytes:
        packings.append(len(body))
        return pack(body, level, mtime=mtime)

    monkeypatch.setattr(gzip, "compress", counted)
    answers = [site.ask("GET", "/help?once", headers=PACKED) for _ in range(3)]
    assert "etag" not in answers[0].headers
    assert {answer.headers["content-encoding"] for answer in answers} == {"gzip"}
    assert len({answer.body for answer in answers}) == 1
    assert len(packings) == 1


def test_its_etag_is_weak_and_spares_the_next_one(site: Site, page: str) -> None:
    etag = site.ask("GET", page, headers=PACKED).headers["etag"]
    assert etag.startswith('W/"')
    assert etag.removeprefix("W/") == site.ask("GET", page).headers["etag"]
    assert site.ask("GET", page, headers={**PACKED, "if-none-match": etag}).status == 304


@pytest.mark.parametrize("refused", ["", "identity", "gzip;q=0", "br, gzip; q=0.0"])
def test_who_does_not_take_it_gets_it_plain(site: Site, page: str, refused: str) -> None:
    assert "content-encoding" not in site.ask("GET", page, headers={"accept-encoding": refused}).headers


def test_what_is_made_for_one_reader_is_not_packed(site: Site, owner: Reader, page: str) -> None:
    private = site.session("owner in a browser", owner)
    answer = site.ask("GET", page, private, headers=PACKED)
    assert answer.status == 200
    assert "private" in answer.headers["cache-control"]
    assert "content-encoding" not in answer.headers


def test_the_form_is_packed_and_its_size_tells_nothing(site: Site, owner: Reader) -> None:
    private = site.session("owner at his form", owner)
    draft = site.desk.create(owner.actor)
    plain = site.ask("GET", f"/uploads/{draft}", private)
    assert "content-encoding" not in plain.headers
    sizes, marks = set(), set()
    for _ in range(20):
        answer = site.ask("GET", f"/uploads/{draft}", private, headers=PACKED)
        assert answer.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in answer.headers["vary"]
        assert int(answer.headers["content-length"]) == len(answer.body) < len(plain.body) / 3
        assert answer.headers["cache-control"] == "private, no-store"
        sizes.add(len(answer.body))
        whole = gzip.decompress(answer.body)
        found = set(re.findall(rb'csrf" value="([^"]+)"', whole))
        assert len(found) == 1
        assert private.headers["x-csrf-token"].encode() not in whole
        marks |= found
    assert len(marks) == 20
    assert len(sizes) > 5
    mark = marks.pop().decode()
    for sent, status in (
        (mark, 303),
        (mark[:-9] + "A" + mark[-8:], 403),
        (mark + "AAAA", 403),
        ("é" * 60, 403),
    ):
        body = urlencode({"csrf": sent, "do": "save"}).encode()
        form = {"content-type": "application/x-www-form-urlencoded", "x-csrf-token": ""}
        assert site.ask("POST", f"/uploads/{draft}", private, body, form).status == status


def test_bytes_of_deposits_are_sent_as_they_are(site: Site, owner: Reader) -> None:
    draft = site.desk.create(owner.actor)
    site.desk.put(owner.actor, draft, "page.html", b"<p>text</p>" * 1000)
    record = site.desk.publish(owner.actor, draft)
    answer = site.ask("GET", f"/records/{record}/files/page.html", headers=PACKED)
    assert "content-encoding" not in answer.headers
    assert answer.body == b"<p>text</p>" * 1000
