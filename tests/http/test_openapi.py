"""The document of the API says what there is, and its page shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from strongroom.api.openapi import document, examples
from strongroom.app import API
from strongroom.cli.vocabulary import SAMPLES
from strongroom.settings import Settings
from strongroom.vocabularies import loading
from strongroom.web.render import static_file
from tests.app import Site
from tests.vocabularies.conftest import SAMPLES as FOLDER


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    running = Site(settings).start()
    yield running
    running.stop()


def test_every_route_is_described(settings: Settings) -> None:
    said = document(API, settings)
    found = {(verb.upper(), path) for path, verbs in said["paths"].items() for verb in verbs}
    assert found == {(verb, re.sub(r"\{(\w+):\w+\}", r"{\1}", path)) for verb, path, _ in API}
    ids = [op["operationId"] for verbs in said["paths"].values() for op in verbs.values()]
    assert len(ids) == len(set(ids))
    for verbs in said["paths"].values():
        for verb, operation in verbs.items():
            assert len(operation["summary"]) > 5, operation
            assert not (verb == "get" and "requestBody" in operation)
            assert any(status[0] in "23" for status in operation["responses"]), operation
    assert (
        len({o["operationId"] for v in said["paths"].values() for o in v.values() if "deprecated" in o}) >= 6
    )


def test_a_route_without_a_word_about_it_is_refused(settings: Settings) -> None:
    def silent(request: Any) -> None: ...

    with pytest.raises(ValueError, match="GET /api/silence has no docstring"):
        document([("GET", "/api/silence", silent)], settings)


def test_what_it_refers_to_is_there(settings: Settings) -> None:
    said = document(API, settings)

    def refs(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for inner in value.values():
                yield from refs(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from refs(inner)

    named = set(refs(said))
    assert named
    for ref in named:
        found = said
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]


def test_its_examples_are_of_the_shapes_they_stand_beside(settings: Settings) -> None:
    said = document(API, settings)
    checked = 0
    for path, verbs in said["paths"].items():
        for verb, operation in verbs.items():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                media = part.get("content", {}).get("application/json", {})
                if "example" in media:
                    whole = {**media["schema"], "components": said["components"]}
                    Draft202012Validator(whole).validate(media["example"])
                    checked += 1
                assert verb != "get" or "requestBody" not in operation, path
    assert checked == sum(len(parts) for parts in examples().values())


def test_examples_name_nobodys_host_and_are_few(site: Site) -> None:
    text = site.ask("GET", "/api/openapi.json").body.decode()
    assert "{base}" not in text
    assert "http://testserver/api/records/" in text
    assert "repository.example" not in text
    assert sum(len(str(parts)) for parts in examples().values()) < 150_000


def test_every_operation_has_a_shape_for_its_answer(settings: Settings) -> None:
    """`Object` says nothing: only metadata of OAuth and the document itself, whose shapes are others' standards."""
    vague = {
        (verb.upper(), path)
        for path, verbs in document(API, settings)["paths"].items()
        for verb, operation in verbs.items()
        for status, answer in operation["responses"].items()
        if status[0] == "2"
        and answer.get("content", {}).get("application/json", {}).get("schema")
        == {"$ref": "#/components/schemas/Object"}
    }
    assert vague == {
        ("GET", "/api/openapi.json"),
        ("GET", "/.well-known/oauth-authorization-server"),
        ("POST", "/oauth/revoke"),
    }


def test_terms_of_vocabularies_are_of_their_shapes(site: Site) -> None:
    """Every term of the samples, in both forms: all that it says is in the document."""
    for source, name in SAMPLES:
        loading.load(site.ctx.db, source, FOLDER / name)
    said = site.ask("GET", "/api/openapi.json").json()
    owner = site.reader("owner")

    def unknown(schema: Any, value: Any, at: str) -> Iterator[str]:
        """Names in the value that the schema does not have."""
        if "$ref" in schema:
            schema = said["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if isinstance(value, list):
            for item in value:
                yield from unknown(schema.get("items", {}), item, f"{at}[]")
        elif isinstance(value, dict) and "properties" in schema:
            for name, inner in value.items():
                if name in schema["properties"]:
                    yield from unknown(schema["properties"][name], inner, f"{at}.{name}")
                else:
                    yield f"{at}.{name}"

    for path in ("licenses", "languages", "affiliations", "funders", "awards", "subjects", "names",
                 "vocabularies/resourcetypes", "vocabularies/relationtypes"):  # fmt: skip
        described = "vocabularies/{type}" if "/" in path else path
        for media in ("application/json", "application/vnd.inveniordm.v1+json"):
            content = said["paths"][f"/api/{described}"]["get"]["responses"]["200"]["content"]
            schema = {**content[media]["schema"], "components": said["components"]}
            answer = site.ask("GET", f"/api/{path}?size=400", owner, headers={"accept": media})
            body = answer.json()
            assert (answer.status, answer.headers["content-type"]) == (200, media)
            assert len(body["hits"]["hits"]) > 10, path
            Draft202012Validator(schema).validate(body)
            assert set(unknown(schema, body, path)) == set()


def test_headers_are_described_where_they_count(settings: Settings) -> None:
    said = document(API, settings)["paths"]

    def headers(path: str, verb: str) -> set[str]:
        return {p["name"] for p in said[path][verb].get("parameters", []) if p["in"] == "header"}

    assert headers("/api/records/{id}/draft", "put") == {"If-Match"}
    assert headers("/api/records/{id}/draft", "delete") == {"If-Match"}
    assert headers("/api/records/{id}/draft", "get") == set()
    assert headers("/api/deposit/depositions/{id}", "put") == {"If-Match"}
    assert headers("/api/records/{id}", "get") == {"If-None-Match"}
    content = "/api/records/{id}/files/{key}/content"
    assert headers(content, "get") == {"If-None-Match", "Range", "If-Range"}
    assert "412" in said[content]["get"]["responses"]
    sums = {"Content-MD5", "Digest", "Repr-Digest", "Content-Digest"}
    assert headers("/api/files/{bucket}/{key}", "put") == sums
    assert headers("/api/records/{id}/draft/files/{key}/content/{part}", "put") == sums


def test_a_revision_is_a_number_of_few_digits(site: Site) -> None:
    owner = site.reader("owner")
    draft = site.desk.create(owner.actor)
    for path in (f"/api/records/{draft}/draft", f"/api/deposit/depositions/{draft}"):
        body = {"metadata": {"title": "Any"}}
        answer = site.ask("PUT", path, owner, body, {"if-match": "9" * 5000})
        assert (answer.status, answer.text.count("if_match")) == (400, 1)


def test_what_is_deprecated_says_so(site: Site) -> None:
    owner = site.reader("owner")
    desk = site.desk
    draft, record = desk.create(owner.actor), desk.deposit(owner.actor, "a.txt")
    link = '</api/docs#deprecated>; rel="deprecation"; type="text/html"'
    files = site.ask("GET", f"/api/deposit/depositions/{draft}/files", owner)
    assert (files.status, files.headers["deprecation"]) == (200, "@1795305600")  # 22 November 2026, 0:00 UTC
    assert files.headers["link"] == link
    refused = site.ask("GET", f"/api/deposit/depositions/{draft}/files")  # errors of the address say it too
    assert (refused.status >= 400, refused.headers["deprecation"]) == (True, "@1795305600")
    moved = site.ask("GET", f"/record/{record}")
    assert (moved.status, moved.headers["deprecation"], moved.headers["link"]) == (301, "@1697155200", link)
    content = site.ask("GET", f"/record/{record}/files/a.txt")
    assert (content.status, content.body) == (200, b"a.txt")
    assert content.headers["link"].endswith(link)
    assert 'rel="collection"' in content.headers["link"]
    for path in (f"/api/deposit/depositions/{draft}", f"/records/{record}", f"/api/records/{record}"):
        assert "deprecation" not in site.ask("GET", path, owner).headers
    page = site.ask("GET", "/api/docs").text
    assert 'id="deprecated"' in page
    assert "<code>/record/{id}</code>" in page
    said = site.ask("GET", "/api/openapi.json").json()["paths"]
    old = {path for path, verbs in said.items() for o in verbs.values() if o.get("deprecated")}
    assert old == {
        "/api/deposit/depositions/{id}/files",
        "/api/deposit/depositions/{id}/files/{file_id}",
    }


def test_it_is_served_with_its_page(site: Site) -> None:
    answer = site.ask("GET", "/api/openapi.json")
    assert (answer.status, answer.json()["openapi"]) == (200, "3.1.0")
    assert answer.json()["servers"] == [{"url": "http://testserver"}]
    assert answer.headers["access-control-allow-origin"] == "*"
    page = site.ask("GET", "/api/docs")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    (script,) = re.findall(r'src="/static/(\w+)/(api-docs\.js)"', page.text)
    assert static_file(*script) is not None
    assert "innerHTML" not in (static_file(*script) or page).body.decode()
