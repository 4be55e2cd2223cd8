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

# Saved, but not published as they are. What is missing or wrong, by document.
NO_TYPE = {"metadata.upload_type"}  # GitHub's integration knows it: software
NO_TITLE = {"metadata.title"}  # as above: the repository's name
# What Zenodo answers of a single day: a date without a day.
NO_DAY = {"metadata.dates.0"}
INCOMPLETE: dict[str, set[str]] = {
    **dict.fromkeys([f"line-{n}" for n in (251, 317, 335, 390, 393, 503, 511, 525)], NO_DAY),
    "line-342": {"metadata.upload_type", "metadata.creators", "metadata.title"},
    "line-358": {"metadata.creators"},
    "line-372": {"metadata.creators.0.name", "metadata.creators.0.orcid"},  # 0000-0001-2345-6789
    "line-472": {"metadata.creators"},
    "07-tracker-seaice.json": NO_TITLE,
    "08-knime-molviewer.json": {"metadata.upload_type", "metadata.creators"},
    "09-kripodb.json": {"metadata.upload_type", "metadata.creators"},
    "15-wmpy-power.json": NO_TYPE,
    "17-ringbuffer.json": NO_TYPE,
    "21-academic-observatory-workflows.json": NO_TYPE,
    "23-cff-converter-python.json": NO_TYPE,
    "24-cff-converter-python-test-1-0-3-01.json": NO_TYPE,
    "25-cff-converter-python-test-1-0-3-02.json": NO_TYPE,
    "26-cff-converter-python-test-1-0-3-03.json": NO_TYPE,
    "27-cff-converter-python-test-1-1-0-01.json": NO_TYPE,
    "28-cff-converter-python-test-1-1-0-02.json": NO_TYPE,
    "29-cff-converter-python-test-1-1-0-03.json": NO_TYPE,
    "33-citation-file-format.json": NO_TYPE,
    "34-datalad.json": NO_TITLE,
    "35-datalad-osf.json": NO_TITLE,
    "36-zenodo-upload.json": {"metadata.upload_type", "metadata.creators"},
    "38-nipype.json": NO_TITLE,
    "39-research-software-directory.json": NO_TYPE,
}


def mended(said: Json, refused: set[str]) -> Json:
    """What a depositor makes of it who reads the refusal."""
    said = {**said}
    if "metadata.upload_type" in refused:
        said["upload_type"] = "software"
    if "metadata.title" in refused:
        said["title"] = "A name of a repository"
    if any(field.startswith("metadata.creators") for field in refused):
        said["creators"] = [{"name": "Doe, Jane"}]
    if "metadata.dates.0" in refused:
        said["dates"] = said["dates"][1:]
    return said


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
    assert "unexpected error" not in server.log()


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
    url = f"/api/deposit/depositions/{made['id']}"
    answer = wire.call("POST", f"{url}/actions/publish")
    if name in INCOMPLETE:
        assert reasons(answer.json()).keys() - {"metadata.doi"} == INCOMPLETE[name]
        said = mended(said, INCOMPLETE[name])
        shown = wire.call("PUT", url, {"metadata": said}, expect=200).json()["metadata"]
        answer = wire.call("POST", f"{url}/actions/publish")
    if answer.status == 400 and set(reasons(answer.json())) == {"metadata.doi"}:
        # The DOI is ours to give, or names another record already: the depositor leaves it out.
        because = reasons(answer.json())["metadata.doi"]
        ours = said["doi"].startswith("10.5072/")
        assert ("own prefix" in because) == ours
        assert ("already names another record" in because) == (not ours)
        said = {k: v for k, v in said.items() if k != "doi"}
        shown = wire.call("PUT", url, {"metadata": said}, expect=200).json()["metadata"]
        answer = wire.call("POST", f"{url}/actions/publish")
    assert answer.status == 202, answer.body
    deposition = wire.call("GET", url, expect=200).json()
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
