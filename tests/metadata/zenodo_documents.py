"""Real documents in Zenodo's shapes, and a comparer that says what did not come back.

The comparer levels only what `strongroom.metadata.legacy` documents as written otherwise; whatever else
differs between what was sent and what is answered is a loss.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strongroom.metadata import html, identifiers, vocabularies

SHARED = Path(__file__).parents[2].parent / "shared"

Json = dict[str, Any]

# Computed by the server, or shown beside the metadata by the door.
_NOT_SAID = {"prereserve_doi", "relations", "access_right_category"}
_HTML = {"description", "notes", "method", "access_conditions"}
_PEOPLE = {"creators", "contributors"}
_OBJECTS = {"journal", "meeting", "imprint", "part_of", "thesis"}


def real() -> Iterator[tuple[str, bool, Json]]:
    """(id, whether it is a record, metadata) of every document in Zenodo's shape in real-records.jsonl."""
    with (SHARED / "data" / "real-records.jsonl").open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            entry = json.loads(line)
            if entry["format"] == "zenodo-legacy":
                metadata = entry["document"]["metadata"]
                yield f"line-{number}", "resource_type" in metadata, metadata


def recorded() -> Iterator[tuple[str, bool, Json]]:
    """(file name, whether it is a record, metadata) of the depositions and records recorded from zenodo.org."""
    for path in sorted((SHARED / "golden" / "legacy").glob("*_20[0-2]_*.json")):
        body = json.loads(path.read_text(encoding="utf-8"))
        metadata = body.get("metadata") if isinstance(body, dict) else None
        if isinstance(metadata, dict) and ("deposit-depositions" in path.name or "records-id" in path.name):
            yield path.name, "resource_type" in metadata, metadata


def dot_zenodo() -> Iterator[tuple[str, Json]]:
    """(file name, metadata) of every .zenodo.json that is JSON."""
    for path in sorted((SHARED / "data" / "dot-zenodo").glob("*.json")):
        try:
            yield path.name, json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue


def losses(sent: Json, answered: Json) -> list[str]:
    """What was said in `sent` and is not in `answered`; empty if nothing is lost."""
    sent, answered = _level(sent), _level(answered)
    lost = []
    for key, value in sent.items():
        other = answered.get(key)
        if key == "grants":
            for grant in value:
                if not any(_within(grant, back) for back in other or []):
                    lost.append(f"grants: {grant} not in {other}")
        elif key == "contributors" and isinstance(value, list):
            missing = Counter(map(_frozen, value)) - Counter(map(_frozen, other or []))
            lost += [f"contributors: {item} not in {other}" for item in missing]
        elif isinstance(value, dict) and isinstance(other, dict):
            lost += [f"{key}.{k}: {v!r} is {other.get(k)!r}" for k, v in value.items() if other.get(k) != v]
        elif value != other:
            lost.append(f"{key}: {value!r} is {other!r}")
    return lost


def _frozen(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(_within(v, whole.get(k)) for k, v in part.items())
    return bool(part == whole)


def _level(metadata: Json) -> Json:
    out: Json = {}
    for key, value in metadata.items():
        value = _bare(value)
        if key in _NOT_SAID or value in (None, "", [], {}):
            continue
        if key in _HTML and isinstance(value, str):
            value = html.clean(value).strip()
            if not value:
                continue
        elif key == "license":
            given = value["id"] if isinstance(value, dict) else value
            value = vocabularies.licence_id(given) or given
        elif key == "language":
            value = vocabularies.language_id(value) or value
        elif key == "doi":
            value = identifiers.normalise(value, "doi")
        elif key in _PEOPLE:
            value = [_person(p) for p in value]
        elif key in ("related_identifiers", "alternate_identifiers"):
            value = [_related(r) for r in value]
        elif key == "grants":
            value = [{"id" if k == "internal_id" else k: v for k, v in grant.items()} for grant in value]
        elif key == "communities":
            value = [c.get("identifier") or c.get("id") for c in value]
        elif key == "dates":
            value = [{**d, "type": d["type"].lower()} for d in value]
        elif key == "resource_type" and isinstance(value, dict):
            # the title is the vocabulary's; a thesis is called dissertation
            value = {k: v.replace("thesis", "dissertation") for k, v in value.items() if k != "title"}
        elif key == "publication_type":
            value = value.replace("thesis", "dissertation")
        out[key] = value
    supervisors = [*out.pop("thesis_supervisors", []), *out.get("thesis", {}).pop("supervisors", [])]
    if supervisors:
        people = [_person({**p, "type": "Supervisor"}) for p in supervisors]
        out["contributors"] = people + out.get("contributors", [])
    for key in _OBJECTS & out.keys():
        if not out[key]:
            del out[key]
    return out


def _bare(value: Any) -> Any:
    """Without nulls and empty values, texts without outer blanks."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return {k: b for k, v in value.items() if (b := _bare(v)) not in (None, "", [], {})}
    if isinstance(value, list):
        return [b for v in value if (b := _bare(v)) not in (None, "", [], {})]
    return value


def _person(person: Json) -> Json:
    out = dict(person)
    for scheme in ("orcid", "gnd"):
        if scheme in out:
            out[scheme] = identifiers.normalise(out[scheme], scheme)
    if "type" in out:
        out["type"] = out["type"].lower()
    return out


def _related(item: Json) -> Json:
    out = dict(item)
    if "relation" in out:
        out["relation"] = out["relation"].lower()
    if "resource_type" in out:
        out["resource_type"] = out["resource_type"].lower()
    # an answer names the scheme, which need not have been sent
    scheme = out.pop("scheme", None)
    if not scheme or not identifiers.valid(out["identifier"], scheme):
        scheme = identifiers.detect(out["identifier"])
    if scheme:
        out["identifier"] = identifiers.normalise(out["identifier"], scheme)
    return out
