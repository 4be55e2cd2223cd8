"""What Zenodo's own code was asked in InvenioRDM's API, asked of us: the same statuses, names, types and messages."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.conformance.goldens import LIVE_RDM, Exchange, compare, exchanges, levelled, missing, shape
from tests.conformance.test_goldens import BROKE, Replay, Wanted, in_vain, message, refuse, without_ids
from tests.conformance.wire import Answer, Json, Wire
from tests.live import COMMAND, Server

RECORDED = exchanges(LIVE_RDM)
BY_NUMBER = {e.number: e for e in RECORDED}
VENDOR = "application/vnd.inveniordm.v1+json"

# Not ours yet: they must be answered with 404, or as said; whoever builds them takes them out here.
NOT_YET = {
    **dict.fromkeys((85, 86, 87, *range(89, 93), 94, 95, 96, 97), "exports in other formats"),
    148: "groups",
    **dict.fromkeys((*range(185, 195), *range(197, 205)), "communities"),
    **dict.fromkeys((*range(205, 222), 223, 224), "communities: reviews, records of"),
    **dict.fromkeys((*range(268, 275), *range(278, 281), *range(282, 286), 307, 308), "communities"),
    **dict.fromkeys((241, 242, 243), "statistics"),
    244: "IIIF",
    246: "exports of everything",
    247: "moderators' list of mail domains",
    288: "granted here by an administrator, unless the setting allows some",
}

# -- steps that were not recorded ----------------------------------------------------------------------------

# Asked for because there is no such request.
NOBODYS_REQUEST = "80dac3af-db6c-4cd0-984c-50ac99a0dc2a"
# Their accounts by number.
PEOPLE = {"2": "administrator", "3": "owner", "4": "another user"}
DESCRIBED: Json = BY_NUMBER[3].request["body"]


class RdmReplay(Replay):
    """The recorded calls made again, with what lies between them."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.wires["administrator"] = Wire(server, server.add_user("admin@example.org", admin=True))
        ids = {
            who: self.wires[who].call("GET", "/api/me", expect=200).json()["id"] for who in PEOPLE.values()
        }
        self.people = {theirs: str(ids[who]) for theirs, who in PEOPLE.items()}
        self.link = ""  # of a share link
        self.names.known[NOBODYS_REQUEST] = NOBODYS_REQUEST

    # between

    def number(self, recorded: int) -> str:
        return self.names.known[str(recorded)]

    def draft(self, recorded: int, wire: Wire | None = None, **more: Any) -> str:
        """A draft that has this number in the recordings."""
        made = (wire or self.owner).call(
            "POST", "/api/records", {**DESCRIBED, **more}, {"Accept": VENDOR}, expect=201
        )
        body = made.json()
        self.names.known[str(recorded)] = body["id"]
        self.names.known[str(recorded - 1)] = body["parent"]["id"]
        return str(body["id"])

    def with_file(self, number: str, key: str = "core.csv", content: bytes = b"depth,carbon\n1,2\n") -> None:
        made = self.owner.call("GET", f"/api/deposit/depositions/{number}", expect=200).json()
        if key not in {f["filename"] for f in made["files"]}:
            self.owner.put_file(made, key, content)

    def record(self, recorded: int, **more: Any) -> str:
        """A published record that has this number in the recordings."""
        number = self.draft(recorded, **more)
        self.with_file(number)
        self.owner.call("POST", f"/api/records/{number}/draft/actions/publish", expect=202)
        return number

    # the calls

    def send(self, exchange: Exchange) -> Answer:
        request = exchange.request
        headers = {k: v for k, v in request["headers"].items() if k != "(as)"}
        if exchange.number in CURRENT_REVISION:
            path = request["path"]
            now = self.owner.call("GET", self.names.here(path), headers={"Accept": VENDOR}, expect=200)
            form = CURRENT_REVISION[exchange.number]
            headers["If-Match"] = form.format(now.json()["revision_id"])
        path = re.sub(r"(?<=token=)ey[\w.-]+", self.link, self.names.here(request["path"]))
        path = re.sub(r"(?<=/users/)[234]\b", lambda m: self.people[m[0]], path)
        body = self.ours(request.get("body"))
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        if exchange.number in CHANGED_REQUESTS:
            body = CHANGED_REQUESTS[exchange.number](str(body))
        if isinstance(body, str):
            body = self.names.here(body).encode()
        who = SENT_BY.get(exchange.number, exchange.who)
        return self.wires[who].call(request["method"], quote(path, safe="/%?=&:,[]"), body, headers)

    def run(self) -> None:
        self.names.owner = self.owner.create()["owner"]
        for exchange in RECORDED:
            for step in BEFORE.get(exchange.number, ()):
                step(self)
            try:
                answer = self.send(exchange)
            except KeyError:
                assert exchange.number in NOT_YET, exchange.name  # nothing has named what it asks for
                self.differences[exchange.number] = {"not asked"}
                continue
            self.answers[exchange.number] = answer
            if answer.media_type.endswith("json") and answer.body:
                self.names.learn(by_key(exchange.body), by_key(answer.json()))
            self.differences[exchange.number] = {without_ids(d) for d in self.differ(exchange, answer)}
            for step in AFTER.get(exchange.number, ()):
                step(self)

    def ours(self, value: Any) -> Any:
        """Recorded JSON with the accounts of here: `{"user": "3"}`, and `{"type": "user", "id": "3"}`."""
        if isinstance(value, list):
            return [self.ours(v) for v in value]
        if isinstance(value, dict):
            out = {k: self.ours(v) for k, v in value.items()}
            if value.get("user") in self.people:
                out["user"] = self.people[value["user"]]
            if value.get("type") == "user" and value.get("id") in self.people:
                out["id"] = self.people[value["id"]]
            return out
        return value

    # the comparison

    def differ_in_body(self, exchange: Exchange, wanted: Any, ours: Any) -> Iterator[str]:
        if exchange.number in EXPORTS:
            # exports follow their standards, with more than Zenodo's: theirs must be in ours
            yield from missing(shape([wanted]), shape([ours]))
        else:
            here, ours = (
                english(levelled(by_key(b))) for b in (self.ours(self.names.translate(wanted)), ours)
            )
            if isinstance(here, dict) and isinstance(ours, dict):
                yield from differ_in_findings(here.pop("errors", []), ours.pop("errors", []))
            # what is found depends on what there is, here other things than there
            if is_hits(wanted):
                here, ours = (without_neighbours(b) for b in (here, ours))
            if exchange.number in OF_OTHERS:
                here, ours = without_hits(here), without_hits(ours)
            if exchange.number in IN_ANY_ORDER:
                for body in (here, ours):
                    body["hits"]["hits"].sort(key=lambda hit: hit["id"])
            yield from compare(here, ours, values=not is_hits(wanted))


def without_hits(body: Json) -> Json:
    return {**body, "hits": {**body["hits"], "hits": []}}


def without_neighbours(body: Json) -> Json:
    """A page of hits without its links to the next and previous one, which are there or not by what there is."""
    links = {k: v for k, v in body.get("links", {}).items() if k not in ("next", "prev")}
    return {**body, "links": links} if "links" in body else body


def differ_in_findings(here: list[Json], ours: list[Json]) -> Iterator[str]:
    """`errors` of a saved draft, by field and first message; hints may follow."""
    theirs, mine = ({(e["field"], e["messages"][0]) for e in each} for each in (here, ours))
    yield from (f"- errors {field}: {said}" for field, said in theirs - mine)
    yield from (f"+ errors {field}: {said}" for field, said in mine - theirs)


def is_hits(body: Any) -> bool:
    return isinstance(body, dict) and "hits" in body


def by_key(value: Any) -> Any:
    """Files in the order of their keys: theirs come as they were sent."""
    if isinstance(value, dict) and isinstance(value.get("entries"), list):
        return {**value, "entries": sorted(value["entries"], key=lambda entry: str(entry.get("key")))}
    return value


def english(value: Any) -> Any:
    """Without the other languages of titles: Zenodo's vocabularies have five more of some terms, ours of others."""
    if isinstance(value, list):
        return [english(v) for v in value]
    if isinstance(value, dict):
        if "en" in value and all(re.fullmatch("[a-z]{2,3}", key) for key in value):
            return {"en": value["en"]}
        return {k: english(v) for k, v in value.items()}
    return value


# What the file says of itself there is not so, which we would not overlook: its size and checksum.
CHANGED_REQUESTS: dict[int, Callable[[str], str]] = {
    39: lambda body: body.replace('"size": 17, "checksum": "md5:1", ', "")
}
# The guest of before has searched enough for a minute.
SENT_BY = {297: "owner"}
# Pages of hits whose order says nothing, as all fit equally well; and those that list other things than theirs.
IN_ANY_ORDER = (133,)
OF_OTHERS = (28, 30, 195, 196, 222, 235, 237, 275)
# If-Match there is a number of theirs: the same place in our count.
CURRENT_REVISION = {22: "{}", 24: '"{}"'}
EXPORTS = (83, 84, 87, 93)

Step = Callable[[RdmReplay], None]


def file_of(recorded: int) -> Step:
    return lambda replay: replay.with_file(replay.number(recorded))


def draft(recorded: int, *, file: bool = False, other: bool = False, **more: Any) -> Step:
    def step(replay: RdmReplay) -> None:
        number = replay.draft(recorded, replay.other if other else None, **more)
        if file:
            replay.with_file(number)

    return step


def record(recorded: int, *, edit: bool = False, **more: Any) -> Step:
    def step(replay: RdmReplay) -> None:
        number = replay.record(recorded, **more)
        if edit:
            replay.owner.call("POST", f"/api/records/{number}/draft", expect=201)

    return step


def change(recorded: int) -> Step:
    def step(replay: RdmReplay) -> None:
        replay.owner.call("PUT", f"/api/records/{replay.number(recorded)}/draft", DESCRIBED, expect=200)

    return step


def put_again(number: int) -> Step:
    """What an exchange has sent, sent once more."""
    sent = BY_NUMBER[number].request

    def step(replay: RdmReplay) -> None:
        replay.owner.call("PUT", replay.names.here(sent["path"]), sent["body"], expect=200)

    return step


def edit_again(replay: RdmReplay) -> None:
    replay.owner.call("POST", f"/api/records/{replay.number(1000757)}/draft", expect=201)
    put_again(108)(replay)


def share(recorded: int) -> Step:
    """A link with which anybody sees the files."""

    def step(replay: RdmReplay) -> None:
        path = f"/api/records/{replay.number(recorded)}/access/links"
        made = replay.owner.call("POST", path, {"permission": "view"}, expect=201)
        replay.link = made.json()["token"]

    return step


def begin_file(recorded: int, key: str) -> Step:
    def step(replay: RdmReplay) -> None:
        path = f"/api/records/{replay.number(recorded)}/draft/files"
        replay.owner.call("POST", path, [{"key": key}], expect=201)

    return step


def without_waiting(recorded: int, key: str) -> Step:
    """Take a file out that was announced and never came."""

    def step(replay: RdmReplay) -> None:
        path = f"/api/records/{replay.number(recorded)}/draft/files/{key}"
        replay.owner.call("DELETE", path, expect=204)

    return step


def many_searches(replay: RdmReplay) -> None:
    """As many as a guest may make in a minute, and which minute that is does not matter."""
    for _ in range(200):
        if replay.wires["anonymous"].call("GET", "/api/records?size=1").status == 429:
            return


RESTRICTED = {
    "access": {"record": "public", "files": "restricted"},
    "metadata": {**DESCRIBED["metadata"], "title": "Restricted files"},
}

BEFORE: dict[int, list[Step]] = {
    73: [without_waiting(1000757, "big.bin")],
    111: [edit_again],
    126: [draft(1000780), change(1000780)],
    158: [record(1000782, **RESTRICTED)],
    205: [draft(1000784, other=True)],
    248: [record(1000786)],
    251: [record(1000788)],
    259: [record(1000790)],
    264: [many_searches],
    265: [record(1000792)],
    267: [draft(1000794, file=True)],
    286: [record(1000796)],
    288: [draft(1000798)],
    289: [record(1000800, edit=True)],
    295: [draft(1000802), begin_file(1000802, "e.txt")],
    298: [record(1000804, **RESTRICTED), share(1000804)],
    300: [record(1001039, edit=True)],
    306: [record(1001041)],
}
AFTER: dict[int, list[Step]] = {24: [put_again(22)]}

# -- differences that are wanted ----------------------------------------------------------------------------

BECAME_VENDOR = f"content-type application/json → {VENDOR}"
BECAME_PLAIN = f"content-type {VENDOR} → application/json"


def revision_message(theirs: int) -> str:
    return message(
        f"Revision id provided(1) doesn't match record's one({theirs})",
        "Revision id provided(1) doesn't match record's one(2). "
        "Somebody changed it since you read it: read it again, then repeat.",
    )


NO_ROUTE = (
    "The requested URL was not found on the server. "
    "If you entered the URL manually please check your spelling and try again."
)
NOT_SO = "The method is not allowed for the requested URL."
OPEN_BEFORE_FILES = (
    "≠ access.status",
    *(f"≠ ui.access_status.{k}" for k in ("description_l10n", "icon", "id", "title_l10n")),
)
# Whatever names a term.
TERMS = (
    *(f"{k}.type.title" for k in ("additional_descriptions[]", "additional_titles[]", "dates[]")),
    "additional_titles[].lang.title",
    "creators[].role.title",
    *(f"funding[].award.{k}" for k in ("acronym", "identifiers", "number", "program", "title")),
    "funding[].funder.name",
    "languages[].title",
    "related_identifiers[].relation_type.title",
    "related_identifiers[].resource_type.title",
    "resource_type.title",
    *(f"rights[].{k}" for k in ("description", "icon", "props", "title")),
)


def on_pages(term: str) -> str:
    """The same in the block for pages."""
    if term.startswith("creators"):
        return f"creators.{term}"
    return re.sub(r"\b(title|description)$", r"\1_l10n", term)


def of_terms(path: str) -> tuple[str, ...]:
    return tuple(f"+ {path}{term}" for term in TERMS)


VALUES_OF_TERMS = tuple(
    f"≠ {path}"
    for path in (
        "metadata.funding[].award.identifiers[].identifier",
        "metadata.funding[].award.program",
        "metadata.rights[].description.en",
        "metadata.rights[].props.url",
        "ui.funding[].award.identifiers[].identifier",
        "ui.funding[].award.program",
        "ui.rights[].description_l10n",
        "ui.rights[].props.url",
    )
)
OLD_LINKS = ("conceptdoi", "conceptbadge", "badge", "bucket", "html")

WANTED = [
    # who may what
    Wanted(
        "all that a guest must say is told at once",
        (166,),
        (
            "+ errors consent_to_share_personal_data: Say true: who decides sees your name and address.",
            "+ errors full_name: Missing data for required field.",
        ),
    ),
    Wanted("records may be restricted here (settings)", (9,), ("status 400 → 201", BECAME_VENDOR)),
    Wanted(
        "deposits may do without files here (settings)",
        (8,),
        ("- errors files.enabled: You don't have permissions to manage files options.", "≠ files.enabled"),
    ),
    Wanted("who manages a record sees its history", (112,), ("status 403 → 200",)),
    # drafts
    Wanted("drafts do not expire", "draft", ("~ expires_at: string → null",)),
    Wanted(
        "everything that is missing is told at once",
        (2,),
        tuple(
            f"+ errors metadata.{k}: Missing data for required field."
            for k in ("creators", "publication_date", "resource_type", "title")
        ),
    ),
    Wanted(
        "where no publisher is named it is the site",
        (2, 5, 26),
        ("- errors metadata.publisher: Missing publisher field required for DOI registration.",),
    ),
    Wanted(
        "a new draft says what Zenodo's own next answer says: it is to have files, and is open",
        (2, 3, 5, 11, 12, 15),
        OPEN_BEFORE_FILES,
    ),
    Wanted(
        "an embargo that is over is none",
        (10,),
        (
            *OPEN_BEFORE_FILES,
            "~ ui.access_status.embargo_date_l10n: string → null",
            "≠ ui.access_status.message_class",
        ),
    ),
    Wanted("kept as typed, beside its error", (5, 26), ("+ metadata.title",)),
    Wanted(
        "kept as typed, beside its error",
        (5,),
        (
            "+ metadata.publication_date",
            "+ ui.publication_date_l10n_long",
            "+ ui.publication_date_l10n_medium",
        ),
    ),
    Wanted(
        "what there is instead of it is in the vocabularies: programmes, addresses and words of our own files",
        "draft",
        VALUES_OF_TERMS,
    ),
    Wanted(
        "what there is instead of it is in the vocabularies: programmes, addresses and words of our own files",
        "record",
        VALUES_OF_TERMS,
    ),
    Wanted(
        "the same, in the answer of restore",
        (262,),
        tuple(v for v in VALUES_OF_TERMS if not v.startswith("≠ ui.")),
    ),
    Wanted(
        "Zenodo forgets what the terms are called when the same draft is asked for again",
        (106, 116),
        (*of_terms("metadata."), *(f"+ ui.{on_pages(term)}" for term in TERMS)),
    ),
    Wanted("what terms are called is told here too", (156,), of_terms("metadata.")),
    Wanted("what terms are called is told here too", (113,), of_terms("[].json.metadata.")),
    Wanted(
        "of its own count; and what to do",
        (23,),
        (revision_message(7),),
    ),
    Wanted("of its own count; and what to do", (126,), (revision_message(5),)),
    Wanted("the ETag's own form is understood (section 0.2)", (24,), ("status 400 → 200", BECAME_VENDOR)),
    Wanted(
        "its 500: only DOIs are reserved",
        (33,),
        (
            "status 500 → 400",
            message(BROKE, "A validation error occurred."),
            "+ errors",
            "+ errors pids: No identifiers of the scheme 'foo' are given here: only doi.",
        ),
    ),
    Wanted(
        "all that is wrong is told at once, and a short title is too short, not missing",
        (37,),
        (
            "+ errors files.enabled: Missing uploaded files. To disable files for this record please mark it as metadata-only.",
            "- errors metadata.title: Missing data for required field.",
        ),
    ),
    Wanted(
        "all that is wrong is told at once",
        (50,),
        (
            "+ errors files.enabled: Missing uploaded files. To disable files for this record please mark it as metadata-only.",
        ),
    ),
    # shapes
    Wanted(
        "given back here too (api-legacy.md section 4: lost by Zenodo), and what the vocabularies know",
        "legacy",
        (
            "+ metadata.alternate_identifiers[].scheme",
            "≠ metadata.dates[].type",
            "≠ metadata.grants[].program",
            "≠ metadata.grants[].url",
        ),
    ),
    Wanted(
        "for clients of before 2023 (quirks, contradictions; section 8.2: the union of links)",
        (77,),
        (
            *(f"+ links.{k}" for k in OLD_LINKS),
            *("+ files[].bucket", "+ files[].type", "+ stats.volume", "+ stats.version_volume"),
        ),
    ),
    Wanted(
        "as in records",
        (122,),
        (
            *(f"+ hits.hits[].links.{k}" for k in OLD_LINKS),
            *(f"+ hits.hits[].{k}" for k in ("files[].bucket", "files[].type")),
            *(f"+ hits.hits[].stats.{k}" for k in ("volume", "version_volume")),
            "+ hits.hits[].metadata.alternate_identifiers[].scheme",
        ),
    ),
    Wanted(
        "an object as in records, not null", (121, 122, 127, 128, 133), ("~ hits.hits[].swh: null → object",)
    ),
    Wanted(
        "files are described in hits as they are in records",
        (121, 127, 128, 133),
        tuple(
            f"+ hits.hits[].files.entries.core.csv.{k}"
            for k in ("links", "metadata.description", "storage_class")
        ),
    ),
    Wanted("files lead to their bytes", (73, 111, 119, 156, 262), ("+ files.entries.core.csv.links",)),
    Wanted(
        "the description of a file, which was sent (53), is kept",
        (73, 76, 78, 79, 105, 106, 108, 111, 119, 156),
        ("+ files.entries.core.csv.metadata.description",),
    ),
    Wanted("of this host", "record", ("≠ pids.oai.identifier",)),
    Wanted("of this host", "draft", ("≠ pids.oai.identifier",)),
    Wanted("of this host", (156, 262), ("≠ pids.oai.identifier",)),
    Wanted(
        "another account",
        (79,),
        tuple(
            f"≠ expanded.parent.access.owned_by.{k}"
            for k in ("id", "links.avatar", "profile.full_name", "username")
        ),
    ),
    Wanted(
        "JSON instead of a page, to a client of the API",
        (80,),
        ("content-type text/html → application/json",),
    ),
    Wanted(
        "its 500; records change through their drafts", (81,), ("status 500 → 405", message(BROKE, NOT_SO))
    ),
    Wanted(
        "says that it is never done so",
        (70, 82),
        ("status 403 → 405", message("Permission denied.", NOT_SO)),
    ),
    Wanted(
        "journal and methods have no such names in schema.org; an address is a text",
        (83,),
        (
            *("- container_title", "- volume", "- measurementTechnique"),
            *("- funding[].url.identifier", "- funding[].url.scheme", "~ funding[].url: object → string"),
        ),
    ),
    Wanted(
        "degrees are numbers (xs:float in DataCite kernel 4); the address is that of the award's DOI",
        (84,),
        (
            "- fundingReferences[].awardURI",
            "~ geoLocations[].geoLocationPoint.pointLatitude: string → float",
            "~ geoLocations[].geoLocationPoint.pointLongitude: string → float",
        ),
    ),
    Wanted(
        "files of records under the vendor's name too, as those of drafts",
        (98, 99),
        ("status 406 → 200", BECAME_VENDOR),
    ),
    Wanted(
        "the same; whoever may not read them",
        (159,),
        (
            "status 406 → 403",
            message("Invalid 'Accept' header. Expected one of: application/json", "Permission denied."),
        ),
    ),
    Wanted(
        "the same; withdrawn",
        (257,),
        (
            "status 406 → 410",
            "+ tombstone",
            message("Invalid 'Accept' header. Expected one of: application/json", "Record deleted"),
        ),
    ),
    Wanted("under the name it was asked by", (156, 163, 165, 253), (BECAME_VENDOR,)),
    Wanted(
        "insides of Zenodo's database; moments as everywhere else, and who it was",
        (113,),
        (
            *(f"- [].json.{k}" for k in ("$schema", "access.embargo.until", "internal_notes", "pid", "pids")),
            *("≠ [].created", "≠ [].updated", "+ [].actor"),
        ),
    ),
    # files of drafts
    Wanted("so that a client need not add up", (38, 39, 59, 66, 117, 265, 267, 294, 305), ("+ count",)),
    Wanted("so that a client need not add up", (265, 294, 305), ("+ total_bytes",)),
    Wanted(
        "null where nothing is said of a file, in lists as in the answer of its commit (56)",
        (59, 66, 267),
        ("~ entries[].metadata: object → null",),
    ),
    Wanted("not announced (CHANGED_REQUESTS)", (39,), ("- entries[].checksum", "- entries[].size")),
    Wanted("not announced (CHANGED_REQUESTS)", (44,), ("- checksum", "- size")),
    Wanted(
        "its 500: nothing to commit",
        (45,),
        ("status 500 → 400", message(BROKE, "The file core.csv has no content yet: PUT it, then commit.")),
    ),
    Wanted(
        "what was said of a file when it was announced is kept", (47, 48, 51), ("~ metadata: null → object",)
    ),
    Wanted("what was said of a file when it was announced is kept", (52,), ("+ metadata.note",)),
    Wanted("a table says that it is one", (57, 100, 180, 298), ("content-type text/plain → text/csv",)),
    Wanted(
        "which parts have come, so that sending can go on",
        (59, 66),
        ("+ entries[].links.parts[].received", "+ entries[].links.parts[].size"),
    ),
    Wanted(
        "large files in parts are for everybody; these are not all, and too small",
        (64,),
        (
            "status 403 → 400",
            message(
                "Permission denied.",
                "Part 1 of big.bin must have 6291456 bytes, not 219: nothing was stored.",
            ),
        ),
    ),
    Wanted(
        "large files in parts are for everybody; these are not all, and too small",
        (65,),
        (
            "status 403 → 400",
            message("Permission denied.", "2 of 2 parts of big.bin are missing: send 1, 2."),
        ),
    ),
    Wanted(
        "refused at once: files of a published version never change (section 2)",
        (107, 289),
        ("status 201 → 403", "content-type application/vnd.inveniordm.v1+json → application/json"),
    ),
    Wanted("so nothing of it is there", (108,), ("- files.entries.late.csv", "≠ files.count")),
    Wanted(
        "so nothing of it is there",
        (291,),
        ("status 500 → 403", message(BROKE, "Bucket is locked for modifications.")),
    ),
    Wanted("so nothing of it is there", (293,), ("status 400 → 202", BECAME_VENDOR)),
    # a file of a published version is never exchanged
    Wanted(
        "not offered, by design: a new version",
        (248, 249, 286),
        (message("Not found.", NO_ROUTE),),
    ),
    Wanted("not offered, by design: a new version", (300,), ("status 200 → 404",)),
    Wanted(
        "so the files are the old ones",
        (302,),
        ("status 204 → 403", "content-type text/html → application/json"),
    ),
    Wanted(
        "so the files are the old ones",
        (303,),
        ("status 200 → 403", "content-type application/vnd.inveniordm.v1+json → application/json"),
    ),
    Wanted(
        "so the files are the old ones",
        (304,),
        ("+ files.entries.core.csv", "- files.entries.new.csv", "≠ files.total_bytes"),
    ),
    Wanted(
        "so the files are the old ones",
        (305,),
        tuple(f"≠ entries[].{k}" for k in ("checksum", "key", "links.content", "links.self", "size")),
    ),
    # search
    Wanted(
        "a mistake in a query is told with its place",
        (131,),
        (
            message(
                "Error trying to decode a non urlencoded string.",
                "Invalid query string syntax. A range without its end at character 7: title:⟪here⟫[a",
            ),
        ),
    ),
    Wanted("a mistake in a query is told with its place", (297,), ("status 200 → 400", BECAME_PLAIN)),
    Wanted(
        "the field is named too",
        (132,),
        ("+ errors", "+ errors page: Only the first 10,000 results can be paged through: narrow the search."),
    ),
    Wanted("a guest has more", (264,), (message("30 per 1 minute", "60 per 1 minute"),)),
    # users
    Wanted(
        "another account",
        (146,),
        (
            "+ profile.full_name",
            *(
                f"≠ {k}"
                for k in (
                    "email",
                    "id",
                    "links.avatar",
                    "links.records_html",
                    "links.self",
                    "preferences.timezone",
                )
            ),
        ),
    ),
    Wanted("another account", (245,), ("≠ email", "≠ id")),
    Wanted(
        "small, and kept without asking",
        (147,),
        ("- header etag", "- header last-modified", "accept-ranges ['bytes'] → ['']"),
    ),
    # access and requests
    Wanted("a secret of its own", (135, 139, 140), ("≠ token",)),
    Wanted("where it came from is told as a text", (154,), ("≠ origin",)),
    Wanted("with the block for pages", (156,), ("+ ui",)),
    Wanted(
        "no link inside a text",
        (158,),
        ("≠ ui.access_status.description_l10n",),
    ),
    Wanted(
        "its 500: says what is missing",
        (162, 166),
        (
            "status 500 → 400",
            message(BROKE, "A validation error occurred."),
            "+ errors",
            "+ errors email: Missing data for required field.",
        ),
    ),
    Wanted("requests hold no files", (163, 167, 168, 177), ("≠ files.enabled",)),
    Wanted(
        "who may not read files may ask for them, unless the depositor says otherwise (section 3)",
        (158,),
        tuple(f"≠ parent.access.settings.{k}" for k in ("allow_guest_requests", "allow_user_requests")),
    ),
    Wanted("counted here; requests hold no files", (253,), ("≠ files.enabled", "≠ number")),
    Wanted("nobody changes a request with If-Match", (167, 168, 170, 172, 173, 177), ("- header etag",)),
    Wanted(
        "a trailing slash makes no difference (quirks 2)",
        (181,),
        (
            "status 308 → 200",
            f"content-type text/html → {VENDOR}",
            "location ['/api/requests/?size=2'] → ['']",
        ),
    ),
    Wanted(
        "a trailing slash makes no difference (quirks 2)",
        (183,),
        (
            "status 308 → 403",
            "content-type text/html → application/json",
            "location ['/api/requests/'] → ['']",
        ),
    ),
    # vocabularies
    Wanted("more mappings", (225,), ("+ hits.hits[].props.coar",)),
    Wanted("more mappings", (226,), ("+ props.coar",)),
    Wanted("the licence's page for people", (228,), ("≠ props.url",)),
    Wanted("each leads to its entries", (232,), ("+ hits.hits[].links.self",)),
    Wanted("the registry's file knows two", (234,), ("≠ identifiers: 3 items → 2",)),
    Wanted(
        "of a file of the registry that says less, and other things",
        (236,),
        (
            *(f"- {k}" for k in ("description", "organizations", "short_description")),
            *(f"≠ {k}" for k in ("end_date", "identifiers[].identifier", "program")),
        ),
    ),
    # withdrawing
    Wanted("withdrawn is withdrawn in all doors", (256,), ("status 200 → 410", "- header etag")),
    Wanted(
        "says who can",
        (259,),
        (message("Permission denied.", "Only an administrator can withdraw a record."),),
    ),
    Wanted(
        "no notes of moderators, no verified people", (262,), ("- internal_notes", "- parent.is_verified")
    ),
    Wanted(
        "Zenodo gives organisations a family name when their record is restored",
        (262, 263),
        ("- metadata.creators[].person_or_org.family_name",),
    ),
    Wanted(
        "Zenodo gives organisations a family name when their record is restored",
        (263,),
        ("- ui.creators.creators[].person_or_org.family_name",),
    ),
]


def wanted_in(exchange: Exchange) -> set[str]:
    found: set[str] = set()
    for entry in WANTED:
        if at(entry, exchange):
            found.update(entry.differences)
    return found


def at(entry: Wanted, exchange: Exchange) -> bool:
    if isinstance(entry.where, str):
        return entry.where == kind(exchange)
    return exchange.number in entry.where


def kind(exchange: Exchange) -> str:
    """What a recorded answer is, for differences that belong to every answer of its kind."""
    body = exchange.body
    if not isinstance(body, dict):
        return "other"
    if is_hits(body):
        return "hits"
    if "owners" in body:
        return "legacy"
    if "parent" in body and "ui" in body:
        return "draft" if body.get("is_draft") else "record"
    return "other"


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RdmReplay]:
    server = Server(
        tmp_path_factory.mktemp("rdm") / "data",
        {"STRONGROOM_RATE_LIMITS": "on", "STRONGROOM_SITE_NAME": "Zenodo"},
    )
    server.start()
    try:
        # the funder and the award of their records are among the samples
        done = subprocess.run(
            [*COMMAND, "vocabulary", "samples"],
            env=server.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        replay = RdmReplay(server)
        replay.run()
        yield replay
    finally:
        server.kill()
    assert "unexpected error" not in server.log()


def test_all_are_there() -> None:
    assert [e.number for e in RECORDED] == list(range(1, 309))
    assert NOT_YET.keys() <= BY_NUMBER.keys()


ASKED = [e for e in RECORDED if e.number not in NOT_YET]


@pytest.mark.parametrize("exchange", ASKED, ids=lambda e: e.name)
def test_answers_as_recorded(replay: RdmReplay, exchange: Exchange) -> None:
    refuse(replay, exchange, wanted_in(exchange))


@pytest.mark.parametrize("entry", WANTED, ids=lambda w: f"{w.where}-{w.reason}"[:80])
def test_no_difference_is_wanted_in_vain(replay: RdmReplay, entry: Wanted) -> None:
    assert in_vain(replay, entry, [e.number for e in ASKED if kind(e) == entry.where]) == []


@pytest.mark.parametrize("number", NOT_YET)
def test_what_is_not_ours_yet_is_known(replay: RdmReplay, number: int) -> None:
    assert replay.differences[number], (
        f"{BY_NUMBER[number].name} is answered as recorded: take it out of NOT_YET"
    )
