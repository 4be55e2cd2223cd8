"""One record, two doors: what real records say, written through one API and read through the other, both ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from strongroom.metadata import html, identifiers, vocabularies
from tests.conformance.goldens import compare
from tests.conformance.wire import Json, Wire
from tests.conftest import PROVE
from tests.live import Server
from tests.metadata.test_real_documents import REFUSED
from tests.metadata.zenodo_documents import SHARED, real

VENDOR = {"Accept": "application/vnd.inveniordm.v1+json"}
# All of them in `make prove`, else every fifth.
EVERY = 1 if PROVE else 5

# Terms of vocabularies of their own that the repositories of these records have: an id outside the vocabulary is refused
# at once, as Zenodo does, so here stand those that come nearest.
NEAREST = {
    "attached-files": "other",
    "acknowledgement": "other",
    "supplemental-material": "other",
    "data-availability": "other",
    "featuredin-physics": "other",
    "funding": "other",
    "coi": "other",
    "featuredin": "other",
    "contributions": "other",
    "additional": "other",
    "copyright": "other",
    "publication-blogpost": "publication-other",
    "publication-supplemental": "publication-other",
    "relatedauthor": "other",
}


def of_inveniordm() -> Iterator[tuple[str, Json]]:
    with (SHARED / "data" / "real-records.jsonl").open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            entry = json.loads(line)
            if entry["format"] == "inveniordm":
                yield f"line-{number}", nearest(entry["document"])


def nearest(value: Any) -> Any:
    if isinstance(value, list):
        return [nearest(v) for v in value if not _is_default_licence(v)]
    if isinstance(value, dict):
        return {
            k: NEAREST.get(v, v) if k == "id" and isinstance(v, str) else nearest(v) for k, v in value.items()
        }
    return value


def _is_default_licence(value: Any) -> bool:
    """`default` in a list of rights is no licence but that there is none."""
    return isinstance(value, dict) and value.get("id") == "default"


OF_ZENODO = [(name, said) for name, _, said in real() if name not in REFUSED]
OF_INVENIORDM = list(of_inveniordm())


def some(documents: list[tuple[str, Json]]) -> list[Any]:
    chosen = [d for n, d in enumerate(documents) if n % EVERY == 0]
    return [pytest.param(*d, id=d[0]) for d in chosen]


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    server = Server(tmp_path_factory.mktemp("doors") / "data", {"STRONGROOM_DOI_PREFIX": "10.5072"})
    server.start()
    yield Wire(server, server.add_user("owner@example.org"))
    server.kill()
    assert "unexpected error" not in server.log()


def deposition(wire: Wire, number: int | str) -> Json:
    found: Json = wire.call("GET", f"/api/deposit/depositions/{number}", expect=200).json()
    return found


def draft(wire: Wire, number: int | str) -> Json:
    found: Json = wire.call("GET", f"/api/records/{number}/draft", headers=VENDOR, expect=200).json()
    return found


def said_in(answer: Json) -> Json:
    """What the depositor says, of an answer of the records API."""
    out = {k: answer[k] for k in ("metadata", "custom_fields", "pids")}
    out["access"] = {k: v for k, v in answer["access"].items() if k != "status"}
    return {**out, "files": {k: answer["files"].get(k) for k in ("enabled", "default_preview")}}


def both_say(old: Json, new: Json) -> tuple[list[Any], list[Any]]:
    """What both APIs have words for: the same of a deposition's and of a draft's metadata, to be compared."""

    def of(*values: Any) -> list[Any]:
        return [v or None for v in values]

    kind = new.get("resource_type", {}).get("id", "").partition("-")
    licences = [r for r in new.get("rights", []) if "id" in r]
    rights = licences[:1] if licences and new["rights"][0] == licences[0] else []
    texts = new.get("additional_descriptions", [])
    shown = of(
        old.get("title"),
        old.get("publication_date"),
        old.get("description"),
        old.get("version"),
        old.get("imprint_publisher"),
        old.get("upload_type"),
        old.get(f"{old.get('upload_type')}_type"),
        vocabularies.licence_id(old["license"]) if "license" in old else None,
        old.get("language"),
        old.get("keywords"),
        old.get("references"),
        old.get("notes"),
        old.get("method"),
        [(p.get("name"), p["affiliation"], p.get("orcid")) for p in old.get("creators", [])],
        [
            (p.get("name"), p["affiliation"], (p.get("type") or "").lower())
            for p in old.get("contributors", [])
        ],
        [
            (r["identifier"], r["relation"].lower(), r.get("resource_type"))
            for r in old.get("related_identifiers", [])
            if not vocabularies.is_alternate(r["relation"])
        ],
        [
            r["identifier"]
            for r in old.get("related_identifiers", [])
            if vocabularies.is_alternate(r["relation"])
        ],
        [(d.get("start"), d["type"].lower(), d.get("description")) for d in old.get("dates", [])],
        [
            (p.get("place"), p.get("lon"), p.get("lat"), p.get("description"))
            for p in old.get("locations", [])
        ],
    )

    def person(p: Json) -> tuple[Any, ...]:
        places = p.get("affiliations", [])
        return p["person_or_org"].get("name"), (places[0].get("name", "") if places else None)

    def orcid(p: Json) -> str | None:
        ids = p["person_or_org"].get("identifiers", [])
        return next((i["identifier"] for i in ids if i["scheme"] == "orcid"), None)

    def point(p: Json) -> list[float | None]:
        geometry = p.get("geometry", {})
        return geometry["coordinates"] if geometry.get("type") == "Point" else [None, None]

    return shown, of(
        new.get("title"),
        new.get("publication_date"),
        new.get("description"),
        new.get("version"),
        new.get("publisher"),
        kind[0],
        kind[2],
        rights[0]["id"] if rights else None,
        new["languages"][0]["id"] if new.get("languages") else None,
        [s["subject"] for s in new.get("subjects", []) if "id" not in s],
        [r["reference"] for r in new.get("references", [])],
        next((t["description"] for t in texts if t["type"]["id"] == "notes"), None),
        next((t["description"] for t in texts if t["type"]["id"] == "methods"), None),
        [(*person(p), orcid(p)) for p in new.get("creators", [])],
        [(*person(p), p.get("role", {}).get("id", "")) for p in new.get("contributors", [])],
        [
            (r["identifier"], r["relation_type"]["id"], r.get("resource_type", {}).get("id"))
            for r in new.get("related_identifiers", [])
        ],
        [i["identifier"] for i in new.get("identifiers", [])],
        [
            (
                d.get("date", "").partition("/")[0].replace("..", "") or None,
                d["type"]["id"],
                d.get("description"),
            )
            for d in new.get("dates", [])
        ],
        [
            (p.get("place"), *point(p), p.get("description"))
            for p in new.get("locations", {}).get("features", [])
        ],
    )


@pytest.mark.parametrize(("name", "said"), some(OF_ZENODO))
def test_deposited_then_read_and_written_as_inveniordm(wire: Wire, name: str, said: Json) -> None:
    made = wire.create(said)
    before, seen = deposition(wire, made["id"]), draft(wire, made["id"])
    mine, theirs = both_say(before["metadata"], seen["metadata"])
    assert mine == theirs
    answer = wire.call("PUT", f"/api/records/{made['id']}/draft", seen, VENDOR, expect=200).json()
    assert said_in(answer) == said_in(seen)
    after = deposition(wire, made["id"])
    assert after["metadata"] == before["metadata"]
    assert after["title"] == before["title"]


@pytest.mark.parametrize(("name", "document"), some(OF_INVENIORDM))
def test_drafted_then_read_and_written_as_zenodo(wire: Wire, name: str, document: Json) -> None:
    body = {k: document[k] for k in ("metadata", "custom_fields", "access", "pids", "files") if k in document}
    number = wire.call("POST", "/api/records", body, VENDOR, expect=201).json()["id"]
    before, seen = draft(wire, number), deposition(wire, number)
    mine, theirs = both_say(seen["metadata"], before["metadata"])
    assert mine == theirs
    assert lost(document["metadata"], before["metadata"]) == []
    wire.call("PUT", f"/api/deposit/depositions/{number}", {"metadata": seen["metadata"]}, expect=200)
    after = draft(wire, number)
    assert list(compare(said_in(before), said_in(after))) == []
    assert deposition(wire, number)["metadata"] == seen["metadata"]


# What an answer says of a term is the vocabulary's, not the depositor's.
_OF_THE_VOCABULARY = frozenset({"title", "description", "icon", "props", "scheme", "name", "title_l10n", "acronym", "program", "identifiers", "number", "country"})  # fmt: skip


def lost(sent: Any, answered: Any, path: str = "") -> list[str]:
    """What was sent and is not in the answer."""
    if isinstance(sent, dict):
        if sent.get("scheme") and isinstance(sent.get("identifier"), str):
            scheme = sent["scheme"].lower()
            sent = {
                **sent,
                "scheme": scheme,
                "identifier": identifiers.normalise(sent["identifier"].strip(), scheme),
            }
        answered = answered if isinstance(answered, dict) else {}
        skip = _OF_THE_VOCABULARY if "id" in sent else frozenset()
        return [
            one
            for k, v in sent.items()
            if k not in skip and v not in (None, "", [], {})
            for one in lost(v, answered.get(k), f"{path}.{k}")
        ]
    if isinstance(sent, list):
        if not isinstance(answered, list) or len(sent) != len(answered):
            return [f"{path}: {sent} is {answered}"]
        return [one for a, b in zip(sent, answered, strict=True) for one in lost(a, b, f"{path}[]")]
    if isinstance(sent, str):
        # without what no depositor means: outer blanks, markup that is not allowed
        sent = (html.clean(sent) if path.endswith("description") else sent).strip()
    return [] if sent == answered or not sent else [f"{path}: {sent!r} is {answered!r}"]
