"""What others recorded from zenodo.org since October 2023: the same asked of us has all its names and types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.conformance.goldens import Static, missing, shape, statics
from tests.conformance.wire import Answer, Json, Wire, small
from tests.live import Server

NOW = {s.name: s for s in statics() if s.era == "rdm"}

# What Zenodo answers and we do not, wherever it does; and why.
NOWHERE = {
    "links.thumbnails": "no pictures of files yet",
    "links.registerconceptdoi": "gone from Zenodo in 2025",
}
# Golden, difference, reason.
WANTED: dict[str, dict[str, str]] = {
    "get_records-id_200_2": {"~ owners[].id: int → string": "a string since 2024"},
    "post_deposit-depositions-id-files_201_2": {
        "~ filesize: float → int": "an integer, as everywhere else (section 5)"
    },
    "get_deposit-depositions-id_200_8": {
        "- files[].links.uploads": "the client that saved it renamed a bucket's objects",
        "- files[].links.version": "as before",
        "- record_url": "filled in by the client",
        "- conceptdoi": "the draft of a second version; ours is of a first",
        "- metadata.doi": "empty in the client's model",
    },
}

QUOTA = 200_000


def is_deposition(body: Any) -> bool:
    return isinstance(body, dict) and "owner" in body and "links" in body


def is_record(body: Any) -> bool:
    return isinstance(body, dict) and "owners" in body and "stats" in body


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    server = Server(
        tmp_path_factory.mktemp("statics") / "data",
        {"STRONGROOM_QUOTA_RECORD_BYTES": str(QUOTA), "STRONGROOM_SITE_NAME": "Zenodo"},
    )
    server.start()
    yield Wire(server, server.add_user("owner@example.org"))
    server.kill()
    assert "unexpected error" not in server.log()


def deposit(wire: Wire, golden: Json) -> Json:
    """A draft that says what the golden says and has files of the same names."""
    said = {k: v for k, v in golden["metadata"].items() if k not in ("doi", "prereserve_doi", "relations")}
    if "doi" in golden and not golden.get("submitted"):
        said["doi"] = "10.1234/of.another"
    if "dates" in said:  # Zenodo loses single days: an item without any can't be published
        said["dates"] = [{"start": "2024-01-01", "end": "2024-01-01", **d} for d in said["dates"]]
    made = wire.create(said)
    names = [file.get("filename") or file["key"] for file in golden["files"]]
    if not names and (is_record(golden) or golden["submitted"]):
        names = ["not shown in the golden.txt"]
    for name in names:
        wire.put_file(made, name, b"a")
    found: Json = wire.call("GET", f"/api/deposit/depositions/{made['id']}", expect=200).json()
    return found


def check(recorded: Any, ours: Any, name: str = "") -> None:
    """Ours has all names and types of the recorded, but for what is listed above, no more and no less."""
    theirs = shape([recorded])
    expected = {f"- {path}" for path in NOWHERE if path in theirs} | WANTED.get(name, {}).keys()
    assert set(missing(theirs, shape([ours]))) == expected


DEPOSITIONS = [s for s in NOW.values() if is_deposition(s.body)]
RECORDS = [s for s in NOW.values() if is_record(s.body)]
SEARCHES = [s for s in NOW.values() if isinstance(s.body, dict) and "hits" in s.body]


@pytest.mark.parametrize("golden", DEPOSITIONS, ids=lambda g: g.name)
def test_depositions(wire: Wire, golden: Static) -> None:
    ours = deposit(wire, golden.body)
    if golden.body["submitted"]:
        ours = wire.act(ours, "publish", expect=202).json()
    check(golden.body, ours, golden.name)


@pytest.mark.parametrize("golden", RECORDS, ids=lambda g: g.name)
def test_records(wire: Wire, golden: Static) -> None:
    made = wire.act(deposit(wire, golden.body), "publish", expect=202).json()
    ours = wire.call("GET", f"/api/records/{made['id']}", expect=200).json()
    check(golden.body, ours, golden.name)


@pytest.mark.parametrize("golden", SEARCHES, ids=lambda g: g.name)
def test_searches(wire: Wire, golden: Static) -> None:
    wanted = list(golden.body["hits"]["hits"])
    made = [wire.act(deposit(wire, h), "publish", expect=202).json() for h in wanted]
    # one more than fits the page, so that there is a next one
    wire.publish(small(title="One more"))
    size = len(made) or 1
    query = quote("*")
    ours = wire.call("GET", f"/api/records?q={query}&size={size}&page=1&sort=-mostrecent", expect=200).json()
    ids = {m["id"] for m in made}
    for number in ids:
        (hit,) = wire.call("GET", f"/api/records?q=recid:{number}", expect=200).json()["hits"]["hits"]
        theirs = next(w for w, m in zip(wanted, made, strict=True) if m["id"] == number)
        check(theirs, hit)
    for body in (golden.body, ours):
        body["hits"]["hits"] = []
    check(golden.body, ours)


def test_list_of_depositions(wire: Wire) -> None:
    golden = NOW["get_deposit-depositions_200_2"].body
    made = [deposit(wire, g) for g in golden]
    listed = {d["id"]: d for d in wire.call("GET", "/api/deposit/depositions?size=100", expect=200).json()}
    for theirs, ours in zip(golden, made, strict=True):
        check(theirs, listed[ours["id"]])


def test_file_of_a_form(wire: Wire) -> None:
    golden = NOW["post_deposit-depositions-id-files_201_2"]
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\na,b\r\n--x--\r\n'
    path = f"/api/deposit/depositions/{wire.create()['id']}/files"
    sent = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = wire.call("POST", path, body, sent, expect=golden.status)
    check(golden.body, answer.json(), golden.name)


def test_object_in_a_bucket(wire: Wire) -> None:
    golden = NOW["put_files-bucket-key_201_1"]
    check(golden.body, wire.put_file(wire.create(), "data.csv", b"a,b\n"))


def anonymous(wire: Wire) -> Wire:
    return Wire(wire.server)


def newversion_twice(wire: Wire) -> Answer:
    made = wire.publish()
    wire.act(made, "newversion", expect=201)
    return wire.act(made, "newversion", expect=201)


def others(wire: Wire) -> Wire:
    return Wire(wire.server, wire.server.add_user("other@example.org"))


def too_large(wire: Wire) -> Answer:
    bucket = wire.local(wire.create()["links"]["bucket"])
    return wire.call("PUT", f"{bucket}/big.tar", b"x" * (QUOTA + 1))


# The call that was refused, made here; and what is otherwise, if that is wanted.
REFUSED: dict[str, tuple[Callable[[Wire], Answer], str | None]] = {
    "post_deposit-depositions_403_1": (
        lambda wire: anonymous(wire).call("POST", "/api/deposit/depositions", {}),
        "401 without credentials (quirks 1)",
    ),
    "get_deposit-depositions_403_1": (
        lambda wire: anonymous(wire).call("GET", "/api/deposit/depositions"),
        "401 without credentials (quirks 1)",
    ),
    "put_deposit-depositions-id_403_1": (
        lambda wire: others(wire).call(
            "PUT", f"/api/deposit/depositions/{wire.create()['id']}", {"metadata": small()}
        ),
        None,
    ),
    "get_records-id_404_2": (lambda wire: wire.call("GET", "/api/records/68358988"), None),
    "get_records-id_500_1": (lambda wire: wire.call("GET", "/api/records/999999123"), "its 500"),
    "put_files-bucket-key_400_1": (too_large, "message: says how much room there is"),
    "put_files-bucket-key_400_2": (
        lambda wire: wire.call("PUT", wire.local(wire.create()["links"]["bucket"]) + "/data.zip", b""),
        "empty files are accepted",
    ),
    "put_files-bucket-key_413_1": (too_large, "the web server's own; ours is the bucket's quota"),
    "post_deposit-depositions-id-actions-newversion_400_1": (
        newversion_twice,
        "newversion twice gives the same draft (section 7)",
    ),
    "post_deposit-depositions-id-actions-publish_500_1": (
        lambda wire: wire.act(wire.create(), "publish", expect=400),
        "its 500",
    ),
    "get_files-bucket_500_1": (
        lambda wire: wire.call("GET", wire.local(wire.create()["links"]["bucket"])),
        "its 500: a bucket can be listed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(wire: Wire, name: str) -> None:
    golden, (call, wanted) = NOW[name], REFUSED[name]
    answer = call(wire)
    ours = answer.json()
    if wanted and not wanted.startswith("message:"):
        assert answer.status != golden.status, f"as recorded now, so no longer: {wanted}"
        return
    assert answer.status == golden.status
    assert ours["status"] == golden.status
    assert ours["message"].startswith(golden.body["message"]) == (wanted is None)


def test_every_one_is_asked() -> None:
    asked = {g.name for g in [*DEPOSITIONS, *RECORDS, *SEARCHES]} | REFUSED.keys()
    asked |= {
        "get_deposit-depositions_200_2",
        "post_deposit-depositions-id-files_201_2",
        "put_files-bucket-key_201_1",
    }
    assert asked == NOW.keys()
    assert len(NOW) == 35
