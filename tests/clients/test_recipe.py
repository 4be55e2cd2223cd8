"""The FAIR Cookbook's recipe "Depositing to generic repositories", step by step as its readers type it."""

from __future__ import annotations

import hashlib
import json
import re
from html import unescape
from typing import Any

import pytest
import requests

from strongroom.access import SCOPES, WRITE
from tests.live import Server
from tests.metadata.zenodo_documents import SHARED, losses

ROSE = SHARED / "data" / "rose"
PACKAGE = "rose-aroma-naturegenetics2018-treatment-group-mean-sem-report-datapackage.json"
TABLE = "rose-aroma-naturegenetics2018-treatment-group-mean-sem-report-table-example.csv"
FILES = {name: (ROSE / name).read_bytes() for name in (PACKAGE, TABLE)}
METADATA = json.loads((ROSE / "recipe-metadata.json").read_text(encoding="utf-8"))

Json = dict[str, Any]


def up_to_publish(base: str, token: str) -> int:
    """The recipe's steps 5.5.1 to 5.5.3 but the last; the id of the deposition."""
    params = {"access_token": token}
    headers = {"Content-Type": "application/json"}
    # testing the connection
    r = requests.get(f"{base}/api/deposit/depositions", params=params)
    assert r.status_code == 200, r.text
    # creating an empty submission
    r = requests.post(f"{base}/api/deposit/depositions", params=params, json={}, headers=headers)
    assert r.status_code == 201, r.text
    deposition_id = r.json()["id"]
    assert r.json()["metadata"]["prereserve_doi"]["doi"] == f"10.5281/zenodo.{deposition_id}"
    # uploading the data package (the recipe calls the field `filename`, so the part's own name counts)
    files_url = f"{base}/api/deposit/depositions/{deposition_id}/files"
    with (ROSE / PACKAGE).open("rb") as f:
        r = requests.post(files_url, params=params, data={"filename": PACKAGE}, files={"file": f})
    assert r.status_code == 201, r.text
    assert r.json()["checksum"] == hashlib.md5(FILES[PACKAGE]).hexdigest()
    # sending its metadata
    r = requests.put(
        f"{base}/api/deposit/depositions/{deposition_id}",
        params=params,
        data=json.dumps(METADATA),
        headers=headers,
    )
    assert r.status_code == 200, r.text
    assert "warnings" not in r.json()
    assert losses(METADATA["metadata"], r.json()["metadata"]) == []
    # uploading the table
    with (ROSE / TABLE).open("rb") as f:
        r = requests.post(files_url, params=params, data={"filename": TABLE}, files={"file": f})
    assert r.status_code == 201, r.text
    assert (r.json()["filename"], r.json()["filesize"]) == (TABLE, len(FILES[TABLE]))
    return int(deposition_id)


def publish(base: str, token: str, deposition_id: int) -> requests.Response:
    return requests.post(
        f"{base}/api/deposit/depositions/{deposition_id}/actions/publish", params={"access_token": token}
    )


@pytest.fixture(scope="module")
def published(server: Server) -> Json:
    """The deposition as publish answered it; what follows is asked by others, without a token."""
    token = server.add_user("steward@example.org")
    r = publish(server.url, token, up_to_publish(server.url, token))
    assert r.status_code == 202, r.text
    answer: Json = r.json()
    # found by the very next request
    hits = requests.get(f"{server.url}/api/records", params={"q": f'doi:"{answer["doi"]}"'}).json()["hits"]
    assert [hit["id"] for hit in hits["hits"]] == [answer["id"]]
    return answer


def test_publish_says_where_it_is(server: Server, published: Json) -> None:
    number = published["id"]
    assert published["doi"] == f"10.5281/zenodo.{number}"
    assert published["conceptdoi"] == f"10.5281/zenodo.{published['conceptrecid']}"
    assert (published["state"], published["submitted"]) == ("done", True)
    assert published["links"]["record_html"] == f"{server.url}/record/{number}"
    assert sorted(f["filename"] for f in published["files"]) == sorted(FILES)


def test_files_come_back_byte_for_byte(server: Server, published: Json) -> None:
    record = requests.get(f"{server.url}/api/records/{published['id']}").json()
    assert {f["key"] for f in record["files"]} == set(FILES)
    for f in record["files"]:
        whole = FILES[f["key"]]
        assert f["checksum"] == f"md5:{hashlib.md5(whole).hexdigest()}"
        assert f["size"] == len(whole)
        assert requests.get(f["links"]["self"]).content == whole
        assert requests.get(f"{server.url}/records/{published['id']}/files/{f['key']}").content == whole
    for f in published["files"]:
        assert requests.get(f["links"]["download"]).content == FILES[f["filename"]]


def test_the_record_says_what_the_payload_said(server: Server, published: Json) -> None:
    record = requests.get(f"{server.url}/api/records/{published['id']}").json()
    said, shown = METADATA["metadata"], record["metadata"]
    assert losses({k: v for k, v in said.items() if k != "upload_type"}, shown) == []
    # and word for word, where the comparer allows other spellings
    assert shown["title"] == record["title"] == said["title"]
    assert shown["description"] == said["description"]
    assert shown["resource_type"] == {"title": "Dataset", "type": "dataset"}
    assert shown["license"] == {"id": "cc-by-4.0"}
    assert [(c["name"], c["affiliation"], c["orcid"]) for c in shown["creators"]] == [
        (c["name"], c["affiliation"], c["orcid"]) for c in said["creators"]
    ]
    assert (shown["keywords"], shown["language"]) == (said["keywords"], "eng")
    assert (shown["publication_date"], shown["references"]) == (said["publication_date"], said["references"])
    assert [(r["relation"], r["identifier"], r["scheme"]) for r in shown["related_identifiers"]] == [
        (r["relation"], r["identifier"], "doi") for r in said["related_identifiers"]
    ]
    (grant,) = shown["grants"]
    assert (grant["code"], grant["acronym"], grant["program"]) == ("654241", "PhenoMenAl", "H2020")
    assert (grant["funder"]["doi"], grant["funder"]["name"]) == (
        "10.13039/501100000780",
        "European Commission",
    )
    assert grant["funder"]["acronym"] == "EC"


def test_the_doi_leads_to_the_page_with_the_files(server: Server, published: Json) -> None:
    for doi in (published["doi"], published["conceptdoi"]):
        r = requests.get(f"{server.url}/doi/{doi}")
        assert (r.status_code, r.url) == (200, f"{server.url}/records/{published['id']}")
    page = requests.get(f"{server.url}/records/{published['id']}")
    assert page.status_code == 200
    text = unescape(page.text)
    said = METADATA["metadata"]
    wanted = [said["title"], published["doi"], *FILES, *said["keywords"]]
    wanted += [c["orcid"] for c in said["creators"]]
    wanted += [r["identifier"] for r in said["related_identifiers"]]
    wanted += ["654241", "PhenoMenAl", "European Commission"]
    assert [w for w in wanted if w not in text] == []
    # what the page links to are the files
    for name, whole in FILES.items():
        assert hashlib.md5(whole).hexdigest() in text
        link = re.search(rf'href="([^"]*/files/{re.escape(name)}[^"]*)"', page.text)
        assert link is not None
        url = unescape(link[1])
        assert requests.get(url if url.startswith("http") else server.url + url).content == whole


def test_json_ld_describes_it(server: Server, published: Json) -> None:
    url = f"{server.url}/api/records/{published['id']}"
    answer = requests.get(url, headers={"Accept": "application/ld+json"})
    assert answer.headers["content-type"].startswith("application/ld+json")
    data = answer.json()
    said = METADATA["metadata"]
    assert data["@type"] == "Dataset"
    assert published["doi"] in data["@id"]
    assert data["name"] == said["title"]
    assert data["datePublished"] == said["publication_date"]
    assert [c["name"] for c in data["creator"]] == [c["name"] for c in said["creators"]]
    assert [c["@id"] for c in data["creator"]] == [
        f"https://orcid.org/{c['orcid']}" for c in said["creators"]
    ]
    for part in data["distribution"]:
        name = part["name"]
        assert requests.get(part["contentUrl"]).content == FILES[name]
    assert len(data["distribution"]) == 2
    # the same stands in the page, for those who do not negotiate
    page = requests.get(f"{server.url}/records/{published['id']}").text
    embedded = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert embedded is not None
    assert json.loads(embedded[1])["@id"] == data["@id"]


@pytest.mark.parametrize(
    "query",
    [
        "rose scent metabolite",
        '"Rose Genome article"',
        'keywords:"STATO ontology"',
        "creators.orcid:0000-0001-9853-5668",
        "title:frictionless AND creators.name:Sansone",
        "description:(CHEBI AND NCBITaxId)",
        "related.identifier:10.5281/zenodo.2557893",
    ],
)
def test_it_is_found(server: Server, published: Json, query: str) -> None:
    r = requests.get(f"{server.url}/api/records", params={"q": query})
    assert r.status_code == 200, r.text
    assert [hit["id"] for hit in r.json()["hits"]["hits"]] == [published["id"]]


def test_a_token_to_write_may_do_all_but_publish(server: Server) -> None:
    everything = server.add_user("student@example.org")
    only_write = server.token_for("student@example.org", WRITE)
    assert set(SCOPES) > {WRITE}
    deposition_id = up_to_publish(server.url, only_write)
    r = publish(server.url, only_write, deposition_id)
    assert r.status_code == 403
    assert r.json()["status"] == 403
    assert "deposit:actions" in r.json()["message"]
    # nothing of it is out, and who may publish it still can
    assert requests.get(f"{server.url}/api/records/{deposition_id}").status_code == 404
    found = requests.get(f"{server.url}/api/records", params={"q": f"recid:{deposition_id}"}).json()
    assert found["hits"]["total"] == 0
    assert publish(server.url, everything, deposition_id).status_code == 202
