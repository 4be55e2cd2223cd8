"""What the registries' files say: every form, whole, damaged and of another kind."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections import Counter
from typing import IO

import pytest

from strongroom.errors import Malformed
from strongroom.vocabularies import formats
from strongroom.vocabularies.formats import Entry, Refused, ror_id
from tests.metadata.zenodo_documents import SHARED
from tests.vocabularies.conftest import SAMPLES


def read(source: str, content: bytes | IO[bytes]) -> list[Entry | Refused]:
    return list(formats.read(source, io.BytesIO(content) if isinstance(content, bytes) else content))


def entries(source: str, content: bytes) -> dict[tuple[str, str], Entry]:
    found = read(source, content)
    assert [one for one in found if isinstance(one, Refused)] == []
    return {(one.kind, one.id): one for one in found if isinstance(one, Entry)}


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("ror", "ror.zip", {"affiliations": 363, "funders": 81}),
        ("funders", "funders.rdf", {"funders": 110}),
        ("awards", "awards.tar", {"awards": 303}),
        ("awards", "awards-cordis.csv", {"awards": 60}),
        ("orcid", "orcid.tar.gz", {"names": 252}),
        ("subjects", "subjects-mesh.xml", {"subjects": 50}),
        ("subjects", "subjects-euroscivoc.rdf", {"subjects": 30}),
    ],
)
def test_samples(source: str, name: str, expected: dict[str, int]) -> None:
    found = read(source, sample(name))
    assert Counter(one.kind if isinstance(one, Entry) else "refused" for one in found) == expected


def ror_members() -> tuple[bytes, bytes]:
    with zipfile.ZipFile(SAMPLES / "ror.zip") as archive:
        names = sorted(archive.namelist())
        return archive.read(names[1]), archive.read(names[0])


def test_an_organisation_as_the_api_shows_it() -> None:
    cern = entries("ror", sample("ror.zip"))["affiliations", "01ggx4157"]
    assert cern.data == {
        "id": "01ggx4157",
        "name": "European Organization for Nuclear Research",
        "title": {
            "en": "European Organization for Nuclear Research",
            "fr": "Organisation européenne pour la recherche nucléaire",
            "de": "Europäische Organisation für Kernforschung",
        },
        "acronym": "CERN",
        "country": "CH",
        "country_name": "Switzerland",
        "location_name": "Geneva",
        "identifiers": [
            {"identifier": "01ggx4157", "scheme": "ror"},
            {"identifier": "grid.9132.9", "scheme": "grid"},
            {"identifier": "0000 0001 2156 142X", "scheme": "isni"},
        ],
        "types": ["facility", "funder"],
        "status": "active",
        "website": "https://home.cern",
    }


def test_all_forms_of_rors_dump_say_the_same() -> None:
    as_json, as_csv = ror_members()
    whole = entries("ror", as_json)
    packed = json.dumps(json.loads(as_json)).encode()
    windows = as_json.replace(b"\n", b"\r\n")
    lines = b"\n".join(json.dumps(one).encode() for one in json.loads(as_json))
    for other in (
        sample("ror.zip"),
        gzip.compress(as_json),
        packed,
        windows,
        lines,
        b"\xef\xbb\xbf" + as_json,
    ):
        assert entries("ror", other) == whole
    flat = entries("ror", as_csv)
    assert set(flat) == set(whole)
    for key, one in flat.items():
        same = ("name", "title", "acronym", "country", "identifiers", "types", "status", "website")
        assert {k: one.data.get(k) for k in same} == {k: whole[key].data.get(k) for k in same}


def test_real_records_of_ror() -> None:
    hits = json.loads((SHARED / "data/vocabularies/ror-v2-sample.json").read_text())["hits"]["hits"]
    found = entries("ror", json.dumps([hit["_source"] for hit in hits]).encode())
    assert len([key for key in found if key[0] == "affiliations"]) == len(hits)
    monash = found["funders", "02bfwt286"]
    assert monash.aliases[0] == "10.13039/501100001779"
    assert "10.13039/501100001144" in monash.aliases
    assert {"identifier": "10.13039/501100001779", "scheme": "doi"} in monash.data["identifiers"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [("https://ror.org/01ggx4157", "01ggx4157"), ("ROR.org/05A28RW58", "05a28rw58"), ("01ggx4158", None), ("", None), ("01ggx415i", None)],
)  # fmt: skip
def test_ror_ids_have_check_digits(given: str, meant: str | None) -> None:
    assert ror_id(given) == meant


@pytest.mark.parametrize("form", ["indented", "packed", "zip", "gzip", "tar.gz", "xml"])
def test_a_file_that_ends_too_soon_is_refused(form: str) -> None:
    as_json, _ = ror_members()
    cut = {
        "indented": ("ror", as_json[:-500]),
        "packed": ("ror", json.dumps(json.loads(as_json)).encode()[:-500]),
        "zip": ("ror", sample("ror.zip")[:-500]),
        "gzip": ("ror", gzip.compress(as_json)[:-500]),
        "tar.gz": ("orcid", sample("orcid.tar.gz")[:-500]),
        "xml": ("funders", sample("funders.rdf")[:-500]),
    }[form]
    with pytest.raises(Malformed):
        read(*cut)


@pytest.mark.parametrize("source", formats.SOURCES)
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x00\x01\x02" * 2000, b"<a/>", b'[{"a": 1}]', b"a,b\n1,2\n"]
)
def test_a_file_of_another_kind_gives_nothing(source: str, content: bytes) -> None:
    try:
        found = read(source, content)
    except Malformed:
        return
    assert found
    assert all(isinstance(one, Refused) for one in found)


def test_one_bad_entry_spoils_no_other() -> None:
    as_json, _ = ror_members()
    records = json.loads(as_json)[:4]
    records[0]["id"] = "https://ror.org/01ggx4158"
    records[1]["names"] = [{"value": "no name to show", "types": ["alias"], "lang": None}]
    del records[2]["status"]
    found = read("ror", json.dumps(records).encode())
    assert [type(one) for one in found][:3] == [Refused] * 3
    assert any(isinstance(one, Entry) for one in found[3:])


def test_a_person_is_where_he_works_now() -> None:
    found = entries("orcid", sample("orcid.tar.gz"))
    josiah = found["names", "0000-0002-1825-0097"]
    assert josiah.data["name"] == "Carberry, Josiah"
    working = [one for (_, _), one in found.items() if one.data.get("affiliations")]
    # Of two employments the samples end the second.
    assert {len(one.data["affiliations"]) for one in working} == {1}
    assert all(ror_id(one.data["affiliations"][0]["id"]) for one in working)


def test_projects_of_openaire() -> None:
    award = entries("awards", sample("awards.tar"))["awards", "00k4n6c32::654241"]
    assert award.data == {
        "id": "00k4n6c32::654241",
        "title": {"en": "PhenoMeNal: A comprehensive and standardised e-infrastructure"},
        "number": "654241",
        "funder": {"id": "00k4n6c32"},
        "identifiers": [{"identifier": "https://cordis.europa.eu/projects/654241", "scheme": "url"}],
        "acronym": "PhenoMeNal",
        "program": "H2020",
        "start_date": "2011-12-01",
        "end_date": "2015-12-31",
    }


def test_awards_and_subjects_in_the_apis_own_form() -> None:
    own = {
        "id": "x",
        "number": "7",
        "title": {"en": "Seven"},
        "funder": {"id": "00k4n6c32"},
        "acronym": "SVN",
    }
    award = entries("awards", json.dumps(own).encode())["awards", "00k4n6c32::7"]
    assert award.data["acronym"] == "SVN"
    line = {"id": "http://x.example/1", "scheme": "X", "subject": "Rain", "synonyms": ["Drizzle"]}
    table = io.StringIO()
    writer = csv.DictWriter(table, ["id", "scheme", "subject"])
    writer.writeheader()
    writer.writerow({"id": "http://x.example/1", "scheme": "X", "subject": "Rain"})
    for content in (json.dumps(line).encode(), table.getvalue().encode()):
        found = entries("subjects", content)["subjects", "http://x.example/1"]
        assert (found.data["subject"], found.part) == ("Rain", "X")


FAST = rb"""# FAST, Topical
<http://id.worldcat.org/fast/1204155> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/2004/02/skos/core#Concept> .
<http://id.worldcat.org/fast/1204155> <http://www.w3.org/2004/02/skos/core#prefLabel> "United States" .
<http://id.worldcat.org/fast/1204155> <http://www.w3.org/2004/02/skos/core#altLabel> "\"U.S.\" \u2014 \U0001F1FA" .
<http://id.worldcat.org/fast/1204155> <http://www.w3.org/2004/02/skos/core#prefLabel> "Vereinigte Staaten"@de .
<http://id.worldcat.org/fast/1204155> <http://schema.org/sameAs> _:b0 .
_:b0 <http://www.w3.org/2000/01/rdf-schema#label> "Of another place" .
<http://id.worldcat.org/fast/1> <http://www.w3.org/2004/02/skos/core#prefLabel> "Gone"^^<http://www.w3.org/2001/XMLSchema#string> .
<http://id.worldcat.org/fast/1> <http://www.w3.org/2002/07/owl#deprecated> "true"^^<http://www.w3.org/2001/XMLSchema#boolean> . # so it is
"""


def test_subjects_in_n_triples() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("FASTTopical.nt", FAST)
    for content in (FAST, gzip.compress(FAST), packed.getvalue()):
        found = entries("subjects", content)
        assert {key: one.retired for key, one in found.items()} == {
            ("subjects", "http://id.worldcat.org/fast/1204155"): False,
            ("subjects", "http://id.worldcat.org/fast/1"): True,
        }
        one = found["subjects", "http://id.worldcat.org/fast/1204155"]
        assert one.data == {
            "id": "http://id.worldcat.org/fast/1204155",
            "scheme": "FAST",
            "subject": "United States",
            "title": {"en": "United States", "de": "Vereinigte Staaten"},
            "synonyms": ['"U.S." — \U0001f1fa'],
            "identifiers": [{"scheme": "url", "identifier": "http://id.worldcat.org/fast/1204155"}],
        }
        assert one.ids == ["1204155"]


@pytest.mark.parametrize("cut", [len(FAST) - 40, len(FAST) - 200, 80])
def test_n_triples_that_end_too_soon(cut: int) -> None:
    with pytest.raises(Malformed, match=r"Line \d+ is no statement|is none of those"):
        read("subjects", FAST[:cut])
