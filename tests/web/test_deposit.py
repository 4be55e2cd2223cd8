"""The deposit form without script, from its beginning to the published record; and what its script asks."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from strongroom.errors import Malformed
from strongroom.files.models import uploads
from strongroom.mail import outbox
from strongroom.metadata import legacy, prefill, rdm
from strongroom.metadata.model import (
    Access,
    Affiliation,
    Date,
    Funder,
    Funding,
    Identifier,
    Location,
    Metadata,
    Person,
    RecordData,
    Reference,
    Related,
    Right,
    Subject,
    Title,
)
from strongroom.records import manifest
from strongroom.records import typed as records_typed
from strongroom.vocabularies import loading
from strongroom.web import fields
from strongroom.web.deposit import page as deposit_page
from strongroom.web.deposit import sent as deposit_sent
from tests.app import Reader, Site, running
from tests.bounded import ends
from tests.conftest import PROVE
from tests.metadata.zenodo_documents import SHARED
from tests.statements import overheard
from tests.web.forms import BOUNDARY, Window, multipart

TODAY = date(2026, 11, 22)
SAMPLES = Path(loading.__file__).parent / "samples"
JSON = {"accept": "application/json"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site") / "data", job_threads=0, doi_prefix="10.5072") as site:
        yield site


@pytest.fixture(scope="module")
def owner(site: Site) -> Reader:
    return site.session("jane", site.reader("jane"))


@pytest.fixture
def window(site: Site, owner: Reader) -> Window:
    """A window on a new draft, whose first creator is its owner."""
    window = Window(site, owner)
    assert window.get("/uploads/new").status == 200
    made = window.post("/uploads", me="1")
    assert made.status == 303
    window.open(made.headers["location"])
    return window


def draft(window: Window) -> dict[str, Any]:
    """What the records API says of the draft."""
    number = window.path.rpartition("/")[2]
    answer = window.site.ask("GET", f"/api/records/{number}/draft", window.reader, None, {"accept": "application/vnd.inveniordm.v1+json"})  # fmt: skip
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


def test_from_the_first_button_to_the_published_record(window: Window) -> None:
    window.fields |= {
        "type": "dataset",
        "metadata.title": "Rose scent",
        "metadata.creators.0.person_or_org.family_name": "Doe",
        "metadata.creators.0.person_or_org.given_name": "Jane",
        "metadata.creators.0.orcid": "https://orcid.org/0000-0002-1825-0097",
        "metadata.creators.0.affiliations.0.name": "University of Oxford",
        "metadata.description": "First paragraph.\nSame one.\n\nIs 1 < 2 & 3?",
        "metadata.languages.0.title": "German",
        "metadata.version": "2",
        "keywords": "rose, scent; GC-MS\nplants",
        "metadata.rights.0.title": "Creative Commons Attribution 4.0 International",
        "access.choice": "embargoed",
        "access.embargo.until": "2040-03-13",
        "access.embargo.reason": "The paper comes first.",
        "metadata.funding.0.funder.name": "European Commission",
        "metadata.funding.0.award.number": "654241",
        "metadata.related_identifiers.0.relation_type.id": "cites",
        "metadata.related_identifiers.0.identifier": "https://doi.org/10.1038/s41588-018-0110-3",
        "references.text": "One, 2018.\n\nTwo, 2019.",
        "custom_fields.journal:journal.title": "Nature Genetics",
        "custom_fields.thesis:thesis.university": "Oxford",
        "metadata.locations.features.0.place": "Lyon",
        "metadata.locations.features.0.lat": "45,75",
        "metadata.locations.features.0.lon": "4.85",
        "metadata.dates.0.date": "2018-05/2018-09",
        "metadata.dates.0.type.id": "collected",
        "contact.name": "Data Office",
        "contact.email": "office@example.org",
    }
    assert window.send("reserve", ("files", "roses.csv", b"a,b\n1,2\n")).status == 200
    number = int(window.path.rpartition("/")[2])
    said = draft(window)
    assert said["pids"]["doi"]["identifier"] == f"10.5072/strongroom.{number}"
    m = said["metadata"]
    assert m["description"] == "<p>First paragraph.<br>Same one.</p><p>Is 1 &lt; 2 &amp; 3?</p>"
    assert [s["subject"] for s in m["subjects"]] == ["rose", "scent", "GC-MS", "plants"]
    assert [r["id"] for r in m["rights"]] == ["cc-by-4.0"]
    assert [x["id"] for x in m["languages"]] == ["deu"]
    assert m["creators"][0]["person_or_org"]["identifiers"] == [
        {"identifier": "0000-0002-1825-0097", "scheme": "orcid"}
    ]
    assert m["related_identifiers"][0]["identifier"] == "10.1038/s41588-018-0110-3"
    assert m["locations"]["features"][0]["geometry"] == {"type": "Point", "coordinates": [4.85, 45.75]}
    assert m["contributors"][0]["role"]["id"] == "contactperson"
    assert [r["reference"] for r in m["references"]] == ["One, 2018.", "Two, 2019."]
    assert said["access"]["embargo"]["until"] == "2040-03-13"
    assert said["custom_fields"]["journal:journal"] == {"title": "Nature Genetics"}
    assert "roses.csv" in said["files"]["entries"]

    last_look = window.send("publish")
    assert last_look.status == 200
    assert f"10.5072/strongroom.{number}" in last_look.text
    done = window.post(f"/uploads/{number}/publish")
    assert (done.status, done.headers["location"]) == (303, f"http://testserver/records/{number}")
    record = window.get(f"/records/{number}")
    assert "Rose scent" in record.text

    # Corrected: the description alone.
    edit = window.post(f"/records/{number}/edit")
    window.open(edit.headers["location"])
    assert window.fields["metadata.title"] == "Rose scent"
    window.fields["metadata.title"] = "Rose scents"
    corrected = window.send("publish").text
    assert "can't be changed" not in corrected
    changes = corrected.partition("<dl")[2].partition("</dl>")[0]
    assert changes.count("<dt>") == 1
    assert "<dt>Title</dt><dd><del>Rose scent</del> <ins>Rose scents</ins></dd>" in changes
    assert window.post(f"/uploads/{number}/publish").status == 303
    assert "Rose scents" in window.get(f"/records/{number}").text

    # The next version takes the files of the last one.
    following = window.post(f"/records/{number}/new-version")
    window.open(following.headers["location"])
    window.send("import-files")
    assert list(draft(window)["files"]["entries"]) == ["roses.csv"]


def test_what_is_wrong_is_said_beside_its_field_and_kept_as_typed(window: Window) -> None:
    window.fields |= {
        "metadata.title": "Ro",
        "metadata.publication_date": "13 March",
        "metadata.creators.0.orcid": "0000-0002-1825-0098",
        "metadata.rights.0.title": "affe",
        "metadata.languages.0.title": "Of the roses",
        "access.choice": "embargoed",
        "access.embargo.until": "soon",
        "metadata.locations.features.0.lat": "north",
        "metadata.locations.features.0.place": "Lyon",
        "doi": "own",
        "contact.email": "office at example",
        "metadata.related_identifiers.0.relation_type.id": "cites",
        "metadata.related_identifiers.0.identifier": "not an identifier",
    }
    typed = dict(window.fields)
    answer = window.send("publish")
    assert answer.status == 400
    assert 'role="alert"' in answer.text
    wanted = {
        "type", "metadata.title", "metadata.publication_date", "metadata.creators.0.orcid", "metadata.rights.0.title",
        "metadata.languages.0.title", "access.embargo.until", "metadata.locations.features.0.lat",
        "pids.doi.identifier", "contact.email",
    }  # fmt: skip
    assert wanted <= set(window.errors)
    work = "metadata.related_identifiers.0"
    assert window.errors[f"{work}.scheme"].endswith("or choose its kind."), "the API's words name its field"
    assert "would be 7, not 8" in window.errors["metadata.creators.0.orcid"]
    for name in wanted - {"type"}:
        assert f'href="#{name}"' in answer.text
        assert f'aria-describedby="{name}-e' in answer.text
    # The page again, and all that was typed is there; nothing opened because a date could not be read.
    window.open(window.path)
    for name in (*(wanted - {"type", "pids.doi.identifier"}), "access.choice", "doi"):
        assert window.fields[name] == typed[name], name
    assert draft(window)["access"]["files"] == "restricted"
    assert "agpl-3.0-or-later" in window.get(window.path).text, "affe may mean this one"
    # Put right, it is forgotten.
    window.fields |= {
        "metadata.rights.0.id": "agpl-3.0-or-later", "metadata.languages.0.title": "deu",
        "access.embargo.until": "2040-01-01", "doi": "new", "contact.email": "",
        "metadata.locations.features.0.lat": "45", "metadata.locations.features.0.lon": "4",
        "metadata.creators.0.orcid": "0000-0002-1825-0097", "metadata.publication_date": "2019", "metadata.title": "Roses",
        f"{work}.identifier": "10.1038/s41588-018-0110-3",
    }  # fmt: skip
    window.send("save")
    assert set(window.errors) == set()
    assert draft(window)["metadata"]["rights"][0]["id"] == "agpl-3.0-or-later"


def test_names_that_people_type_find_their_ids(site: Site, window: Window) -> None:
    for source, name in (("ror", "ror.zip"), ("funders", "funders.rdf"), ("awards", "awards.tar")):
        loading.load(site.ctx.db, source, SAMPLES / name)
    site.ctx.vocabularies.catch_up()
    window.fields |= {
        "metadata.creators.0.affiliations.0.name": "https://ror.org/05a28rw58",
        "metadata.funding.0.funder.name": "european commission",
        "metadata.funding.0.award.number": "654241",
        "metadata.languages.0.title": "französisch",
    }
    window.send("add:metadata.funding")
    window.fields["metadata.funding.1.award.title"] = "PhenoMeNal"
    window.send("add:metadata.funding")
    window.fields["metadata.funding.2.funder.name"] = "Nobody's foundation"
    window.send("save")
    m = draft(window)["metadata"]
    assert m["creators"][0]["affiliations"] == [{"id": "05a28rw58", "name": "ETH Zurich"}]
    assert [f["award"]["id"] for f in m["funding"][:2]] == ["00k4n6c32::654241"] * 2
    assert m["funding"][0]["funder"] == {"id": "00k4n6c32", "name": "European Commission"}
    assert m["funding"][1]["award"]["acronym"] == "PhenoMeNal"
    assert m["funding"][2] == {"funder": {"name": "Nobody's foundation"}}
    assert [one["id"] for one in m["languages"]] == ["fra"]
    german = {"accept-language": "de"}
    assert 'value="Französisch"' in window.site.ask("GET", window.path, window.reader, None, german).text
    # Typed over: it is another one.
    window.fields["metadata.funding.0.funder.name"] = "Somebody else"
    window.send("save")
    other = draft(window)["metadata"]["funding"][0]
    assert other["funder"] == {"name": "Somebody else"}
    assert "id" not in other["award"]


def test_an_orcid_typed_as_a_name_is_taken_as_an_orcid(window: Window) -> None:
    start = "metadata.creators.0"
    window.fields |= {f"{start}.person_or_org.family_name": "https://orcid.org/0000-0001-9853-5668"}
    window.fields |= {f"{start}.person_or_org.given_name": "", f"{start}.orcid": ""}
    window.send("save")
    assert window.fields[f"{start}.orcid"] == "0000-0001-9853-5668"
    assert window.fields[f"{start}.person_or_org.family_name"] == ""


def test_rows_are_added_moved_and_removed(window: Window) -> None:
    added = window.send("add:metadata.creators")
    assert added.status == 200
    window.fields |= {
        "metadata.creators.1.person_or_org.type": "organizational",
        "metadata.creators.1.person_or_org.name": "CERN",
    }
    window.send("up:metadata.creators.1")
    names = [c["person_or_org"]["name"] for c in draft(window)["metadata"]["creators"]]
    assert names == ["CERN", "jane"]
    window.send("add:metadata.creators.0.affiliations")
    window.fields |= {
        "metadata.creators.0.affiliations.0.name": "One",
        "metadata.creators.0.affiliations.1.name": "Two",
    }
    window.send("remove:metadata.creators.1")
    creators = draft(window)["metadata"]["creators"]
    assert [c["person_or_org"]["name"] for c in creators] == ["CERN"]
    assert creators[0]["affiliations"] == [{"name": "One"}, {"name": "Two"}]
    window.send("add-own:metadata.rights")
    window.fields |= {
        "metadata.rights.0.title": "House rules",
        "metadata.rights.0.link": "https://example.org/rules",
    }
    window.send("save")
    assert draft(window)["metadata"]["rights"] == [
        {"title": {"en": "House rules"}, "link": "https://example.org/rules"}
    ]


def test_files_are_named_deleted_and_chosen(window: Window) -> None:
    window.send("upload", ("files", "a.txt", b"one"), ("files", "b.txt", b"two"))
    entries = draft(window)["files"]["entries"]
    assert set(entries) == {"a.txt", "b.txt"}
    page = window.get(window.path).text
    ids = dict(zip(sorted(entries), page.split('data-id="')[1:], strict=True))
    first, second = (ids[k].partition('"')[0] for k in ("a.txt", "b.txt"))
    window.fields[f"rename.{first}"] = "folder/c.txt"
    window.fields["files.default_preview"] = "b.txt"
    window.send(f"rename:{first}")
    files = draft(window)["files"]
    assert set(files["entries"]) == {"folder/c.txt", "b.txt"}
    assert files["default_preview"] == "b.txt"
    window.fields[f"rename.{second}"] = "folder/c.txt"
    taken = window.send(f"rename:{second}")
    assert taken.status == 400
    assert "already exists" in taken.text
    window.send(f"delete-file:{second}")
    assert set(draft(window)["files"]["entries"]) == {"folder/c.txt"}


def test_the_autosave_says_what_is_wrong_and_what_is_missing(window: Window) -> None:
    window.fields |= {"metadata.title": "Roses", "metadata.creators.3.orcid": "0000-0002-1825-0098"}
    window.fields["metadata.creators.3.person_or_org.family_name"] = "Roe"
    said = window.send("save", headers=JSON).json()
    assert said["revision"] > int(window.fields["revision"])
    # The row keeps its number in the window, though it is the second on the server.
    assert [f["field"] for f in said["findings"]] == ["metadata.creators.3.orcid"]
    missing = {item["field"]: item["section"] for item in said["missing"]}
    assert missing == {"files": "files", "type": "type", "metadata.creators.3.orcid": "basics"}
    assert {key: said["sections"][key] for key in ("files", "basics", "access")} == {
        "files": "", "basics": "bad", "access": "ok",
    }  # fmt: skip
    window.fields["revision"] = str(said["revision"])
    again = window.send("save", headers=JSON).json()
    assert again["revision"] == said["revision"], "nothing changed, so nothing was written"
    # Nothing is ticked off of which something is still missing.
    window.fields |= {"metadata.title": "", "metadata.creators.3.orcid": ""}
    window.fields["revision"] = str(said["revision"])
    assert window.send("save", headers=JSON).json()["sections"]["basics"] == "begun"
    assert '<li class="begun" data-section="basics">' in window.get(window.path).text


def test_two_windows_lose_nobodys_words(site: Site, owner: Reader, window: Window) -> None:
    other = Window(site, owner)
    other.open(window.path)
    other.fields |= {"metadata.title": "Theirs", "metadata.version": "1"}
    other.send("save")
    # Files alone are no change of the description.
    other.send("upload", ("files", "a.txt", b"one"))
    window.fields |= {"metadata.title": "Mine", "keywords": "rose"}
    told = window.send("save", headers=JSON)
    assert told.status == 412
    assert {d["field"]: (d["yours"], d["theirs"]) for d in told.json()["differences"]} == {
        "metadata.title": ("Mine", "Theirs"),
        "metadata.version": ("", "1"),
        "keywords": ("rose", ""),
    }
    assert window.send("save").status == 412
    assert window.fields["metadata.title"] == "Mine"
    window.fields |= {"choose.metadata.title": "yours", "choose.metadata.version": "theirs"}
    window.send("save")
    m = draft(window)["metadata"]
    assert (m["title"], m["version"], m["subjects"]) == ("Mine", "1", [{"subject": "rose"}])


def test_words_kept_beside_a_draft_and_its_contact_make_a_form_out_of_date(
    site: Site, owner: Reader, window: Window
) -> None:
    other = Window(site, owner)
    other.open(window.path)
    other.fields |= {"metadata.rights.0.title": "My Own Licenze"}
    assert other.send("save", headers=JSON).status == 200
    told = window.send("save", headers=JSON)
    assert told.status == 412
    assert [(d["field"], d["theirs"]) for d in told.json()["differences"]] == [
        ("metadata.rights", "My Own Licenze")
    ]
    other.open(window.path)
    window.open(window.path)
    other.fields |= {"contact.email": "office@example.org"}
    assert other.send("save", headers=JSON).status == 200
    told = window.send("save", headers=JSON)
    assert told.status == 412
    assert [(d["field"], d["theirs"]) for d in told.json()["differences"]] == [
        ("contact.email", "office@example.org")
    ]
    window.open(window.path)
    assert window.fields["metadata.rights.0.title"] == "My Own Licenze"
    assert window.fields["contact.email"] == "office@example.org"


def test_what_a_save_finds_out_is_no_difference_and_ones_own_window_is_named(
    site: Site, owner: Reader, window: Window
) -> None:
    related = "metadata.related_identifiers.0"
    window.fields |= {
        f"{related}.identifier": "https://doi.org/10.1234/ABC",
        f"{related}.relation_type.id": "cites",
        "metadata.creators.0.orcid": "https://orcid.org/0000-0001-5306-5690",
    }
    said = window.send("save", headers=JSON).json()
    window.fields["revision"] = str(said["revision"])  # what the server found out, the window does not show
    other = Window(site, owner)
    other.open(window.path)
    other.fields["metadata.title"] = "Theirs"
    other.send("save")
    window.fields["metadata.title"] = "Mine"
    told = window.send("save", headers=JSON).json()
    assert [d["field"] for d in told["differences"]] == ["metadata.title"]
    assert told["yours"] is True
    assert "You changed this draft in another window" in window.send("save").text


def test_what_others_see_follows_each_choice(window: Window) -> None:
    def seen(**changed: str) -> str:
        window.fields |= {name.replace("__", "."): text for name, text in changed.items()}
        said = window.send("save", headers=JSON).json()
        window.fields["revision"] = str(said["revision"])
        assert f"data-visible>{said['visible']}</p>".replace("'", "&#39;") in window.get(window.path).text
        return str(said["visible"])

    assert "files are public" in seen(access__choice="open")
    assert "You decide" in seen(access__choice="restricted")
    assert "Nobody gets the files" in seen(access__choice="closed")
    assert "Say when" in seen(access__choice="embargoed")
    assert "embargo ends" in seen(access__embargo__until="2040-03-13")
    assert "Say when" in seen(access__embargo__until="2020-03-13")
    assert "Say when" in seen(access__embargo__until="soon")
    assert "Nobody gets the files" in seen(access__choice="closed")


def test_what_is_missing_is_named_in_the_order_of_the_form(window: Window) -> None:
    window.fields |= {
        "metadata.dates.0.date": "2019",
        "metadata.related_identifiers.0.relation_type.id": "cites",
        "metadata.related_identifiers.0.identifier": "",
        "metadata.additional_titles.0.title": "Rosae",
        "metadata.publication_date": "soon",
        "access.choice": "embargoed",
    }
    said = [item["text"] for item in window.send("save", headers=JSON).json()["missing"]]
    assert said[0].startswith("Add at least one file")
    assert said[1] == "Choose the upload type"
    assert said[2].startswith("Publication date: ")
    assert said[3] == "Give it a title"
    assert said[4].startswith("Further titles, 1: ")
    assert said[5].startswith("Open the files on: ")
    assert said[-1] == "Dates, 1: Say what kind it is"
    page = window.send("publish").text
    listed = re.findall(r"<li><a [^>]*>(.*?)</a>", page[page.index('id="summary"') :].partition("</ul>")[0])
    assert listed == [html.escape(text).replace("&#x27;", "&#39;") for text in said]


def test_files_of_the_last_version_come_beside_those_that_are_there(
    site: Site, owner: Reader, window: Window
) -> None:
    window.fields |= {"type": "dataset", "metadata.title": "Roses"}
    window.fields["metadata.creators.0.person_or_org.family_name"] = "Roe"
    old = [("files", name, b"old") for name in ("a.txt", "b.txt", "c.txt")]
    window.send("upload", *old, ("files", "empty", b""))
    number = window.path.rpartition("/")[2]
    window.send("publish")
    assert window.post(f"/uploads/{number}/publish").status == 303
    window.open(window.post(f"/records/{number}/new-version").headers["location"])
    assert 'value="import-files"' in window.send("upload", ("files", "b.txt", b"new")).text
    done = window.send("import-files")
    assert done.status == 200
    assert 'value="import-files"' not in done.text
    found = draft(window)["files"]["entries"]
    assert {key: found[key]["size"] for key in found} == {"a.txt": 3, "b.txt": 3, "c.txt": 3, "empty": 0}
    assert found["b.txt"]["checksum"] == f"md5:{hashlib.md5(b'new').hexdigest()}"
    # What can't stand beside a folder of its name is left out.
    ids = re.findall(r'data-key="([^"]+)"[^>]*data-id="([^"]+)"', done.text)
    window.send(f"delete-file:{dict(ids)['a.txt']}")
    window.send(f"delete-file:{dict(ids)['c.txt']}")
    bucket = re.search(r'data-bucket="([^"]+)"', done.text)
    assert bucket
    assert site.ask("PUT", f"/api/files/{bucket[1]}/a.txt/in", owner, b"x").status == 201
    done = window.send("import-files")
    assert done.status == 200
    assert set(draft(window)["files"]["entries"]) == {"a.txt/in", "b.txt", "c.txt", "empty"}
    assert 'value="import-files"' not in done.text, "the one that is left could not come"


def test_an_upload_does_not_make_a_form_out_of_date(site: Site, owner: Reader, window: Window) -> None:
    other = Window(site, owner)
    other.open(window.path)
    other.send("upload", ("files", "a.txt", b"one"))
    window.fields["metadata.title"] = "Mine"
    assert window.send("save", headers=JSON).status == 200


def test_the_address_of_the_contact_is_mailed_and_shown_to_nobody_else(
    site: Site, owner: Reader, window: Window
) -> None:
    secret = "data.office@example.org"
    window.fields |= {
        "type": "dataset", "metadata.title": "Roses", "access.choice": "restricted", "contact.name": "Data Office",
        "contact.email": secret, "access.conditions": "Say who you are.",
    }  # fmt: skip
    window.send("upload", ("files", "a.txt", b"one"))
    number = int(window.path.rpartition("/")[2])
    assert secret in window.get(window.path).text, "who may edit sees it"
    seen = [window.site.ask("GET", f"/api/records/{number}/draft", owner).text]
    seen.append(window.get(f"/uploads/{number}/preview").text)
    assert window.post(f"/uploads/{number}/publish").status == 303
    seen += [
        site.ask("GET", f"/records/{number}/export/{name}", owner).text
        for name in ("json", "dcite4", "datacite-xml", "dublincore", "schemaorg")
    ]
    for path in (
        f"/records/{number}",
        f"/api/records/{number}",
        f"/api/deposit/depositions/{number}",
        "/api/records",
    ):
        seen += [site.ask("GET", path, reader).text for reader in (owner, None)]
    seen.append(site.ask("GET", "/search", owner, q=secret).text.replace(f'value="{secret}"', ""))
    with site.ctx.db.read() as session:
        kept = manifest.read(session, number)
    assert kept is not None
    assert secret not in json.dumps(kept.body["record"])
    assert [s for s in seen if secret in s and "/search" not in s] == []
    # Who asks for access is heard there too.
    reader = site.reader("asker")
    settings_path = f"/api/records/{number}/access"
    assert site.ask("PUT", settings_path, owner, {"allow_user_requests": True}).status == 200
    asked = site.ask(
        "POST", f"/api/records/{number}/access/request", reader,
        {"email": "asker@example.org", "message": "For my thesis", "full_name": "A"},
    )  # fmt: skip
    assert asked.status == 200, asked
    with site.ctx.db.read() as session:
        told = session.execute(select(outbox.c.recipient)).scalars().all()
    assert secret in told


def test_a_contact_address_that_few_servers_take_is_not_kept(window: Window) -> None:
    window.fields |= {"metadata.title": "Roses", "contact.email": "jürgen@example.org"}
    answer = window.send("save", headers=JSON)
    assert "letters a to z" in answer.text
    number = int(window.path.rpartition("/")[2])
    with window.site.ctx.db.read() as session:
        assert records_typed.read(session, number).contact_email is None


def test_a_form_of_another_site_or_session_changes_nothing(site: Site, owner: Reader, window: Window) -> None:
    window.fields |= {"metadata.title": "Changed", "csrf": "x"}
    assert window.send("save").status == 403
    window.fields["csrf"] = window.csrf
    assert window.send("save", headers={"sec-fetch-site": "cross-site"}).status == 403
    told = window.send("save", headers={"sec-fetch-site": "cross-site", **JSON})
    assert (told.status, told.json()["message"]) == (403, "This request came from another site.")
    assert "title" not in draft(window)["metadata"]


def test_a_draft_is_deleted_after_a_question(window: Window) -> None:
    question = window.get(f"{window.path}/delete")
    assert "gone for good" in question.text
    assert window.post(f"{window.path}/delete").headers["location"] == "http://testserver/me/uploads"
    assert window.get(window.path).status == 404


CFF = b"""cff-version: 1.2.0
title: Rose tools
abstract: First.
authors:
- {family-names: Roe, given-names: Richard, orcid: https://orcid.org/0000-0002-1825-0097, affiliation: CERN}
- {name: The rose team}
license: [MIT, no-such-licence]
date-released: 2019-03-13
keywords: [rose, scent]
repository-code: https://example.org/roses
"""


def test_a_description_fills_what_is_empty_and_says_where_it_came_from(window: Window) -> None:
    window.fields["metadata.title"] = "Mine"
    page = window.send("prefill", ("prefill", "CITATION.cff", CFF))
    assert page.status == 200
    assert "from CITATION.cff" in page.text
    assert "no-such-licence" in page.text
    m = draft(window)["metadata"]
    assert m["title"] == "Mine"
    assert [c["person_or_org"]["name"] for c in m["creators"]] == ["jane"], "there is a creator already"
    assert [s["subject"] for s in m["subjects"]] == ["rose", "scent"]
    assert m["rights"][0]["id"] == "mit"
    # The same of a file of the draft, as its script asks.
    window.send("remove:metadata.creators.0")
    window.send(
        "upload", ("files", ".zenodo.json", b'{"creators": [{"name": "Roe, Richard"}], "license": "mit"}')
    )
    answer = window.site.ask(
        "POST", f"{window.path}/prefill", window.reader, f"csrf={window.csrf}&key=.zenodo.json".encode(),
        {"content-type": "application/x-www-form-urlencoded", **JSON},
    )  # fmt: skip
    assert answer.status == 200, answer
    assert answer.json()["filled"] == [{"field": "metadata.creators", "source": ".zenodo.json"}]
    window.open(window.path)
    broken = window.send("prefill", ("prefill", "CITATION.cff", b"a: [b"))
    assert broken.status == 400
    assert "YAML" in broken.text


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"- a", b"&a [*a]", b"a: !!python/object:os.system x", b"\xff\xfe"]
)
def test_what_is_no_description_is_refused(body: bytes) -> None:
    for name in (".zenodo.json", "CITATION.cff"):
        found = prefill.format_of(name)
        assert found is not None
        with pytest.raises(Malformed):
            found.read(body, TODAY)


def test_what_is_filled_in_beside_an_unreadable_row_stays_beside_it(window: Window) -> None:
    window.fields["metadata.rights.0.title"] = "My Own Licenze"
    window.send("save")
    assert window.send("prefill", ("prefill", "CITATION.cff", CFF)).status == 200
    shown = {n: text for n, text in window.fields.items() if re.fullmatch(r"metadata\.rights\.\d\.title", n)}
    assert list(shown.values())[:2] == ["MIT License", "My Own Licenze"]
    assert "metadata.rights.1.title" in window.errors
    window.send("save")
    assert [r["id"] for r in draft(window)["metadata"]["rights"]] == ["mit"]
    assert window.fields["metadata.rights.1.title"] == "My Own Licenze"


def test_the_form_looks_up_few_of_many_unreadable_names(window: Window) -> None:
    counted = []
    with overheard() as sent:
        for many in (deposit_page.GUESSED, 3 * deposit_page.GUESSED):
            for n in range(many):
                window.fields[f"metadata.rights.{n}.title"] = f"Licenze {n}"
            window.send("save")
            sent.clear()
            assert window.get(window.path).status == 200
            counted.append(len(sent))
    assert window.fields[f"metadata.rights.{3 * deposit_page.GUESSED - 1}.title"].startswith("Licenze")
    assert counted[0] == counted[1]


def unnamed(site: Site) -> int:
    """Uploads that have no name yet."""
    with site.ctx.db.read() as session:
        return session.execute(select(func.count()).select_from(uploads)).scalar_one()


def test_of_a_form_that_is_refused_no_bytes_stay(site: Site, window: Window) -> None:
    kind = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    file = ("files", "a.txt", b"hello")
    large = ("prefill", "CITATION.cff", b"x" * (deposit_sent.PREFILL_MAX + 1))
    whole = multipart(window.fields, [file])
    bodies = {
        "too large": (window.path, multipart(window.fields, [file, large]), 400),
        "broken off": (window.path, whole[:-20], 400),
        "unknown revision": (window.path, whole, 400),
        "to fill in from": (f"{window.path}/prefill", multipart(window.fields, [file, ("prefill", "CITATION.cff", CFF)]), 200),
    }  # fmt: skip
    for says, (path, body, status) in bodies.items():
        mark = {"if-match": "?"} if says == "unknown revision" else {}
        answer = site.ask("POST", path, window.reader, body, kind | mark)
        assert (says, answer.status) == (says, status), answer
        assert (says, unnamed(site)) == (says, 0)
    assert draft(window)["files"]["entries"] == {}


def test_what_is_chosen_is_looked_at_only_for_who_is_signed_in(site: Site, window: Window) -> None:
    form = {f"choose.x{n}": "theirs" for n in range(20_000)} | {f"theirs.y{n}": "1" for n in range(20_000)}
    with ends():
        answer = site.ask("POST", window.path, None, urlencode(form).encode(), {**JSON, "content-type": "application/x-www-form-urlencoded"})  # fmt: skip
        assert answer.status in (401, 403)
        fields.choose(form)
    assert form == {}


def test_very_many_words_are_counted_not_compared() -> None:
    many = [f"k{n}" for n in range(40_000)]
    before = RecordData(metadata=Metadata(subjects=[Subject(subject=word) for word in many]))
    form = {"keywords": "\n".join([*reversed(many), "k1", "new"])}
    form |= {"metadata.creators.@rows": "1", "metadata.creators.0.person_or_org.family_name": "Doe"}
    form |= {f"metadata.creators.0.affiliations.{n}.name": word for n, word in enumerate(["k1", *many])}
    with ends():
        said = fields.read(form, before).body["metadata"]
    assert [s["subject"] for s in said["subjects"]] == [*many, "k1", "new"]
    assert [a["name"] for a in said["creators"][0]["affiliations"]] == ["k1", *many[:1], *many[2:]]


def test_rows_that_are_no_item_yet_stand_behind_the_items() -> None:
    typed = {
        "metadata.rights.0.title": "One",
        "metadata.rights.1.title": "Two",
        "metadata.locations.features.0.lat": "north",
        "metadata.locations.features.1.lat": "south",
        "contact.email": "?",
    }
    values = {
        "metadata.rights.0.title": "MIT License",
        "metadata.locations.features.0.place": "Lyon",
        "metadata.locations.features.0.lat": "",
        "metadata.locations.features.1.lat": "45.75",
    }
    assert fields.placed(typed, values) == {
        "metadata.rights.1.title": "One",
        "metadata.rights.2.title": "Two",
        "metadata.locations.features.0.lat": "north",
        "metadata.locations.features.2.lat": "south",
        "contact.email": "?",
    }


def test_the_form_costs_few_statements_however_much_there_is(site: Site, owner: Reader) -> None:
    counted = []
    with overheard() as sent:
        for people, files in ((1, 1), (40, 12)):
            desk = site.desk
            names = [
                Person(name=f"Doe {n}, Jane", family_name=f"Doe {n}", given_name="Jane")
                for n in range(people)
            ]
            made = desk.create(owner.actor, RecordData(metadata=Metadata(title="Roses", creators=names)))
            for n in range(files):
                desk.put(owner.actor, made, f"{n}.txt", b"x")
            site.ask("GET", f"/uploads/{made}", owner)
            sent.clear()
            assert site.ask("GET", f"/uploads/{made}", owner).status == 200
            counted.append(len(sent))
    assert counted[0] == counted[1]
    assert counted[0] <= 8


# Forms and what drafts say: pure ---------------------------------------------------------------------------------


def through_the_form(data: RecordData) -> RecordData:
    """What is left of `data` when its form is opened and sent unchanged by a browser."""
    form = fields.fill(data)
    form = {name: text.replace("\r\n", "\n").replace("\n", "\r\n") for name, text in form.items()}
    form |= {f"{path}.@rows": "1" for path in fields.LISTS} | {"metadata_only.@shown": "1"}
    said = fields.read({n: t.replace("\r\n", "\n") for n, t in form.items()}, data)
    assert said.typed == {}
    assert said.findings == []
    return fields.finish(said, rdm.load(said.body, today=TODAY, before=data).data)


@pytest.mark.skipif(not (SHARED / "data" / "real-records.jsonl").exists(), reason="needs the real records")
def test_real_records_go_through_the_form_unchanged() -> None:
    seen = 0
    with (SHARED / "data" / "real-records.jsonl").open(encoding="utf-8") as lines:
        for line in list(lines)[:: 1 if PROVE else 4]:
            entry = json.loads(line)
            document = entry["document"]
            try:
                if entry["format"] == "zenodo-legacy":
                    data = legacy.load(document["metadata"], today=TODAY, site="x").data
                else:
                    data = rdm.load(document, today=TODAY).data
            except Exception:  # of another repository's vocabularies; test_real_documents says which
                continue
            seen += 1
            assert through_the_form(data) == data, entry["source"]
    assert seen > (400 if PROVE else 100)


words = st.text("abc Zä,;&<>\"'0", min_size=1, max_size=12).map(lambda t: " ".join(t.split())).filter(bool)
people = st.builds(
    lambda family, given, orcid, places, role: Person(
        name=f"{family}, {given}",
        family_name=family,
        given_name=given,
        identifiers=[Identifier(identifier="0000-0002-1825-0097", scheme="orcid")] if orcid else [],
        affiliations=[Affiliation(name=p) for p in dict.fromkeys(places)],
        role=role,
    ),
    words,
    words,
    st.booleans(),
    st.lists(words, max_size=2),
    st.sampled_from(["editor", "datamanager", "contactperson"]),
)
descriptions = st.builds(
    RecordData,
    metadata=st.builds(
        Metadata,
        title=words,
        resource_type=st.sampled_from([None, "dataset", "publication-article", "image", "software"]),
        creators=st.lists(people, max_size=3),
        contributors=st.lists(people, max_size=3),
        additional_titles=st.lists(
            st.builds(Title, title=words, type=st.sampled_from([None, "subtitle"])), max_size=2
        ),
        languages=st.lists(st.sampled_from(["eng", "deu", "fra"]), max_size=2),
        subjects=st.lists(
            st.one_of(
                st.builds(Subject, subject=words),
                st.builds(Subject, subject=words, id=st.just("https://id.loc.gov/x"), scheme=st.just("LCSH")),
            ),
            max_size=4,
        ),
        rights=st.lists(
            st.one_of(st.just(Right(id="mit")), st.builds(Right, title=words, description=words)), max_size=2
        ),
        dates=st.lists(st.builds(Date, date=words, type=st.sampled_from(["", "collected"])), max_size=2),
        related_identifiers=st.lists(
            st.builds(Related, identifier=words, relation=st.just("cites")), max_size=2
        ),
        references=st.lists(st.builds(Reference, reference=words), max_size=3),
        funding=st.lists(st.builds(Funding, funder=st.builds(Funder, name=words)), max_size=2),
        locations=st.lists(
            st.builds(Location, place=words, lat=st.floats(-90, 90), lon=st.floats(-180, 180)), max_size=2
        ),
    ),
    access=st.sampled_from(
        [
            Access(),
            Access(files="restricted"),
            Access(files="restricted", requests=False, conditions="<p>x</p>"),
            Access(record="restricted", files="restricted"),
            Access(files="restricted", embargo_until=date(2040, 1, 1), embargo_reason="x"),
        ]
    ),
    doi=st.sampled_from([None, "10.1234/abc"]),
    metadata_only=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(descriptions)
def test_any_description_goes_through_the_form_unchanged(data: RecordData) -> None:
    assert through_the_form(data) == data


def test_a_changed_name_drops_the_id_behind_it() -> None:
    data = RecordData(
        metadata=Metadata(
            creators=[
                Person(
                    name="Doe", family_name="Doe", affiliations=[Affiliation(name="Oxford", id="052gg0110")]
                )
            ]
        )
    )
    start = "metadata.creators.0.affiliations.0"
    form = fields.fill(data) | {"metadata.creators.@rows": "1", f"{start}.name": "Cambridge"}
    assert fields.read(form, data).body["metadata"]["creators"][0]["affiliations"] == [{"name": "Cambridge"}]
    # Chosen from a list by script: id and name together.
    form |= {f"{start}.id": "013meh722"}
    assert fields.read(form, data).body["metadata"]["creators"][0]["affiliations"] == [
        {"id": "013meh722", "name": "Cambridge"}
    ]
