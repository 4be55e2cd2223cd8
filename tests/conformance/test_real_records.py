"""Real metadata of Zenodo's depositors, deposited over the API: published and given back, or refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.wire import Json, Wire
from tests.conftest import PROVE
from tests.live import Server
from tests.metadata.test_real_documents import REFUSED
from tests.metadata.zenodo_documents import dot_zenodo, losses, real

# All of them in `make prove`; what is refused anywhere always, of the rest every eighth.
EVERY = 1 if PROVE else 8

# Saved, but not published. What is missing or wrong, by document.
INCOMPLETE: dict[str, set[str]] = {}


def documents() -> list[Any]:
    found = [(name, is_record, said) for name, is_record, said in real()]
    found += [(name, False, said) for name, said in dot_zenodo()]
    return [
        pytest.param(name, is_record, said, id=name)
        for n, (name, is_record, said) in enumerate(found)
        if n % EVERY == 0 or name in REFUSED or name in INCOMPLETE
    ]


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    # Zenodo's own DOIs are those of another repository here, sandbox.zenodo.org's have our prefix.
    server = Server(
        tmp_path_factory.mktemp("real") / "data",
        {"STRONGROOM_DOI_PREFIX": "10.5072", "STRONGROOM_DOI_NAME": "strongroom"},
    )
    server.start()
    yield Wire(server, server.add_user("owner@example.org"))
    server.kill()


def reasons(body: Json) -> dict[str, str]:
    """Field and first message of everything that a refusal names."""
    assert body["status"] == 400
    assert body["message"]
    for item in body["errors"]:
        assert item["field"]
        assert item["messages"]
        assert all(item["messages"])
        assert item["message"] == " ".join(item["messages"])
    return {item["field"]: item["messages"][0] for item in body["errors"]}


@pytest.mark.parametrize(("name", "is_record", "said"), documents())
def test_published_or_refused(wire: Wire, name: str, is_record: bool, said: Json) -> None:
    answer = wire.call("POST", "/api/deposit/depositions", {"metadata": said})
    if name in REFUSED:
        field, message = REFUSED[name]
        assert answer.status == 400
        ((refused, because),) = reasons(answer.json()).items()
        assert (refused, because[: len(message)]) == (field, message)
        return
    assert answer.status == 201, answer.body
    made = answer.json()
    shown = made["metadata"]
    wire.put_file(made, "a.txt", name.encode())
    answer = wire.call("POST", f"/api/deposit/depositions/{made['id']}/actions/publish")
    if answer.status == 400 and set(reasons(answer.json())) == {"metadata.doi"}:
        # The DOI is ours to give, or names another record already: the depositor leaves it out.
        because = reasons(answer.json())["metadata.doi"]
        ours = said["doi"].startswith("10.5072/")
        assert ("own prefix" in because) == ours
        assert ("already names another record" in because) == (not ours)
        said = {k: v for k, v in said.items() if k != "doi"}
        shown = wire.call(
            "PUT", f"/api/deposit/depositions/{made['id']}", {"metadata": said}, expect=200
        ).json()["metadata"]
        answer = wire.call("POST", f"/api/deposit/depositions/{made['id']}/actions/publish")
    if name in INCOMPLETE:
        assert answer.status == 400
        assert reasons(answer.json()).keys() == INCOMPLETE[name]
        assert is_record or losses(said, shown) == []
        return
    assert answer.status == 202, answer.body
    deposition = wire.call("GET", f"/api/deposit/depositions/{made['id']}", expect=200).json()
    record = wire.call("GET", f"/api/records/{made['id']}", expect=200).json()
    assert losses(said, record["metadata"] if is_record else deposition["metadata"]) == []
    # publishing adds the DOI and nothing else
    assert losses(shown, deposition["metadata"]) == []
    assert record["doi"] == deposition["doi"] == deposition["metadata"]["doi"]
    if not said.get("doi"):
        assert record["doi"] == f"10.5072/strongroom.{made['id']}"
    assert record["title"] == deposition["title"]
    # the page of it can be shown
    assert wire.call("GET", f"/records/{made['id']}", expect=200).media_type == "text/html"
