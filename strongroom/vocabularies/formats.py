"""What the registries' files say, entry by entry.

    ror        Research Organization Registry, data dump: zip, JSON (schema v2) or CSV          CC0
    funders    Crossref Open Funder Registry: RDF/XML (`registry.rdf`) or CSV (`funderNames`)     CC0
    awards     OpenAIRE Graph: project.tar of JSON lines; CORDIS: project CSV; or JSON lines of the API's own form
    orcid      ORCID Public Data File: tar of XML, one a person                                   CC0
    subjects   MeSH descriptors (XML), SKOS in RDF/XML (EuroSciVoc, GEMET, …) or N-Triples (FAST), JSON lines or CSV of
               the API's own form

Every reader takes an open binary file and yields entries as they are read: memory stays flat whatever the file's
size. Which form a file has is seen from its content, compressed (gzip) or not. What is no good entry becomes a
`Refused` in its place, which says why; a file that ends too soon, or is none of these, raises Malformed.

How the forms become the API's JSON follows inveniosoftware/invenio-vocabularies (contrib/*/datastreams.py).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any
from xml.etree import ElementTree

import orjson

from strongroom.errors import Malformed
from strongroom.metadata.identifiers import orcid_problem
from strongroom.search.terms import Term

JSON = dict[str, Any]
if TYPE_CHECKING:
    Stream = io.BufferedReader[Any]
BLOCK = 1 << 20
FUNDREF = "10.13039"


@dataclass(slots=True)
class Entry:
    """One term as it will be stored: `data` is what the API shows of it, the rest what it is found by.

    `aliases` are other ids by which it is asked for. `retired`: the registry itself says it is no longer in use.
    `part` is the part of a source that a file is all of (MeSH of subjects, CORDIS of awards).
    """

    kind: str
    id: str
    data: JSON
    main: list[str]
    others: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    facet: str = ""
    weight: int = 0
    aliases: list[str] = field(default_factory=list)
    retired: bool = False
    part: str = ""

    def pack(self) -> str:
        """What it is found by, for the column `names`."""
        return Term.pack(self.main, self.others, self.ids, self.keys, self.facet, self.weight)


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that can't be used: which, and why."""

    where: str
    why: str


Found = Iterator[Entry | Refused]

SOURCES = ("ror", "funders", "awards", "orcid", "subjects")


def read(source: str, file: IO[bytes]) -> Found:
    """The entries of a registry's file. Raises KeyError for an unknown source, Malformed for a file of another form."""
    reader = _READERS[source]
    try:
        yield from reader(file)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Malformed(f"The file is damaged or ends too soon ({error}). Fetch it again.") from None
    except ElementTree.ParseError as error:
        raise Malformed(f"The file is no good XML ({error}). Fetch it again.") from None
    except UnicodeDecodeError as error:
        raise Malformed(f"The file is not UTF-8 ({error.reason} at byte {error.start}).") from None
    except csv.Error as error:
        raise Malformed(f"The file is no good CSV ({error}).") from None


def _said(source: str, expected: str) -> Malformed:
    return Malformed(f"This file is none of those that `{source}` is loaded from: {expected}.")


# --- containers


class _Peeked(io.RawIOBase):
    """A stream whose beginning was looked at already; it can't be wound back."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            given = self._head[: len(buffer)]
            self._head = self._head[len(given) :]
        else:
            given = self._rest.read(len(buffer))
        buffer[: len(given)] = given
        return len(given)


def _peek(file: IO[bytes]) -> tuple[bytes, Stream]:
    """The first kilobytes, and the stream with them still in it."""
    head = b""
    while len(head) < 4096 and (more := file.read(4096 - len(head))):
        head += more
    return head, io.BufferedReader(_Peeked(head, file), BLOCK)


def _opened(file: IO[bytes]) -> tuple[bytes, Stream]:
    """As `_peek`, unpacked where it is gzip."""
    head, stream = _peek(file)
    if head[:2] == b"\x1f\x8b":
        return _peek(gzip.GzipFile(fileobj=stream))  # type: ignore[arg-type]
    return head, stream


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _start(head: bytes) -> bytes:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]


def _json_objects(stream: Stream) -> Iterator[JSON]:
    """The objects of a JSON array, or of JSON lines, one at a time. Raises Malformed."""
    head = stream.peek(4096)[:4096]
    if _start(head) == b"[":
        # In a pretty-printed array the closing brace of an object stands alone at the indent of its opening one:
        # no text inside may hold a line break.
        indented = re.match(rb"(?:\xef\xbb\xbf)?\s*\[\s*?(\r?\n[ \t]*)\{", head)
        return _indented(stream, indented[1]) if indented else _packed(stream)
    return _lines(stream)


def _loads(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed(
            f"The file is no good JSON ({error.msg}) near {text[:60].decode('utf-8', 'replace')!r}. Fetch it again."
        ) from None


def _lines(stream: Stream) -> Iterator[JSON]:
    for line in stream:
        if line.strip():
            yield _loads(line)


def _indented(stream: Stream, indent: bytes) -> Iterator[JSON]:
    opening, closing = indent + b"{", indent + b"}"
    rest = b""
    ended = False
    while block := stream.read(BLOCK):
        rest += block
        *whole, rest = rest.split(closing)
        for part in whole:
            at = part.find(opening)
            if at < 0:
                raise Malformed("The file is no array of JSON objects.")
            yield _loads(part[at:] + b"}")
    ended = rest.strip(b" ,\r\n\t") == b"]"
    if not ended:
        raise Malformed("The file ends in the middle of an entry. Fetch it again.")


def _packed(stream: Stream) -> Iterator[JSON]:
    decode = json.JSONDecoder().raw_decode
    text = io.TextIOWrapper(stream, encoding="utf-8-sig")
    rest = text.read(BLOCK)
    at = rest.index("[") + 1
    while True:
        while at < len(rest) and rest[at] in ", \r\n\t":
            at += 1
        if at < len(rest) and rest[at] == "]":
            return
        try:
            found, at = decode(rest, at)
        except ValueError:
            more = text.read(max(BLOCK, len(rest) - at))
            if not more:
                raise Malformed("The file ends in the middle of an entry. Fetch it again.") from None
            rest, at = rest[at:] + more, 0
            continue
        yield found


def _rows(stream: Stream, delimiter: str = ",") -> Iterator[dict[str, str]]:
    return iter(
        csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""), delimiter=delimiter)
    )


def _members(stream: Stream, ending: str) -> Iterator[tuple[str, IO[bytes]]]:
    # tarfile copies what is left of its buffer at every read: a large one costs more than the parsing.
    with tarfile.open(fileobj=stream, mode="r|*", bufsize=16384) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(ending):
                opened = archive.extractfile(member)
                assert opened is not None
                yield member.name, opened
            archive.members = []  # type: ignore[attr-defined]  # it would keep them all


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


# --- ROR

_ROR = re.compile(r"(?:https?://)?(?:www\.)?(?:ror\.org/)?(0[a-hj-km-np-tv-z0-9]{6}[0-9]{2})", re.IGNORECASE)
_CROCKFORD = {c: n for n, c in enumerate("0123456789abcdefghjkmnpqrstvwxyz")}
_STATUS = frozenset({"active", "inactive", "withdrawn"})
_SCHEMES = {"grid": "grid", "isni": "isni", "wikidata": "wikidata", "fundref": "doi"}


def ror_id(given: str) -> str | None:
    """The nine characters of a ROR id in any spelling, or None; its check digits (ISO 7064) must be right."""
    match = _ROR.fullmatch(given.strip())
    if not match:
        return None
    id = match[1].lower()
    number = 0
    for character in id[:7]:
        number = number * 32 + _CROCKFORD[character]
    return id if 98 - (number * 100) % 97 == int(id[7:]) else None


def _ror(file: IO[bytes]) -> Found:
    head, stream = _opened(file)
    if head[:4] == b"PK\x03\x04":
        yield from _ror_zip(file, stream)
    elif _start(head) in (b"[", b"{"):
        yield from _ror_json(stream)
    elif head.removeprefix(b"\xef\xbb\xbf").startswith((b"id,", b'"id",')):
        yield from _ror_csv(stream)
    else:
        raise _said("ror", "the data dump of ROR, as zip, or the JSON (schema v2) or CSV in it")


def _ror_zip(file: IO[bytes], stream: Stream) -> Found:
    if not file.seekable():
        raise Malformed("A zip file can't be read from a pipe: give its path.")
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
        # Version 1 lies beside version 2 in the dumps of 2024; JSON says more than CSV.
        found = sorted(
            (name for name in names if name.endswith((".json", ".csv"))),
            key=lambda name: (not name.endswith(".json"), "schema_v2" not in name, name),
        )
        if not found:
            raise _said("ror", "a zip with the JSON or CSV of ROR's data dump")
        with archive.open(found[0]) as member:
            inner = io.BufferedReader(_Peeked(b"", member), BLOCK)
            yield from _ror_json(inner) if found[0].endswith(".json") else _ror_csv(inner)


def _ror_json(stream: Stream) -> Found:
    first = True
    for record in _json_objects(stream):
        if first and "names" not in record:
            raise _said("ror", "schema version 2 of ROR's JSON (this is another version, or no ROR file)")
        first = False
        yield from _organisation(record)


def _several(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(";") if part.strip()]


def _ror_csv(stream: Stream) -> Found:
    """The CSV says `lang: name` for every name but the one to show, and `no_lang_code` where there is none."""
    for row in _rows(stream):
        if "names.types.ror_display" not in row:
            raise _said("ror", "schema version 2 of ROR's CSV (this is another version, or no ROR file)")
        shown = row["names.types.ror_display"].strip()
        names: list[JSON] = []
        for kind in ("label", "alias", "acronym"):
            for part in _several(row.get(f"names.types.{kind}")):
                lang, colon, name = part.partition(": ")
                if not colon or not re.fullmatch(r"[a-z]{2,3}|no_lang_code", lang):
                    lang, name = "", part
                types = [kind, "ror_display"] if name == shown and kind == "label" else [kind]
                names.append(
                    {"value": name, "types": types, "lang": None if lang in ("", "no_lang_code") else lang}
                )
        if not any("ror_display" in name["types"] for name in names):
            names.insert(0, {"value": shown, "types": ["ror_display"], "lang": None})
        external = []
        for scheme in _SCHEMES:
            every = _several(row.get(f"external_ids.type.{scheme}.all"))
            preferred = (row.get(f"external_ids.type.{scheme}.preferred") or "").strip()
            if every or preferred:
                external.append({"type": scheme, "all": every or [preferred], "preferred": preferred or None})
        place = {
            "country_code": row.get("locations.geonames_details.country_code"),
            "country_name": row.get("locations.geonames_details.country_name"),
            "name": row.get("locations.geonames_details.name"),
        }
        website = (row.get("links.type.website") or "").strip()
        yield from _organisation(
            {
                "id": row["id"],
                "names": names,
                "external_ids": external,
                "locations": [{"geonames_details": place}],
                "types": _several(row.get("types")),
                "status": row.get("status"),
                "links": [{"type": "website", "value": website}] if website else [],
                "domains": _several(row.get("domains")),
                "relationships": _several(row.get("relationships")),
            }
        )


def _organisation(record: Mapping[str, Any]) -> Iterator[Entry | Refused]:
    """A record of ROR as an affiliation, and as a funder where it is one."""
    given = record.get("id")
    id = ror_id(given) if isinstance(given, str) else None
    if id is None:
        yield Refused(str(given), "is no ROR id")
        return
    title: dict[str, str] = {}
    shown, acronym, aliases = "", "", []
    try:
        for name in record["names"]:
            value, types = name["value"].strip(), name["types"]
            if "ror_display" in types:
                shown = value
            if "label" in types:
                title[name.get("lang") or "en"] = value
            if "acronym" in types and not acronym:
                acronym = value
            elif "alias" in types or "acronym" in types:
                aliases.append(value)
        status = record["status"]
        if not shown or status not in _STATUS:
            yield Refused(id, "has no name to show" if not shown else f"has the status {status!r}")
            return
        place = (record.get("locations") or [{}])[0].get("geonames_details", {})
        identifiers = [{"identifier": id, "scheme": "ror"}]
        dois: list[str] = []
        ids = [id]
        for external in record.get("external_ids") or ():
            scheme = _SCHEMES.get(external["type"])
            if scheme is None:
                continue
            value = external.get("preferred") or external["all"][0]
            if scheme == "doi":
                dois = [f"{FUNDREF}/{number}" for number in dict.fromkeys([value, *external["all"]])]
                value = dois[0]
            else:
                ids.append(value)
            identifiers.append({"identifier": value, "scheme": scheme})
        types = record.get("types") or []
        related = len(record.get("relationships") or ())
    except (KeyError, TypeError, AttributeError, IndexError):
        yield Refused(id, "is not built as ROR's schema (version 2) says")
        return
    if "en" not in title:
        title["en"] = shown
    data: JSON = {"id": id, "name": shown, "title": title}
    country = place.get("country_code")
    for key, said in (
        ("acronym", acronym),
        ("aliases", aliases),
        ("country", country),
        ("country_name", place.get("country_name")),
        ("location_name", place.get("name")),
        ("identifiers", identifiers),
        ("types", types),
        ("status", status),
        ("domains", record.get("domains")),
    ):
        if said:
            data[key] = said
    for link in record.get("links") or ():
        if link.get("type") == "website":
            data["website"] = link["value"]
            break
    main = [shown, acronym] if acronym else [shown]
    others = [*aliases, *(text for text in title.values() if text != shown)]
    # Much related to, with many names and identifiers: the large and known ones.
    weight = 0 if status != "active" else 1 + 2 * int(math.log2(1 + related)) + len(ids) + min(len(others), 4)
    keys = [f"id={id}", f"status={status}"]
    if country:
        keys.append(f"country={country}")
    keys += [f"types={kind}" for kind in types]
    keys += [f"identifiers.identifier={one['identifier']}" for one in identifiers]
    retired = status == "withdrawn"
    yield Entry("affiliations", id, data, main, others, ids, keys, "", weight, [], retired)
    if dois or "funder" in types:
        yield Entry("funders", id, data, main, others, [*ids, *dois], keys, "", weight, dois, retired)


# --- Crossref Funder Registry

_FUNDER = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:)?(10\.13039/[0-9]+)")
_SKOS = "{http://www.w3.org/2004/02/skos/core#}"
_XL = "{http://www.w3.org/2008/05/skos-xl#}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DCT = "{http://purl.org/dc/terms/}"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_GRANT = "{http://data.crossref.org/fundingdata/xml/schema/grant/grant-1.2/}"


def _funders(file: IO[bytes]) -> Found:
    head, stream = _opened(file)
    if _start(head) == b"<":
        yield from _funders_rdf(stream)
    elif head.removeprefix(b"\xef\xbb\xbf").lower().startswith((b"uri,", b'"uri",')):
        yield from _funders_csv(stream)
    else:
        raise _said(
            "funders", "the Open Funder Registry of Crossref, as RDF/XML (registry.rdf) or CSV (funderNames)"
        )


def _funder(
    given: str, name: str, others: list[str], country: str, replaced: bool, types: list[str]
) -> Entry | Refused:
    match = _FUNDER.fullmatch(given.strip())
    if not match:
        return Refused(given, "is no id of the Funder Registry")
    if not name:
        return Refused(given, "has no name")
    doi = match[1]
    data: JSON = {"id": doi, "name": name, "title": {"en": name}}
    others = [other for other in dict.fromkeys(others) if other and other != name]
    acronym = next(
        (other for other in others if 2 <= len(other) <= 10 and other.isupper() and other.isalpha()), ""
    )
    if acronym:
        data["acronym"] = acronym
        others.remove(acronym)
    if others:
        data["aliases"] = others
    if country:
        data["country"] = country
    data["identifiers"] = [{"identifier": doi, "scheme": "doi"}]
    if types:
        data["types"] = types
    data["status"] = "inactive" if replaced else "active"
    keys = [f"id={doi}", f"identifiers.identifier={doi}", f"status={data['status']}"]
    if country:
        keys.append(f"country={country}")
    main = [name, acronym] if acronym else [name]
    weight = 0 if replaced else 1 + min(len(others), 4)
    return Entry("funders", doi, data, main, others, [doi], keys, "", weight, [doi], replaced)


def _elements(stream: IO[bytes], wanted: str) -> Iterator[ElementTree.Element]:
    """The elements of this name, each thrown away after its turn. Raises ParseError."""
    root: ElementTree.Element | None = None
    for event, element in ElementTree.iterparse(stream, ("start", "end")):
        if root is None:
            root = element
        if event == "end" and element.tag == wanted:
            yield element
            element.clear()
            root.clear()


def _funders_rdf(stream: Stream) -> Found:
    any_found = False
    for concept in _elements(stream, f"{_SKOS}Concept"):
        any_found = True
        name, others = "", []
        for label in concept.iterfind(f"{_XL}prefLabel/{_XL}Label/{_XL}literalForm"):
            if not name or label.get(_LANG) == "en":
                name = _text(label.text)
        for label in concept.iterfind(f"{_XL}altLabel/{_XL}Label/{_XL}literalForm"):
            others.append(_text(label.text))
        country = ""
        for element in concept.iter():
            if element.tag.rpartition("}")[2] == "addressCountry":
                country = _COUNTRIES.get(_text(element.text).lower(), "")
        kinds = [
            _text(concept.findtext(f"{_GRANT}{tag}")) for tag in ("fundingBodyType", "fundingBodySubType")
        ]
        replaced = concept.find(f"{_DCT}isReplacedBy") is not None
        yield _funder(
            concept.get(f"{_RDF}about", ""), name, others, country, replaced, [k for k in kinds if k]
        )
    if not any_found:
        raise _said("funders", "an RDF/XML file with skos:Concept elements")


def _funders_csv(stream: Stream) -> Found:
    for row in _rows(stream):
        row = {key.strip().lower(): value or "" for key, value in row.items() if key}
        name = row.get("primary_name_display") or row.get("primary_name") or row.get("name") or ""
        yield _funder(row.get("uri", ""), name.strip(), [], "", bool(row.get("replaced_by", "").strip()), [])


# --- awards

# OpenAIRE's prefixes of projects → the ROR id of who paid (invenio-vocabularies; facts).
OPENAIRE = {
    "aka_________": "05k73zm37", "anr_________": "00rbzpz17", "arc_________": "05mmh0f86",
    "asap________": "03zj4c476", "cihr________": "01gavpb45", "corda_______": "00k4n6c32",
    "corda_____he": "00k4n6c32", "corda__h2020": "00k4n6c32", "euenvagency_": "02k4b9v70",
    "fct_________": "00snfqn58", "fwf_________": "013tf3c58", "inca________": "03m8vkq32",
    "irb_hr______": "03n51vw80", "lcs_________": "02ar66p97", "mestd_______": "01znas443",
    "nhmrc_______": "011kf5r70", "nih_________": "01cwqze88", "nserc_______": "01h531d29",
    "nsf_________": "021nxhr62", "nwo_________": "04jsz6e67", "rcuk________": "00dq2kk65",
    "sfi_________": "0271asj38", "snsf________": "00yjd3n13", "sshrc_______": "006cvnv84",
    "tubitakf____": "04w9kkr77", "twcf________": "00x0z1472", "ukri________": "001aqnf71",
    "wt__________": "029chgv08",
}  # fmt: skip
EC = "00k4n6c32"


def _awards(file: IO[bytes]) -> Found:
    head, stream = _opened(file)
    if head[:4] == b"PK\x03\x04":
        if not file.seekable():
            raise Malformed("A zip file can't be read from a pipe: give its path.")
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            names = [n for n in archive.namelist() if n.rpartition("/")[2] in ("project.csv", "projects.csv")]
            if not names:
                raise _said("awards", "a zip of CORDIS with project.csv in it")
            with archive.open(names[0]) as member:
                yield from _cordis(io.BufferedReader(_Peeked(b"", member), BLOCK))
    elif _is_tar(head):
        for name, member in _members(stream, ""):
            if name.endswith((".json", ".json.gz", ".jsonl", ".jsonl.gz")):
                yield from map(_award, _json_objects(_opened(member)[1]))
    elif _start(head) in (b"[", b"{"):
        yield from map(_award, _json_objects(stream))
    elif b";" in head.partition(b"\n")[0] and b"acronym" in head.partition(b"\n")[0]:
        yield from _cordis(stream)
    else:
        raise _said(
            "awards", "project.tar of the OpenAIRE Graph, a project CSV of CORDIS, or JSON lines of awards"
        )


def _award(record: JSON) -> Entry | Refused:
    if not isinstance(record, dict):
        return Refused(str(record)[:60], "is no object")
    if "number" in record and isinstance(record.get("funder"), dict):
        return _own_award(record)
    code, id = _text(record.get("code")), _text(record.get("id"))
    prefix = id.partition("::")[0].rpartition("|")[2]
    funder = OPENAIRE.get(prefix)
    if not code or funder is None:
        return Refused(id or code, "has no code" if funder else f"is of a funder unknown here ({prefix})")
    title = _text(record.get("title"))
    if not title:
        return Refused(id, "has no title")
    program = ""
    for funding in record.get("funding") or record.get("fundings") or ():
        stream = (funding.get("funding_stream") or funding.get("fundingStream") or {}).get("id", "")
        program = stream.split("::")[1] if stream.count("::") else ""
        break
    url = f"https://cordis.europa.eu/projects/{code}" if funder == EC else _text(record.get("websiteurl"))
    return _make_award(
        funder, code, title, _text(record.get("acronym")), program, url,
        _text(record.get("startdate") or record.get("startDate"))[:10],
        _text(record.get("enddate") or record.get("endDate"))[:10], "openaire",
    )  # fmt: skip


def _cordis(stream: Stream) -> Found:
    for row in _rows(stream, ";"):
        code, title = (row.get("id") or row.get("rcn") or "").strip(), (row.get("title") or "").strip()
        if not code or not title:
            yield Refused(code, "has no title" if code else "has no id")
            continue
        doi = (row.get("grantDoi") or "").strip()
        yield _make_award(
            EC, code, title, (row.get("acronym") or "").strip(), (row.get("frameworkProgramme") or "").strip(),
            f"https://cordis.europa.eu/projects/{code}", (row.get("startDate") or "")[:10],
            (row.get("endDate") or "")[:10], "cordis", doi,
        )  # fmt: skip


def _make_award(
    funder: str,
    number: str,
    title: str,
    acronym: str,
    program: str,
    url: str,
    start: str,
    end: str,
    part: str,
    doi: str = "",
) -> Entry:
    data: JSON = {
        "id": f"{funder}::{number}",
        "title": {"en": title},
        "number": number,
        "funder": {"id": funder},
    }
    identifiers = [
        {"identifier": value, "scheme": scheme} for scheme, value in (("url", url), ("doi", doi)) if value
    ]
    for key, said in (
        ("identifiers", identifiers), ("acronym", acronym), ("program", program),
        ("start_date", start), ("end_date", end),
    ):  # fmt: skip
        if said:
            data[key] = said
    return _found_award(data, part)


def _own_award(record: JSON) -> Entry | Refused:
    number, funder, title = record.get("number"), record["funder"].get("id"), record.get("title")
    if not isinstance(number, str) or not isinstance(funder, str) or not number or not funder:
        return Refused(str(record.get("id")), "has no number or no funder")
    if not isinstance(title, dict) or not all(isinstance(text, str) for text in title.values()):
        return Refused(str(record.get("id")), "has no title by language")
    data = {
        "id": f"{funder}::{number}",
        **{k: v for k, v in record.items() if k not in ("id", "$schema", "pid")},
    }
    return _found_award(data, "own")


def _found_award(data: JSON, part: str) -> Entry:
    acronym = _text(data.get("acronym"))
    titles = list(data["title"].values())
    main = [*titles[:1], *([acronym] if acronym else [])] or [data["number"]]
    keys = [
        f"id={data['id']}", f"number={data['number']}", f"funder.id={data['funder']['id']}",
        *([f"acronym={acronym}"] if acronym else []),
        *([f"program={data['program']}"] if data.get("program") else []),
    ]  # fmt: skip
    # The newer, the more likely to be asked for.
    year = _text(data.get("start_date"))[:4]
    weight = max(0, min(int(year) - 1980, 255)) if year.isdigit() else 0
    return Entry(
        "awards", data["id"], data, main, titles[1:], [data["number"]], keys, data["funder"]["id"], weight,
        part=part,
    )  # fmt: skip


# --- ORCID

_ORCID_XML = {
    "path": "{http://www.orcid.org/ns/common}path",
    "given": "{http://www.orcid.org/ns/personal-details}given-names",
    "family": "{http://www.orcid.org/ns/personal-details}family-name",
    "credit": "{http://www.orcid.org/ns/personal-details}credit-name",
    "employment": "{http://www.orcid.org/ns/employment}employment-summary",
    "other": "{http://www.orcid.org/ns/other-name}content",
}
_COMMON = "{http://www.orcid.org/ns/common}"
_EMPLOYED = b"</activities:employments>"
_CLOSED = b"</activities:activities-summary></record:record>"


def _parsed(part: bytes, whole: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(part)
    except ElementTree.ParseError:
        return ElementTree.fromstring(whole)  # its prefixes are others, or it is broken


def _orcid(file: IO[bytes]) -> Found:
    head, stream = _opened(file)
    if _is_tar(head):
        for name, member in _members(stream, ".xml"):
            yield _person(name, member.read())
    elif _start(head) == b"<":
        yield _person("the file", stream.read())
    else:
        raise _said("orcid", "the summaries of ORCID's Public Data File, a tar of XML")


def _person(where: str, text: bytes) -> Entry | Refused:
    # Works, reviews and fundings come after and are nine tenths of it.
    cut = text.find(_EMPLOYED)
    try:
        root = _parsed(text[: cut + len(_EMPLOYED)] + _CLOSED if cut >= 0 else text, text)
    except ElementTree.ParseError as error:
        return Refused(where, f"is no good XML ({error})")
    orcid = given = family = credit = ""
    others: list[str] = []
    affiliations: list[JSON] = []
    for element in root.iter():
        tag = element.tag
        if tag == _ORCID_XML["path"]:
            # The first is the person's own; later ones are of those who said something about him.
            orcid = orcid or _text(element.text)
        elif tag == _ORCID_XML["given"]:
            given = _text(element.text)
        elif tag == _ORCID_XML["family"]:
            family = _text(element.text)
        elif tag == _ORCID_XML["credit"]:
            credit = _text(element.text)
        elif tag == _ORCID_XML["other"]:
            others.append(_text(element.text))
        elif (
            tag == _ORCID_XML["employment"]
            and element.find(f"{_COMMON}end-date") is None
            and (affiliation := _employer(element))
            and affiliation not in affiliations
        ):
            affiliations.append(affiliation)
    if not orcid or orcid_problem(orcid):
        return Refused(where, "has no ORCID iD, or one whose check digit is wrong")
    if not given and not family:
        return Refused(orcid, "has no public name")
    return person(orcid, given, family, [name for name in (credit, *others) if name], affiliations)


def _employer(element: ElementTree.Element) -> JSON | None:
    organisation = element.find(f"{_COMMON}organization")
    name = _text(organisation.findtext(f"{_COMMON}name")) if organisation is not None else ""
    if organisation is None or not name:
        return None
    found: JSON = {"name": name}
    known = organisation.find(f"{_COMMON}disambiguated-organization")
    if known is not None and known.findtext(f"{_COMMON}disambiguation-source") == "ROR":
        id = ror_id(_text(known.findtext(f"{_COMMON}disambiguated-organization-identifier")))
        if id:
            found = {"id": id, "name": name}
    return found


def person(orcid: str, given: str, family: str, others: list[str], affiliations: list[JSON]) -> Entry:
    """The entry of a person in the vocabulary of names."""
    name = ", ".join(part for part in (family, given) if part)
    data: JSON = {"id": orcid, "name": name}
    if given:
        data["given_name"] = given
    if family:
        data["family_name"] = family
    data["identifiers"] = [{"identifier": orcid, "scheme": "orcid"}]
    if affiliations:
        data["affiliations"] = affiliations

    main = [name, f"{given} {family}".strip()]
    found = [*others, *(affiliation["name"] for affiliation in affiliations)]
    weight = min(len(affiliations), 3) * 2 + min(len(others), 3)
    keys = [f"id={orcid}", f"identifiers.identifier={orcid}"]
    return Entry("names", orcid, data, main, found, [orcid], keys, "", weight)


# --- subjects

_MESH = "http://id.nlm.nih.gov/mesh/"


def _subjects(file: IO[bytes]) -> Found:
    head, stream = _opened(file)
    if head[:4] == b"PK\x03\x04":
        yield from _subjects_zip(file)
    elif _NT_BEGINS.match(head):
        yield from _triples(stream)
    elif _start(head) == b"<":
        if b"DescriptorRecordSet" in head:
            yield from _mesh(stream)
        else:
            yield from _skos(stream)
    elif _start(head) in (b"[", b"{"):
        yield from (_own_subject(record) for record in _json_objects(stream))
    elif b"subject" in head.partition(b"\n")[0].lower():
        yield from (_own_subject(dict(row)) for row in _rows(stream))
    else:
        raise _said(
            "subjects",
            "MeSH descriptors (XML), SKOS in RDF/XML or N-Triples, or JSON lines or CSV with id, scheme and subject",
        )


def _subjects_zip(file: IO[bytes]) -> Found:
    """The one N-Triples file of a zip, as FAST comes."""
    if not file.seekable():
        raise Malformed("A zip file can't be read from a pipe: give its path.")
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        names = [n for n in archive.namelist() if n.endswith(".nt") and not n.startswith("__MACOSX")]
        if len(names) != 1:
            raise _said("subjects", "a zip with one N-Triples file (.nt) in it, as FAST comes")
        with archive.open(names[0]) as member:
            yield from _triples(io.BufferedReader(_Peeked(b"", member), BLOCK))


def _subject(
    id: str, scheme: str, subject: str, title: JSON, others: list[str], extra: JSON
) -> Entry | Refused:
    if not id or not scheme or not subject:
        return Refused(id or subject, "lacks id, scheme or subject")
    data: JSON = {"id": id, "scheme": scheme, "subject": subject}
    others = [other for other in dict.fromkeys(others) if other and other != subject]
    for key, said in (("title", title), ("synonyms", others), *extra.items()):
        if said:
            data[key] = said
    titles = [text for text in title.values() if text != subject]
    tail = re.split(r"[/#]", id.rstrip("/"))[-1]
    keys = [f"id={id}", f"scheme={scheme}"]
    return Entry(
        "subjects", id, data, [subject], [*others, *titles], [tail] if tail != subject else [], keys, scheme,
        min(len(others) + len(titles), 9), part=scheme[:40],
    )  # fmt: skip


def _mesh(stream: Stream) -> Found:
    for record in _elements(stream, "DescriptorRecord"):
        ui = _text(record.findtext("DescriptorUI"))
        terms = [_text(term.text) for term in record.iterfind("ConceptList/Concept/TermList/Term/String")]
        trees = [_text(tree.text) for tree in record.iterfind("TreeNumberList/TreeNumber")]
        yield _subject(
            f"{_MESH}{ui}" if ui else "",
            "MeSH",
            _text(record.findtext("DescriptorName/String")),
            {},
            terms,
            {"props": {"tree_numbers": ",".join(trees)} if trees else {}},
        )


_SCHEMES_OF = (
    ("euroscivoc", "EuroSciVoc"),
    ("gemet", "GEMET"),
    ("vocab.nerc.ac.uk", "NVS"),
    ("fast", "FAST"),
)


def _skos(stream: Stream) -> Found:
    any_found = False
    for tag, element in _described(stream):
        uri = element.get(f"{_RDF}about", "")
        kinds = {kind.get(f"{_RDF}resource", "") for kind in element.iterfind(f"{_RDF}type")}
        if tag != f"{_SKOS}Concept" and "http://www.w3.org/2004/02/skos/core#Concept" not in kinds:
            continue
        any_found = True
        labels: dict[str, str] = {}
        others: list[str] = []
        for label in (
            *element.iterfind(f"{_SKOS}prefLabel"),
            *element.iterfind(f"{_XL}prefLabel//{_XL}literalForm"),
        ):
            labels.setdefault(label.get(_LANG) or "en", _text(label.text))
        for label in (
            *element.iterfind(f"{_SKOS}altLabel"),
            *element.iterfind(f"{_XL}altLabel//{_XL}literalForm"),
        ):
            others.append(_text(label.text))
        inside = element.find(f"{_SKOS}inScheme")
        scheme = _scheme_of(uri, inside.get(f"{_RDF}resource", "") if inside is not None else "")
        notation = next(
            (t for n in element.iterfind(f"{_SKOS}notation") if (t := _text(n.text)).isdigit()), ""
        )
        id = f"euroscivoc:{notation}" if scheme == "EuroSciVoc" and notation else uri
        subject = labels.get("en") or next(iter(labels.values()), "")
        if scheme == "EuroSciVoc":
            subject = subject[:1].upper() + subject[1:]
        yield _subject(
            id,
            scheme,
            subject,
            labels,
            others,
            {"identifiers": [{"scheme": "url", "identifier": uri}] if uri else []},
        )
    if not any_found:
        raise _said("subjects", "an RDF/XML file with skos:Concept in it")


def _scheme_of(uri: str, inside: str) -> str:
    """The scheme of a term: one that is known by its address, else the last part of the one it says it is in."""
    known = next((name for mark, name in _SCHEMES_OF if mark in uri.lower()), "")
    return known or re.split(r"[/#]", inside.rstrip("/#"))[-1]


# N-Triples (W3C, 2014): one statement a line. Those of one term stand together in what registries publish.
_NT_BEGINS = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s*#[^\n]*\n)*\s*(?:<\w+:[^>\s]*>|_:\S+)\s+<\w+:[^>\s]+>\s+[<\"_]"
)
_STATEMENT = re.compile(
    r"(<[^>\s]*>|_:\S+)\s+<([^>\s]*)>\s+"
    r"(?:<([^>\s]*)>|_:\S+|\"((?:[^\"\\]|\\.)*)\"(?:@([A-Za-z0-9-]+)|\^\^<[^>\s]*>)?)\s*\.\s*(?:#.*)?"
)
_ESCAPED = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
_ESCAPES = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}
_CORE = "http://www.w3.org/2004/02/skos/core#"
_DEPRECATED = "http://www.w3.org/2002/07/owl#deprecated"


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        said = match[1]
        if len(said) == 1:
            return _ESCAPES.get(said, said)
        number = int(said[1:], 16)
        return chr(number) if number < 0xD800 or 0xDFFF < number < 0x110000 else "\ufffd"

    return _ESCAPED.sub(character, text) if "\\" in text else text


def _triples(stream: Stream) -> Found:
    """The terms of SKOS in N-Triples: what has a preferred label. Raises Malformed for a line that is no statement."""
    told: dict[
        str, list[tuple[str, str]]
    ] = {}  # what is said of the term at hand: predicate → (value, language)
    term = ""
    any_found = False
    for number, line in enumerate(io.TextIOWrapper(stream, encoding="utf-8-sig"), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _STATEMENT.fullmatch(text)
        if found is None:
            raise Malformed(
                f"Line {number} is no statement of N-Triples ({text[:60]!r}): is the file whole? Fetch it again."
            )
        said, predicate, address, literal, language = found.groups()
        if said != term:
            if entry := _told(term, told):
                any_found = True
                yield entry
            term, told = said, {}
        value = address if address is not None else _unescaped(literal or "")
        told.setdefault(predicate, []).append((value, (language or "en").lower()))
    if entry := _told(term, told):
        any_found = True
        yield entry
    if not any_found:
        raise _said("subjects", "N-Triples with skos:prefLabel in it")


def _told(term: str, told: Mapping[str, list[tuple[str, str]]]) -> Entry | Refused | None:
    """The entry of a term; None for anything else that a file speaks of."""
    labels: dict[str, str] = {}
    for value, language in told.get(f"{_CORE}prefLabel", ()):
        labels.setdefault(language, value.strip())
    if not labels or not term.startswith("<"):
        return None
    uri = term[1:-1]
    others = [value.strip() for value, _ in told.get(f"{_CORE}altLabel", ())]
    inside = next((value for value, _ in told.get(f"{_CORE}inScheme", ())), "")
    entry = _subject(
        uri,
        _scheme_of(uri, inside),
        labels.get("en") or next(iter(labels.values())),
        labels,
        others,
        {"identifiers": [{"scheme": "url", "identifier": uri}]},
    )
    if isinstance(entry, Entry) and any(v in ("true", "1") for v, _ in told.get(_DEPRECATED, ())):
        entry.retired = True
    return entry


def _described(stream: IO[bytes]) -> Iterator[tuple[str, ElementTree.Element]]:
    """The children of the root, each thrown away after its turn."""
    depth = 0
    root: ElementTree.Element | None = None
    for event, element in ElementTree.iterparse(stream, ("start", "end")):
        if event == "start":
            if root is None:
                root = element
            depth += 1
            continue
        depth -= 1
        if depth == 1 and root is not None:
            yield element.tag, element
            root.clear()


def _own_subject(record: Mapping[str, Any]) -> Entry | Refused:
    title = record.get("title")
    title = {k: v for k, v in title.items() if isinstance(v, str)} if isinstance(title, dict) else {}
    synonyms = record.get("synonyms")
    extra = {key: record[key] for key in ("props", "identifiers") if isinstance(record.get(key), dict | list)}
    return _subject(
        _text(record.get("id")),
        _text(record.get("scheme")),
        _text(record.get("subject")),
        title,
        [s for s in synonyms if isinstance(s, str)] if isinstance(synonyms, list) else [],
        extra,
    )


_READERS: Mapping[str, Callable[[IO[bytes]], Found]] = {
    "ror": _ror,
    "funders": _funders,
    "awards": _awards,
    "orcid": _orcid,
    "subjects": _subjects,
}


def _countries() -> Iterable[tuple[str, str]]:
    """ISO 3166-1: three letters → two."""
    pairs = (
        "abw:AW afg:AF ago:AO aia:AI ala:AX alb:AL and:AD are:AE arg:AR arm:AM asm:AS ata:AQ atg:AG aus:AU aut:AT "
        "aze:AZ bdi:BI bel:BE ben:BJ bes:BQ bfa:BF bgd:BD bgr:BG bhr:BH bhs:BS bih:BA blm:BL blr:BY blz:BZ bmu:BM "
        "bol:BO bra:BR brb:BB brn:BN btn:BT bwa:BW caf:CF can:CA che:CH chl:CL chn:CN civ:CI cmr:CM cod:CD cog:CG "
        "cok:CK col:CO com:KM cpv:CV cri:CR cub:CU cuw:CW cym:KY cyp:CY cze:CZ deu:DE dji:DJ dma:DM dnk:DK dom:DO "
        "dza:DZ ecu:EC egy:EG eri:ER esh:EH esp:ES est:EE eth:ET fin:FI fji:FJ flk:FK fra:FR fro:FO fsm:FM gab:GA "
        "gbr:GB geo:GE ggy:GG gha:GH gib:GI gin:GN glp:GP gmb:GM gnb:GW gnq:GQ grc:GR grd:GD grl:GL gtm:GT guf:GF "
        "gum:GU guy:GY hkg:HK hnd:HN hrv:HR hti:HT hun:HU idn:ID imn:IM ind:IN irl:IE irn:IR irq:IQ isl:IS isr:IL "
        "ita:IT jam:JM jey:JE jor:JO jpn:JP kaz:KZ ken:KE kgz:KG khm:KH kir:KI kna:KN kor:KR kwt:KW lao:LA lbn:LB "
        "lbr:LR lby:LY lca:LC lie:LI lka:LK lso:LS ltu:LT lux:LU lva:LV mac:MO maf:MF mar:MA mco:MC mda:MD mdg:MG "
        "mdv:MV mex:MX mhl:MH mkd:MK mli:ML mlt:MT mmr:MM mne:ME mng:MN mnp:MP moz:MZ mrt:MR msr:MS mtq:MQ mus:MU "
        "mwi:MW mys:MY myt:YT nam:NA ncl:NC ner:NE nfk:NF nga:NG nic:NI niu:NU nld:NL nor:NO npl:NP nru:NR nzl:NZ "
        "omn:OM pak:PK pan:PA pcn:PN per:PE phl:PH plw:PW png:PG pol:PL pri:PR prk:KP prt:PT pry:PY pse:PS pyf:PF "
        "qat:QA reu:RE rou:RO rus:RU rwa:RW sau:SA sdn:SD sen:SN sgp:SG shn:SH sjm:SJ slb:SB sle:SL slv:SV smr:SM "
        "som:SO spm:PM srb:RS ssd:SS stp:ST sur:SR svk:SK svn:SI swe:SE swz:SZ sxm:SX syc:SC syr:SY tca:TC tcd:TD "
        "tgo:TG tha:TH tjk:TJ tkl:TK tkm:TM tls:TL ton:TO tto:TT tun:TN tur:TR tuv:TV twn:TW tza:TZ uga:UG ukr:UA "
        "ury:UY usa:US uzb:UZ vat:VA vct:VC ven:VE vgb:VG vir:VI vnm:VN vut:VU wlf:WF wsm:WS yem:YE zaf:ZA zmb:ZM "
        "zwe:ZW"
    )
    for pair in pairs.split():
        three, _, two = pair.partition(":")
        yield three, two


_COUNTRIES = dict(_countries())
