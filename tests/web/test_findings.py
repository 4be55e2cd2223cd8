"""Findings in the reader's language: every sentence the checks can say, with its values, and nothing made up."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from strongroom import errors, pids
from strongroom.api import draft_files, parts
from strongroom.errors import Finding, Invalid
from strongroom.files import keys, service, transfers
from strongroom.http import deps, transfer, upload
from strongroom.ids import today
from strongroom.metadata import checks, legacy, rdm
from strongroom.metadata.model import (
    Access,
    AlternateIdentifier,
    Date,
    Identifier,
    Location,
    Metadata,
    Person,
    RecordData,
    Reference,
    Related,
    Right,
    Title,
    TypedText,
)
from strongroom.records import drafts, publish
from strongroom.storage import receive
from strongroom.web import findings, render
from strongroom.web.findings import told, told_all, told_json
from tests.app import Reader, Site, running

GERMAN, ENGLISH = render.texts("de"), render.texts("en")
HOLE = re.compile(r"%\((\w+)\)s")
EMPTY = RecordData()
LACKING = RecordData(
    metadata=Metadata(
        creators=[Person(name="")],
        contributors=[Person(name="")],
        additional_titles=[Title(title="")],
        additional_descriptions=[TypedText(description="", type="")],
        dates=[Date(date="", type="")],
        related_identifiers=[Related(identifier="", relation="")],
        identifiers=[AlternateIdentifier(identifier="")],
        references=[Reference(reference="")],
        locations=[Location(), Location(lat=3)],
        rights=[Right()],
    )
)
WRONG = RecordData(
    doi="no DOI",
    access=Access(embargo_until=date(2001, 1, 1)),
    metadata=Metadata(
        title="ab",
        version="1" * 1_200,
        publication_date="2024-02-30",
        additional_titles=[Title(title="a")],
        creators=[
            Person(
                name="Doe, Jane",
                identifiers=[
                    Identifier(identifier="0000-0002-1825-0098", scheme="orcid"),
                    Identifier(identifier="0000-0002-1825-0097", scheme="orcid"),
                    Identifier(identifier="mine"),
                    Identifier(identifier="12", scheme="gnd"),
                ],
            ),
            Person(name="A", identifiers=[Identifier(identifier="12", scheme="orcid")]),
            Person(name="B", identifiers=[Identifier(identifier="x" * 16, scheme="orcid")]),
            Person(name="C", identifiers=[Identifier(identifier="0000-0000-0000-0001", scheme="orcid")]),
        ],
        dates=[
            Date(date="2024-02-30", type="valid"),
            Date(date="soon", type="valid"),
            Date(date="2024-03/2024-02", type="valid"),
            Date(date="/", type="valid"),
        ],
        locations=[Location(lat=91.5, lon=-200)],
        related_identifiers=[
            Related(identifier="that one", relation="cites"),
            Related(identifier="x", scheme="isbn", relation="cites"),
        ],
        identifiers=[AlternateIdentifier(identifier="that one too")],
        rights=[Right(title="Mine", link="nowhere")],
        custom={"imprint:imprint": {"isbn": "12"}, "meeting:meeting": {"url": "nowhere"}},
    ),
)


def said_by_checks() -> Iterator[str]:
    for data in (EMPTY, LACKING, WRONG):
        for words in (checks.for_publication(data, today=today()), rdm.problems(data, today=today())):
            for finding in words:
                yield from finding.messages
    for value in ("2024-03/2024-02", "soon", "2024-13"):
        data = RecordData(metadata=Metadata(publication_date=value))
        for finding in checks.wrong_values(data, today=today()):
            yield from finding.messages


def said_by_readers() -> Iterator[str]:
    """What the form's own reader says."""
    body = {
        "metadata": {
            "title": 7,
            "creators": [{"person_or_org": {"type": "personal"}, "affiliations": [{}, {"id": "x"}]}, 3],
            "description": "<script>a</script><blink>b</blink>",
            "subjects": [{}],
            "funding": [{"funder": {}}],
            "dates": "soon",
            "odd": 1,
        },
        "access": {"embargo": {"active": True, "until": "soon"}},
    }
    loaded = rdm.load(body, today=today())
    for finding in loaded.warnings:
        yield from finding.messages
    for fields in ({"language": "x"}, {"license": "none-such"}, {"access_right": "embargoed"}):
        try:
            for finding in legacy.load(fields, today=today(), site="x").warnings:
                yield from finding.messages
        except Invalid as error:
            for finding in error.findings:
                yield from finding.messages


@pytest.mark.parametrize("message", sorted({*said_by_checks()}))
def test_every_sentence_of_the_checks_is_told_in_german(message: str) -> None:
    assert told(message, GERMAN) != message
    assert told(message, ENGLISH) == message


def pieces(module: ModuleType) -> set[str]:
    """The literal parts of all that a module's findings and `…_problem` functions say."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))):
        says = (isinstance(node, ast.Call) and ast.unparse(node.func) in ("Finding.of", "Invalid.at")) or (
            isinstance(node, ast.Return)
        )
        for inner in ast.walk(node) if says else ():
            if (
                isinstance(inner, ast.Constant)
                and isinstance(inner.value, str)
                and " " in inner.value.strip()
            ):
                found.add(inner.value)
    return found


def test_the_checks_were_made_to_say_all_they_can() -> None:
    """If this fails: a check says a new sentence, which needs a case above (and a place in the table)."""
    said = "\n".join(said_by_checks())
    wanted = pieces(checks)
    assert len(wanted) > 25
    assert {piece for piece in wanted if piece not in said} == set()


@pytest.mark.parametrize("module", [checks, publish, pids])
def test_what_keeps_from_publishing_is_in_the_table(module: ModuleType) -> None:
    table = "\n".join(findings.SENTENCES)
    wanted = pieces(module)
    assert wanted
    assert {piece for piece in wanted if piece.strip() not in table} == set()


def test_sentences_of_the_form_s_reader() -> None:
    said = sorted({*said_by_readers()})
    assert len(said) > 12
    assert [message for message in said if told(message, GERMAN) == message] == []


def test_each_sentence_of_the_table_is_translated_and_keeps_its_values() -> None:
    for sentence in findings.SENTENCES:
        names = HOLE.findall(sentence)
        values = {
            name: str(4711 + n) if name.startswith("num") else f"Wert {n}" for n, name in enumerate(names)
        }
        message = sentence % values if names else sentence
        german = told(message, GERMAN)
        assert german != message, sentence
        assert german == GERMAN.gettext(sentence) % values if names else GERMAN.gettext(sentence)
        assert all(value in german for value in values.values())
        assert told(message, ENGLISH) == message


@pytest.mark.parametrize(
    ("message", "german"),
    [
        ("'it''s 5 %(x)s %' is not a day of the calendar.", "„it''s 5 %(x)s %“ ist kein Tag des Kalenders."),
        ("'a\nb' is not a day of the calendar.", "„a\nb“ ist kein Tag des Kalenders."),
        ("'' is not a day of the calendar.", "„“ ist kein Tag des Kalenders."),
        ("<b>.txt: A file needs a name.", "<b>.txt: Eine Datei braucht einen Namen."),
        (
            "File size limit exceeded. 1,234,567 bytes are left here, the file has 50 bytes.",
            "Das ist zu groß. Hier ist noch Platz für 1.234.567 Byte, die Datei hat 50 Byte.",
        ),
        (
            "Must be between -90 and 90 degrees, not 91.5.",
            "Muss zwischen -90 und 90 Grad liegen, nicht bei 91.5.",
        ),
    ],
)
def test_values_stay_what_they_are(message: str, german: str) -> None:
    assert told(message, GERMAN) == german


@pytest.mark.parametrize(
    "message",
    [
        "",
        " ",
        "%(value)s",
        "100 %",
        "Nobody wrote this sentence yet.",
        "metadata.title: Nobody wrote this sentence yet.",
        "A file needs a name. Nobody wrote this sentence yet.",
        "A file may have many bytes here.",
        ": " * 5_000,
        ". " * 900,
        "'" + "x" * findings.LONGEST + "' is not a day of the calendar.",
    ],
)
def test_what_is_not_known_comes_back_as_it_is(message: str) -> None:
    assert told(message, GERMAN) == message


def test_all_that_an_error_says() -> None:
    error = Invalid(
        [Finding.of("a", "Not a valid URL.", "It has 200 characters: shorten it."), Finding.of("b", "Odd.")]
    )
    assert told_all(error, GERMAN) == [
        "Keine gültige URL.",
        "Es sind 200 Zeichen: bitte kürzen.",
        "Odd.",
    ]
    assert told_all(errors.TooLarge(), GERMAN) == ["Die Grenze ist überschritten."]
    body = {"status": 400, "message": error.message, "errors": [f.as_json() for f in error.findings]}
    said: dict[str, Any] = told_json(body, GERMAN)
    assert said["status"] == 400
    assert said["message"] == "Etwas an den Angaben stimmt nicht."
    assert said["errors"][0]["message"] == "Keine gültige URL. Es sind 200 Zeichen: bitte kürzen."
    assert [one["field"] for one in said["errors"]] == ["a", "b"]


def test_files_say_it_in_german_too() -> None:
    for key in ("/etc/passwd", "a//b", "../up", "x" * 1_100, "bell\x07", ""):
        with pytest.raises(Invalid) as caught:
            keys.check_key(key)
        for message, german in zip(
            caught.value.findings[0].messages, told_all(caught.value, GERMAN), strict=True
        ):
            assert german != message
            assert german.partition(": ")[0] == message.partition(": ")[0]  # the name stays
    for message in transfers.findings(["a.csv", "b.csv"])[0].messages:
        assert told(message, GERMAN) != message


# What the form's script can't bring about: it sends no such headers, asks for no such pages, fetches nothing.
NOT_BY_THE_FORM = (
    "Page size cannot be greater than",
    "Content-Length is no number.",
    "If-Match ",
    "This changed after the time that If-Unmodified-Since names.",
    "Unable to decode JSON data in request body.",
    "The header ",
    "The bytes of this file ",
    "Name each file of the deposition exactly once.",
    "is not reserved here: take it out of the draft",
    "Record deleted",
    "Invalid 'Content-Type' header.",
    "Invalid 'Accept' header.",
)
UPLOADING = (draft_files, parts, service, transfers, keys, deps, transfer, upload, drafts, receive, errors)


def samples(node: ast.expr) -> list[str]:
    """What an expression can say, with a number for each of its values, or a word where it holds a choice."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=one, orelse=other):
            return samples(one) + samples(other)
        case ast.BoolOp(values=values):
            return [text for value in values for text in samples(value)]
        case ast.JoinedStr(values=values):
            said = [""]
            for part in values:
                held = part.value if isinstance(part, ast.FormattedValue) else part
                found = samples(held) if isinstance(held, ast.Constant | ast.IfExp) else ["4711"]
                said = [before + text for before in said for text in found]
            return said
    return []


def messages(module: ModuleType) -> Iterator[str]:
    """All that a module's errors and constants say."""
    known = {name for name, value in vars(errors).items() if isinstance(value, type)}
    for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))):
        said: list[ast.expr] = []
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("Finding.of", "Invalid.at", "Invalid"):
                said = node.args[1:]
            elif called in known or called == "_Reason":
                said = node.args[:1]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            said = [node.value] if name in ("default", "taken") or name.isupper() else []
            said = [one for one in said if ast.unparse(one).rstrip("'\"").endswith(".")]
        for one in said:
            yield from (text for text in samples(one) if " " in text.strip())


@pytest.mark.parametrize("module", UPLOADING, ids=lambda module: module.__name__.rpartition(".")[2])
def test_what_an_upload_can_be_told_is_told_in_german(module: ModuleType) -> None:
    """If this fails: an upload can be refused in new words, which need a place in the table and a translation."""
    wanted = {m for m in messages(module) if not any(part in m for part in NOT_BY_THE_FORM)}
    wanted -= {"4711: 4711"}  # a name, and what is wrong with it, which stands by itself
    assert wanted
    assert {message for message in wanted if told(message, GERMAN) == message} == set()


# -- publishing, as it is done


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site") / "data", job_threads=0, doi_prefix="10.5072") as site:
        yield site


@pytest.fixture(scope="module")
def owner(site: Site) -> Reader:
    return site.session("jane", site.reader("jane"))


def test_a_german_reader_of_the_form_reads_german(site: Site, owner: Reader) -> None:
    made = site.ask(
        "POST", "/api/records", owner, {"metadata": {"title": "ab", "publication_date": "2024-02-30"}}
    )
    path = f"/uploads/{made.json()['id']}"
    page = site.ask("GET", path, owner, None, {"accept-language": "de", "accept": "text/html"})
    assert page.status == 200
    assert "„2024-02-30“ ist kein Tag des Kalenders." in page.text
    assert "is not a day of the calendar" not in page.text
    english = site.ask("GET", path, owner, None, {"accept-language": "en", "accept": "text/html"})
    assert "&#39;2024-02-30&#39; is not a day of the calendar." in english.text


def test_the_api_tells_the_form_s_script_in_its_reader_s_language(site: Site, owner: Reader) -> None:
    made = site.ask("POST", "/api/records", owner, {"metadata": {}}).json()["id"]
    at = f"/api/records/{made}/draft/files"
    german = {"accept-language": "de"}
    assert site.ask("POST", at, owner, [{"key": "a.csv", "size": 3}], german).status == 201
    twice = site.ask("POST", at, owner, [{"key": "a.csv", "size": 3}], german)
    assert twice.status == 400
    assert twice.json()["message"] == "Eine Datei namens a.csv gibt es schon."
    early = site.ask("POST", f"{at}/a.csv/commit", owner, None, german)
    assert (early.status, early.json()["message"]) == (
        400,
        "Die Datei a.csv hat noch keinen Inhalt: erst mit PUT senden, dann abschließen.",
    )
    # A program hears what it always heard.
    program = site.reader("program", of=site.reader("programmer"))
    theirs = site.ask("POST", "/api/records", program, {"metadata": {}}).json()["id"]
    refused = site.ask("POST", f"/api/records/{theirs}/draft/files/b.csv/commit", program, None, german)
    assert refused.json()["message"] == f"Record '{theirs}' has no file 'b.csv'."
