"""What Zenodo's own code was asked, asked of us: the same statuses, names, types and messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import pytest

from tests.conformance.goldens import (
    Exchange,
    Names,
    compare,
    exchanges,
    levelled,
    missing,
    shape,
)
from tests.conformance.wire import Answer, Json, Wire, small
from tests.live import Server

RECORDED = exchanges()
BY_NUMBER = {e.number: e for e in RECORDED}
VENDOR = "application/vnd.inveniordm.v1+json"

# Not ours yet: they must be answered with 404, or as said; whoever builds them takes them out here.
NOT_YET = {
    **dict.fromkeys(range(250, 262), "OAI-PMH"),
    **dict.fromkeys((237, *(n for n in range(239, 248) if n != 242)), "exports in other formats"),
    **dict.fromkeys((200, 202), "extra formats of a record"),
}

# -- steps that were not recorded ----------------------------------------------------------------------------


class Replay:
    """The recorded calls made again, with what lies between them."""

    def __init__(self, server: Server) -> None:
        self.owner = Wire(server, server.add_user("owner@example.org"))
        self.other = Wire(server, server.add_user("other@example.org"))
        self.wires = {
            "owner": self.owner,
            "another user": self.other,
            "anonymous": Wire(server),
            "a wrong token": Wire(server, "no-such-token"),
        }
        self.names = Names(server.url, known={u: u for u in NOBODYS})
        self.answers: dict[int, Answer] = {}
        self.differences: dict[int, set[str]] = {}

    # between

    def file_for(self, number: int, key: str = "a.txt", content: bytes = b"a") -> None:
        """A file into the draft with this recorded number."""
        ours = self.names.known[str(number)]
        made = self.owner.call("GET", f"/api/deposit/depositions/{ours}", expect=200).json()
        self.owner.put_file(made, key, content)

    def deposit(self, number: int, metadata: Json | None) -> Json:
        """A draft that has this number in the recordings."""
        made = self.owner.create(metadata)
        self.names.known[str(number)] = str(made["id"])
        self.names.known[str(number - 1)] = made["conceptrecid"]
        return made

    def forget(self, key: str) -> None:
        """Take a file out of the main draft that Zenodo would not have taken in."""
        bucket = self.names.known[MAIN_BUCKET]
        self.owner.call("DELETE", f"/api/files/{bucket}/{key}", expect=204)

    # the calls

    def send(self, exchange: Exchange) -> Answer:
        request = exchange.request
        headers = {k: v for k, v in request["headers"].items() if k != "(as)"}
        path = self.names.here(request["path"]).replace(
            "access_token=TOKEN", f"access_token={self.owner.token}"
        )
        body = request.get("body")
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        if exchange.number in CHANGED_REQUESTS:
            body = CHANGED_REQUESTS[exchange.number](str(body))
        if isinstance(body, str):
            body = self.names.here(body).encode()
        wire = self.wires[exchange.who]
        if exchange.number == 4:
            headers["Authorization"] = f"Bearer:{self.owner.token}"
        return wire.call(request["method"], path, body, headers)

    def run(self) -> None:
        self.names.owner = self.owner.create()["owner"]
        for exchange in RECORDED:
            for step in BEFORE.get(exchange.number, ()):
                step(self)
            answer = self.send(exchange)
            self.answers[exchange.number] = answer
            if answer.media_type == "application/json" and answer.body:
                self.names.learn(exchange.body, answer.json())
            self.differences[exchange.number] = {without_ids(d) for d in self.differ(exchange, answer)}
            for step in AFTER.get(exchange.number, ()):
                step(self)

    # the comparison

    def differ(self, exchange: Exchange, answer: Answer) -> Iterator[str]:
        recorded = exchange.response
        if recorded["status"] != answer.status:
            yield f"status {recorded['status']} → {answer.status}"
        yield from self.differ_in_headers(recorded["headers"], answer)
        wanted = recorded.get("body")
        if not isinstance(wanted, dict | list):
            is_text = recorded["headers"].get("content-type", "").startswith("text/plain")
            if is_text and isinstance(wanted, str) and wanted.encode() != answer.body:
                yield "≠ body"
            return
        if not answer.media_type.endswith("json"):
            return
        ours = answer.json()
        if recorded["status"] >= 300 or answer.status >= 300:
            yield from self.differ_in_error(wanted, ours)
        else:
            yield from self.differ_in_body(exchange, wanted, ours)

    def differ_in_body(self, exchange: Exchange, wanted: Any, ours: Any) -> Iterator[str]:
        """What a good answer says otherwise than the recorded one."""
        if is_list(exchange):
            yield from self.differ_in_list(exchange, ours)
        elif "/export/" in exchange.request["path"]:
            # exports follow their standards, with more than Zenodo's: theirs must be in ours
            yield from missing(shape([wanted]), shape([ours]))
        else:
            yield from compare(levelled(self.names.translate(wanted)), levelled(ours))

    def differ_in_headers(self, recorded: dict[str, str], answer: Answer) -> Iterator[str]:
        wanted = recorded.get("content-type", "").partition(";")[0]
        if wanted and answer.body and wanted != answer.media_type:
            yield f"content-type {wanted} → {answer.media_type}"
        for name, level in LEVELS.items():
            if name in recorded:
                here = level(self.names, self.names.translate(recorded[name]))
                ours = level(self.names, answer.headers.get(name, ""))
                if not here <= ours:
                    yield f"{name} {sorted(here)} → {sorted(ours)}".replace(self.names.base, "")
        for name in PRESENT:
            if name in recorded and name not in answer.headers:
                yield f"- header {name}"

    def differ_in_error(self, wanted: Any, ours: Any) -> Iterator[str]:
        if not (is_error(wanted) and is_error(ours)):
            return  # an answer where there was an error, or the other way: the status says so
        here = self.names.translate(wanted)
        for key in here.keys() - ours.keys() - {"error_id"}:
            yield f"- {key}"
        for key in ours.keys() - here.keys() - {"code"}:
            yield f"+ {key}"
        here_message, our_message = str(here.get("message")), str(ours.get("message"))
        if not our_message.startswith(here_message.partition(" Expected one of:")[0]):  # ours may go on
            yield f"message {here.get('message')!r} → {ours.get('message')!r}"
        said = [(e["field"], e["messages"][0]) for e in ours.get("errors", ())]
        said += [(e["also"], e["messages"][0]) for e in ours.get("errors", ()) if "also" in e]
        for item in here.get("errors", ()):
            if (item["field"], item["messages"][0]) not in said:
                yield f"- errors {item['field']}: {item['messages'][0]}"
        known = {e["field"] for e in here.get("errors", ())}
        for item in ours.get("errors", ()):
            assert item["message"] == " ".join(item["messages"])
            if not known & {item["field"], item.get("also")}:
                yield f"+ errors {item['field']}: {item['messages'][0]}"

    def differ_in_list(self, exchange: Exchange, ours: Any) -> Iterator[str]:
        """Ours holds other depositions or records than theirs: every item has the shape of some recorded one."""
        of_records = isinstance(exchange.body, dict)
        if of_records:
            yield from compare(strip_hits(exchange.body), strip_hits(ours), values=False)
        items = ours["hits"]["hits"] if of_records else ours
        seen = shape(i for e in RECORDED for i in items_of(e, of_records))
        always = always_there(of_records)
        for item in items:
            mine = shape([item])
            yield from (f"+ []{path}" for path in mine if path not in seen)
            yield from (f"- []{path}" for path in always if path not in mine)
            yield from (d.replace(" ", " []", 1) for d in missing(mine, seen) if d.startswith("~"))


def without_ids(difference: str) -> str:
    """Our numbers differ from run to run as others change the tests before them."""
    return re.sub(r"(?<=/records/)\d+|(?<=Record ')\d+", "<id>", difference)


def is_error(body: Any) -> bool:
    return isinstance(body, dict) and "status" in body and "message" in body


def is_list(exchange: Exchange) -> bool:
    body = exchange.body
    if isinstance(body, dict):
        return "hits" in body
    return isinstance(body, list) and exchange.request["path"].partition("?")[0].endswith("depositions")


def disposition(_: Names, header: str) -> set[str]:
    """How to show it, and the file name where one is given; quoted or not."""
    return {part.strip().replace('"', "") for part in header.split(";")}


def relations(_: Names, header: str) -> set[str]:
    """The relations of a Link header."""
    return set(re.findall(r'rel="([^"]+)"', header))


def target(names: Names, header: str) -> set[str]:
    """A Location, relative or not."""
    return {urljoin(names.base, header)}


# Headers that must be there, whatever they say.
PRESENT = (
    "etag",
    "last-modified",
    "x-content-type-options",
    "access-control-allow-origin",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "retry-after",
)
# Headers, and what of them must be there.
LEVELS: dict[str, Callable[[Names, str], set[str]]] = {
    "content-md5": lambda _, header: {header},
    "accept-ranges": lambda _, header: {header},
    "content-disposition": disposition,
    "link": relations,
    "location": target,
}


def strip_hits(body: Json) -> Json:
    """The envelope of a search: without the hits and the buckets' contents."""
    out = {**body, "hits": {k: v for k, v in body["hits"].items() if k != "hits"}}
    out["links"] = {"self": body["links"]["self"]}
    if "aggregations" in body:
        out["aggregations"] = {k: {**v, "buckets": []} for k, v in body["aggregations"].items()}
    return out


def items_of(exchange: Exchange, of_records: bool) -> list[Json]:
    """The depositions or records in a recorded answer."""
    body = exchange.body
    if exchange.response["status"] >= 300:
        return []
    if isinstance(body, dict) and "hits" in body:
        return list(body["hits"]["hits"]) if of_records else []
    if isinstance(body, list):
        return list(body) if is_list(exchange) and not of_records else []
    if isinstance(body, dict) and "owners" in body:
        return [body] if of_records else []
    if isinstance(body, dict) and "owner" in body:
        return [] if of_records else [body]
    return []


def always_there(of_records: bool) -> set[str]:
    """Paths that every recorded item of this kind has."""
    shapes = [set(shape([i])) for e in RECORDED for i in items_of(e, of_records)]
    return set.intersection(*shapes)


Step = Callable[[Replay], None]
MAIN_BUCKET = "f73be19e-ebc4-4f00-a0b7-8856bcf9f714"


def put_file(number: int, key: str = "a.txt", content: bytes = b"a") -> Step:
    return lambda replay: replay.file_for(number, key, content)


def deposit(
    number: int, *, file: bool = True, publish: bool = False, empty: bool = False, **more: Any
) -> Step:
    def step(replay: Replay) -> None:
        made = replay.deposit(number, None if empty else small(description="ddd", **more))
        if file:
            replay.owner.put_file(made, "a.txt", b"a")
        if publish:
            replay.owner.act(made, "publish", expect=202)

    return step


def forget(key: str) -> Step:
    return lambda replay: replay.forget(key)


def fill_1000688(replay: Replay) -> None:
    number = replay.names.known["1000688"]
    replay.owner.call("PUT", f"/api/deposit/depositions/{number}", {"metadata": small()}, expect=200)


def rename_back(replay: Replay) -> None:
    number, file = replay.names.known["1000690"], replay.names.known[FIRST_FILE]
    replay.owner.call(
        "PUT", f"/api/deposit/depositions/{number}/files/{file}", {"filename": "my data.csv"}, expect=200
    )


def edit_1000690(replay: Replay) -> None:
    replay.owner.act(int(replay.names.known["1000690"]), "edit", expect=201)


def put_first_metadata_back(replay: Replay) -> None:
    number = replay.names.known["1000690"]
    body = BY_NUMBER[16].request["body"]
    replay.owner.call("PUT", f"/api/deposit/depositions/{number}", body, expect=200)


def send_its_doi_back(replay: Replay) -> None:
    number = replay.names.known["1000881"]
    metadata = small(description="ddd", doi=f"10.5281/zenodo.{number}")
    replay.owner.call("PUT", f"/api/deposit/depositions/{number}", {"metadata": metadata}, expect=200)


def taken_doi(replay: Replay) -> None:
    replay.owner.publish(small(doi="10.1234/dup.cd7c0c"))


# Asked for because there is no such file or bucket.
NOBODYS = (
    "64d9e2a0-1936-4170-80a0-6e1aaad77dec",
    "3fce0995-b6fe-4d05-b97c-3c4e2e44c19d",
    "b4870bed-8072-4943-9aa5-72c06206b799",
)
FIRST_FILE = "133530fd-25f7-4a11-981c-6a4857147523"

BEFORE: dict[int, list[Step]] = {
    114: [fill_1000688],
    **{
        e.number: [put_file(int(e.request["path"].split("/")[4]))]
        for e in RECORDED
        if e.number in (115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 158, 161, 164, 167, 170, 173)
    },
    141: [edit_1000690],
    150: [put_file(1000753, "v2.txt", b"two")],
    262: [deposit(1000876, doi="10.5281/zenodo.1")],
    263: [deposit(1000881), send_its_doi_back],
    265: [taken_doi],
    266: [deposit(1000890, creators=[{"name": "Doe, Jane", "orcid": "0000-0002-1825-0098"}])],
    270: [deposit(1000892, file=False, empty=True)],
    274: [
        deposit(
            1000894,
            publish=True,
            upload_type="publication",
            publication_type="section",
            imprint_isbn="978-3-16-148410-0",
            partof_title="Book of rivers",
            partof_pages="15-23",
        )
    ],
    275: [
        deposit(
            1000899,
            publish=True,
            upload_type="publication",
            publication_type="thesis",
            thesis_university="ETH",
        )
    ],
}
AFTER: dict[int, list[Step]] = {
    25: [put_first_metadata_back],
    94: [rename_back],
    86: [forget("e.txt")],
    98: [forget("c.csv")],
    99: [forget("empty.txt")],
    100: [forget("dir/sub.txt")],
    101: [forget("dir/sub.txt")],
}
# The name that the form's first file has with us, who keep blanks, where Zenodo keeps `my_data.csv`.
CHANGED_REQUESTS: dict[int, Callable[[str], str]] = {
    83: lambda body: body.replace("my_data.csv", "my data.csv")
}


# -- differences that are wanted ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """Differences and why we want them.

    `where` are the exchanges in which all of them must show (numbers), or the kind of answer in which each
    shows at least once and wherever it does is fine.
    """

    reason: str
    where: tuple[int, ...] | str
    differences: tuple[str, ...]

    def at(self, exchange: Exchange) -> bool:
        if isinstance(self.where, str):
            return self.where == kind(exchange)
        return exchange.number in self.where


def kind(exchange: Exchange) -> str:
    """What a recorded answer is, for differences that belong to every answer of its kind."""
    body = exchange.body
    if is_list(exchange):
        return "hits" if isinstance(body, dict) else "depositions"
    if isinstance(body, dict) and "owners" in body:
        return "record"
    if isinstance(body, dict) and "owner" in body:
        return "deposition"
    return "other"


# The deposit with all fields, and its next version.
WHOLE = (16, 17, 111, 126, 128, 136, 137, 141, 142, 146, 148, 150, 151)
WHOLE_FILES = WHOLE[2:]  # since it has files
WHOLE_EDITS = (136, 137, 141)
WHOLE_RECORD = (177, 178, 179, 180)
UNAUTHENTICATED = (
    "The server could not verify that you are authorized to access the URL requested. "
    "Send a valid token as 'Authorization: Bearer <token>' or '?access_token=<token>'."
)
BROKE = (
    "The server encountered an internal error and was unable to complete your request. "
    "Either the server is overloaded or there is an error in the application."
)
NO_SUCH_URL = (
    "The requested URL was not found on the server. "
    "If you entered the URL manually please check your spelling and try again."
)
LOCKED = "Bucket is locked for modifications. Files of a published version never change: make a new version."


def message(theirs: str, ours: str) -> str:
    return f"message {theirs!r} → {ours!r}"


WANTED = [
    # who may what
    Wanted(
        "401 without credentials, as documented; both are known to clients (quirks 1)",
        (1, 2, 3, 18, 90, 103),
        ("status 403 → 401", message("Permission denied.", UNAUTHENTICATED)),
    ),
    Wanted("`Bearer:x` is accepted, for an old client (quirks 1)", (4,), ("status 403 → 200",)),
    # requests that Zenodo does not take
    Wanted("a trailing slash is accepted, as documented (quirks 2)", (6,), ("status 404 → 201",)),
    Wanted("a trailing slash is accepted, as documented (quirks 2)", (183,), ("status 404 → 200",)),
    Wanted(
        "a trailing slash is accepted without a redirect (quirks 2)",
        (216,),
        (
            "status 301 → 200",
            "content-type text/html → application/json",
            "location ['/api/records?size=1&sort=newest'] → ['']",
        ),
    ),
    Wanted("JSON under any Content-Type (quirks 3)", (8, 9), ("status 415 → 201",)),
    Wanted("any type of file may be uploaded as what it is (quirks 3)", (98,), ("status 415 → 201",)),
    Wanted("an empty body is an empty deposition (its 500)", (10, 268), ("status 500 → 201",)),
    Wanted(
        "its 500: a body of the wrong type",
        (11,),
        (
            "status 500 → 400",
            message(BROKE, "A validation error occurred."),
            "+ errors",
            '+ errors _schema: The body must be a JSON object: {"metadata": {…}}.',
        ),
    ),
    Wanted(
        "its 500: metadata of the wrong type",
        (14,),
        (
            "status 500 → 400",
            message(BROKE, "A validation error occurred."),
            "+ errors",
            "+ errors metadata: Invalid input type.",
        ),
    ),
    Wanted("what there is only as JSON comes as JSON, whatever Accept says", (12,), ("status 406 → 201",)),
    Wanted("its own answer can be sent back (section 4)", (24, 25), ("status 400 → 200",)),
    Wanted(
        "of its own count; and what to do",
        (28,),
        (
            message(
                "Revision id provided(1) doesn't match record's one(7)",
                "Revision id provided(1) doesn't match record's one(3). "
                "Somebody changed it since you read it: read it again, then repeat.",
            ),
        ),
    ),
    # what is kept, where Zenodo drops it
    Wanted(
        "texts under three characters are kept (all its descriptions are 'd') and wrong ones named",
        "deposition",
        ("+ metadata.description", "+ warnings"),
    ),
    Wanted("texts under three characters are kept", "record", ("+ metadata.description",)),
    Wanted("kept as typed, named in the warnings", (31,), ("+ metadata.title", "≠ title")),
    Wanted(
        "a name is kept beside a wrong ORCID iD, which is kept as typed",
        (44,),
        ("+ metadata.creators[].name", "≠ metadata.creators[].orcid"),
    ),
    Wanted("kept as typed, named in the warnings", (53,), ("+ metadata.publication_date",)),
    Wanted("kept as typed, named in the warnings", (67,), ("+ metadata.imprint_isbn",)),
    Wanted(
        "a text is one keyword, not its letters (section 4)",
        (70,),
        ("≠ metadata.keywords: 3 items → 1", "≠ metadata.keywords[]"),
    ),
    Wanted("access conditions are kept (section 4)", (51, 164, 165), ("+ metadata.access_conditions",)),
    Wanted("closed stays closed (section 4.1)", (52, 167, 168), ("≠ metadata.access_right",)),
    Wanted("a grant that no vocabulary knows is kept as given", (63,), ("status 400 → 201",)),
    Wanted("its 500: a location without place", (68,), ("status 500 → 201",)),
    Wanted("what a script says is no text", (16, 17, 111, 126, 128, 136, 137), ("≠ metadata.description",)),
    Wanted("Zenodo loses the grants when an edit is opened twice", (137,), ("+ metadata.grants",)),
    Wanted(
        "single days keep start and end, types their documented capitals (section 4)",
        WHOLE,
        ("+ metadata.dates[].start", "+ metadata.dates[].end", "≠ metadata.dates[].type"),
    ),
    Wanted(
        "single days keep start and end, types their documented capitals (section 4)",
        WHOLE_RECORD,
        ("+ metadata.dates[].start", "+ metadata.dates[].end", "≠ metadata.dates[].type"),
    ),
    Wanted(
        "given back in records too (section 4: lost by Zenodo)",
        WHOLE_RECORD,
        ("+ metadata.part_of", "+ metadata.imprint.publisher", "+ metadata.alternate_identifiers[].scheme"),
    ),
    Wanted("given back in records too (section 4: lost by Zenodo)", (274,), ("+ metadata.part_of",)),
    Wanted(
        "given back in hits too",
        "hits",
        (
            "+ []metadata.part_of",
            "+ []metadata.part_of.title",
            "+ []metadata.part_of.pages",
            "+ []metadata.imprint.publisher",
            "+ []metadata.alternate_identifiers[].scheme",
        ),
    ),
    Wanted(
        "no vocabulary of awards yet: a grant says what the depositor said",
        WHOLE_RECORD,
        tuple(f"- metadata.grants[].{k}" for k in ("acronym", "program", "title", "url")),
    ),
    Wanted(
        "communities asked for are shown until somebody decides on them",
        (173,),
        ("+ metadata.communities",),
    ),
    # more than Zenodo answers
    Wanted(
        "for clients of before 2023 (quirks 6)",
        "deposition",
        ("+ links.conceptdoi", "+ links.conceptbadge", "+ links.parent_doi", "+ record_url"),
    ),
    Wanted(
        "for clients of before 2023 (quirks 6)",
        "depositions",
        ("+ []links.conceptdoi", "+ []record_url"),
    ),
    Wanted(
        "for clients of before 2023 (quirks, contradictions; section 8.2: the union of links)",
        "record",
        (
            *(f"+ links.{k}" for k in ("conceptdoi", "conceptbadge", "badge", "bucket", "html")),
            *("+ files[].bucket", "+ files[].type"),
        ),
    ),
    Wanted(
        "for clients of before 2023 (quirks, contradictions; section 8.2: the union of links)",
        "hits",
        (
            *(f"+ []links.{k}" for k in ("conceptdoi", "conceptbadge", "badge", "bucket", "html")),
            *("+ []files[].bucket", "+ []files[].type"),
        ),
    ),
    Wanted("declared by Zenodo, never filled (8.2)", "record", ("+ stats.volume", "+ stats.version_volume")),
    Wanted("declared by Zenodo, never filled", "hits", ("+ []stats.volume", "+ []stats.version_volume")),
    Wanted("as before 2023 (section 6)", (95, 96, 97), ("+ tags",)),
    Wanted("so that a client need not add up", (192,), ("+ count", "+ total_bytes")),
    *(
        Wanted("the field is named too, not only the value", (number,), ("+ errors", f"+ errors {said}"))
        for number, said in {
            33: "metadata.upload_type: Invalid value nonsense.",
            36: "metadata.publication_type: Invalid value publication-zzz.",
            56: "metadata.language: Invalid value xyz.",
            60: "metadata.related_identifiers.0.relation: Invalid value likes.",
            62: "metadata.contributors.0.type: Invalid value boss.",
            69: "metadata.dates.0.type: Invalid value foo.",
            76: "page: Only the first 10,000 results can be paged through: narrow the search.",
            212: "page: Only the first 10,000 results can be paged through: narrow the search.",
        }.items()
    ),
    # links that work
    Wanted(
        "a link to bytes works in the state the deposition is in (section 5)",
        "deposition",
        ("≠ files[].links.download", "≠ files[].links.self"),
    ),
    Wanted(
        "of the file whose name keeps its blank",
        WHOLE_RECORD,
        ("≠ files[].links.self",),
    ),
    Wanted(
        "on the old version it leads to the open draft of the next one (section 3.3)",
        (148,),
        ("≠ links.latest_draft", "≠ links.latest_draft_html"),
    ),
    Wanted(
        "`versionId` and `uploads`, as documented (section 6)",
        (95, 96, 97),
        ("≠ links.version", "≠ links.uploads"),
    ),
    # files
    Wanted(
        "names keep blanks and letters of all scripts (section 5); sizes are integers",
        (82, 84, 91),
        ("≠ filename", "≠ links.download", "~ filesize: float → int"),
    ),
    Wanted(
        "names keep blanks and letters of all scripts (section 5); sizes are integers",
        (89, 129),
        ("≠ [].filename", "≠ [].links.download", "~ [].filesize: float → int"),
    ),
    Wanted("names keep blanks and letters of all scripts", WHOLE_FILES, ("≠ files[].filename",)),
    Wanted("names keep blanks and letters of all scripts", WHOLE_RECORD, ("≠ files[].key",)),
    Wanted(
        "names keep blanks and letters of all scripts",
        (192,),
        ("≠ entries[].key", "≠ entries[].links.self", "≠ entries[].links.content"),
    ),
    Wanted(
        "the same, of that other name; the field is named too",
        (83,),
        (
            message("File with key my_data.csv already exists.", "File with key my data.csv already exists."),
            "+ errors",
            "+ errors name: File with key my data.csv already exists.",
        ),
    ),
    *(
        Wanted(
            "says what is wrong with the form",
            (number,),
            (
                message(
                    "The browser (or proxy) sent a request that this server could not understand.",
                    "A validation error occurred.",
                ),
                "+ errors",
                f"+ errors file: {said}",
            ),
        )
        for number, said in {
            85: "Missing data for required field. Send the file in a part named file.",
            87: "Send the file as multipart/form-data, in a part named file.",
        }.items()
    ),
    Wanted("empty files are accepted", (86, 99), ("status 400 → 201",)),
    Wanted("keys may have folders (section 6)", (100, 101), ("status 404 → 201",)),
    Wanted("says what there is not", (92, 112), (message(NO_SUCH_URL, "File does not exist."),)),
    Wanted("says what there is not", (104,), (message("Not found.", "Bucket does not exist."),)),
    Wanted("files can be renamed, as documented (section 5)", (94,), ("status 405 → 200",)),
    Wanted(
        "files can be sorted, as documented (section 5), by naming all of them",
        (93,),
        (
            "status 405 → 400",
            message("The method is not allowed for the requested URL.", "A validation error occurred."),
            "+ errors",
            "+ errors id: Name each file of the deposition exactly once.",
        ),
    ),
    Wanted("its 500: a bucket can be listed", (105,), ("status 500 → 200",)),
    Wanted(
        "a file that is not there is 404 (section 6)",
        (107,),
        ("status 403 → 404", message("Permission denied.", "Record '<id>' has no file 'none.bin'.")),
    ),
    Wanted("its 500: a file can be deleted", (109,), ("status 500 → 204",)),
    Wanted(
        "locked, not unknown (DOC: 403)",
        (132, 133),
        ("status 404 → 403", message("Not found.", LOCKED)),
    ),
    Wanted("says why", (134,), (message("Permission denied.", LOCKED),)),
    # publishing
    Wanted(
        "everything that is missing is told at once",
        (113,),
        (
            "+ errors files.enabled: Missing uploaded files. To disable files for this record please mark it as metadata-only.",
        ),
    ),
    Wanted(
        "a short title is too short, not missing",
        (115,),
        ("- errors metadata.title: Missing data for required field.",),
    ),
    Wanted(
        "a wrong date is wrong, not missing",
        (119,),
        ("- errors metadata.publication_date: Missing data for required field.",),
    ),
    Wanted(
        "names are one text here: it is missing",
        (121,),
        ("- errors metadata.creators.0.person_or_org.family_name: Family name cannot be blank.",),
    ),
    Wanted("a wrong ISBN is told, not dropped", (124,), ("status 202 → 400", "- header etag")),
    Wanted(
        "a DOI of ours names its own record only (section 4)", (262,), ("status 202 → 400", "- header etag")
    ),
    Wanted(
        "discard answers with the deposition, as documented (section 3)",
        (140,),
        ("status 204 → 201", "content-type text/html → application/json"),
    ),
    Wanted(
        "newversion twice gives the same draft (section 7)",
        (147,),
        ("status 400 → 201",),
    ),
    Wanted(
        "says which id there is not",
        (145,),
        (message("Not found.", "The persistent identifier does not exist."),),
    ),
    Wanted(
        "says why",
        (176,),
        (
            message(
                "Permission denied.",
                "This record has a DOI of another repository, which names one version only: start a new deposit.",
            ),
        ),
    ),
    # records
    Wanted(
        "JSON instead of a page, to a client of the API",
        (181,),
        ("content-type text/html → application/json",),
    ),
    Wanted(
        "the licences at once, without a redirect",
        (219,),
        (
            "status 301 → 200",
            "content-type text/html → application/json",
            "location ['/api/vocabularies/licenses?q=mit&size=1'] → ['']",
        ),
    ),
    Wanted(
        "its 500; records change through their drafts",
        (187,),
        ("status 500 → 405", message(BROKE, "The method is not allowed for the requested URL.")),
    ),
    Wanted(
        "says that it is never done so",
        (188,),
        (
            "status 403 → 405",
            message("Permission denied.", "The method is not allowed for the requested URL."),
        ),
    ),
    Wanted("a mistake in a search is told with its place (issue 2)", (80, 207), ("status 200 → 400",)),
    Wanted(
        "the bytes at once, without a redirect (quirks 8)",
        (233,),
        (
            "status 301 → 200",
            "content-type text/html → text/plain",
            "location ['/records/<id>/files/v2.txt'] → ['']",
        ),
    ),
    Wanted(
        "journal and supervisor have no such names in schema.org; no vocabulary of awards yet",
        (236,),
        (
            *("- container_title", "- volume", "- issue", "- page", "- editor"),
            "- funding[].url",
        ),
    ),
    Wanted(
        "degrees are numbers (xs:float in DataCite kernel 4); no vocabulary of awards yet",
        (238,),
        (
            "~ geoLocations[].geoLocationPoint.pointLatitude: string → float",
            "~ geoLocations[].geoLocationPoint.pointLongitude: string → float",
            "- fundingReferences[].awardTitle",
            "- fundingReferences[].awardURI",
        ),
    ),
    Wanted("small, and kept for an hour without asking", (234,), ("- header etag", "- header last-modified")),
    Wanted(
        "its 500: no BibTeX of searches",
        (279,),
        (
            "status 500 → 406",
            message(
                BROKE,
                "Invalid 'Accept' header. Expected one of: application/json, application/vnd.zenodo.v1+json, "
                "application/ld+json, application/vnd.datacite.datacite+json, application/x-bibtex, "
                "application/x-research-info-systems, application/vnd.citationstyles.csl+json, "
                f"application/linkset+json, {VENDOR}, text/x-bibliography",
            ),
        ),
    ),
    Wanted("licences of all, at that address too", (220,), ("status 404 → 200",)),
    Wanted(
        "one more language or less of a title, and awards once they are loaded; names keep blanks",
        (235,),
        (
            "- files.entries.we_ird_name.txt",
            "- metadata.additional_descriptions[].type.title.de",
            *(
                f"- metadata.{term}.title.{lang}"
                for term in (
                    "contributors[].role",
                    "dates[].type",
                    "related_identifiers[].relation_type",
                    "related_identifiers[].resource_type",
                    "resource_type",
                )
                for lang in ("ar", "cs", "de", "es", "sv")
            ),
            *(f"- metadata.funding[].award.{k}" for k in ("acronym", "identifiers", "program", "title")),
        ),
    ),
]


def wanted_in(exchange: Exchange) -> set[str]:
    found: set[str] = set()
    for entry in WANTED:
        if entry.at(exchange):
            found.update(entry.differences)
    return found


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    server = Server(
        tmp_path_factory.mktemp("goldens") / "data",
        {"STRONGROOM_RATE_LIMITS": "on", "STRONGROOM_SITE_NAME": "Zenodo"},
    )
    server.start()
    try:
        replay = Replay(server)
        replay.run()
        yield replay
    finally:
        server.kill()
    assert "unexpected error" not in server.log()


def test_all_are_there() -> None:
    assert [e.number for e in RECORDED] == list(range(1, 280))
    assert NOT_YET.keys() <= BY_NUMBER.keys()


def refuse(replay: Replay, exchange: Exchange, wanted: set[str]) -> None:
    """Fail for what an answer has otherwise than recorded, unless it is wanted."""
    unwanted = sorted(replay.differences[exchange.number] - wanted)
    said = replay.answers[exchange.number].body[:3000].decode(errors="replace")
    assert not unwanted, "\n".join([*unwanted, said])


def in_vain(replay: Replay, entry: Wanted, alike: Sequence[int]) -> list[str]:
    """What an entry wants and no answer has: of its numbers each must, of those that are `alike` one."""
    if isinstance(entry.where, str):
        shown = [replay.differences[n] for n in alike]
        return [d for d in entry.differences if not any(d in found for found in shown)]
    return [f"{n}: {d}" for n in entry.where for d in entry.differences if d not in replay.differences[n]]


ASKED = [e for e in RECORDED if e.number not in NOT_YET]


@pytest.mark.parametrize("exchange", ASKED, ids=lambda e: e.name)
def test_answers_as_recorded(replay: Replay, exchange: Exchange) -> None:
    refuse(replay, exchange, wanted_in(exchange))


@pytest.mark.parametrize("entry", WANTED, ids=lambda w: f"{w.where}-{w.reason}"[:80])
def test_no_difference_is_wanted_in_vain(replay: Replay, entry: Wanted) -> None:
    assert in_vain(replay, entry, [e.number for e in ASKED if kind(e) == entry.where]) == []


@pytest.mark.parametrize("number", NOT_YET)
def test_what_is_not_ours_yet_is_known(replay: Replay, number: int) -> None:
    assert replay.differences[number], (
        f"{BY_NUMBER[number].name} is answered as recorded: take it out of NOT_YET"
    )
