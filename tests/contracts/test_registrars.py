"""What every registrar does, and what only the one that speaks to DataCite does."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strongroom.errors import Invalid, Unavailable
from strongroom.registrars import DataCite, Local, Registrar, Rejected, Unreachable, open_registrar
from strongroom.settings import Settings
from tests.datacite_server import DataCiteServer

DOI = "10.14454/Strongroom.2"
URL = "https://repository.example/records/2"
PAYLOAD: dict[str, Any] = {
    "creators": [{"name": "Rose, Anna", "nameType": "Personal"}],
    "titles": [{"title": "Scents of roses"}],
    "publisher": "Strongroom",
    "publicationYear": 2026,
    "types": {"resourceTypeGeneral": "Dataset"},
    "schemaVersion": "http://datacite.org/schema/kernel-4",
}
GOLDEN = Path(__file__).resolve().parents[3] / "shared/golden/export"


@pytest.fixture
def server() -> Iterator[DataCiteServer]:
    with DataCiteServer() as server:
        yield server


@pytest.fixture
def datacite(server: DataCiteServer) -> Iterator[DataCite]:
    registrar = DataCite(server.url, server.username, server.password, timeout=5)
    yield registrar
    registrar.close()


@pytest.fixture(params=["local", "datacite"])
def registrar(request: pytest.FixtureRequest) -> Registrar:
    return Local() if request.param == "local" else request.getfixturevalue("datacite")


def after(registrar: Registrar, state: str) -> str | None:
    return state if registrar.registers else None


def test_register_makes_findable_and_may_be_repeated(registrar: Registrar) -> None:
    assert registrar.state(DOI) is None
    for _ in range(2):
        registrar.register(DOI, URL, PAYLOAD)
        assert registrar.state(DOI) == after(registrar, "findable")


def test_hide_and_show_again(registrar: Registrar) -> None:
    registrar.register(DOI, URL, PAYLOAD)
    for _ in range(2):
        registrar.hide(DOI)
        assert registrar.state(DOI) == after(registrar, "registered")
    registrar.register(DOI, URL, PAYLOAD)
    assert registrar.state(DOI) == after(registrar, "findable")


def test_hiding_what_was_never_registered_makes_nothing(registrar: Registrar) -> None:
    registrar.hide(DOI)
    assert registrar.state(DOI) is None


def test_close_twice(registrar: Registrar) -> None:
    registrar.state(DOI)
    registrar.close()
    registrar.close()


def test_local_says_once_that_nothing_is_registered(caplog: pytest.LogCaptureFixture) -> None:
    registrar = Local()
    with caplog.at_level(logging.WARNING):
        registrar.register(DOI, URL, PAYLOAD)
        registrar.register(DOI, URL, PAYLOAD)
    assert [record.getMessage().count("DOIs are not registered") for record in caplog.records] == [1]


def test_what_the_agency_holds(server: DataCiteServer, datacite: DataCite) -> None:
    datacite.register(DOI, URL, PAYLOAD)
    held = server.dois[DOI.lower()]
    assert {name: held[name] for name in PAYLOAD} == PAYLOAD
    assert held["url"] == URL
    datacite.register(DOI, URL + "/new", PAYLOAD | {"titles": [{"title": "Other"}]})
    held = server.dois[DOI.lower()]
    assert (held["url"], held["titles"], held["creators"]) == (
        URL + "/new",
        [{"title": "Other"}],
        PAYLOAD["creators"],
    )


def test_one_put_a_registration(server: DataCiteServer, datacite: DataCite) -> None:
    datacite.register(DOI, URL, PAYLOAD)
    assert server.requests == [("PUT", f"/dois/{DOI}")]


@pytest.mark.skipif(not GOLDEN.exists(), reason="the recorded answers of DataCite are not at hand")
def test_recorded_attributes_of_datacite_register(server: DataCiteServer, datacite: DataCite) -> None:
    """What DataCite itself shows of Zenodo's records is accepted back."""
    seen = 0
    for path in sorted(GOLDEN.glob("get_datacite-api-doi_200_?.json")):
        document = json.loads(path.read_text())
        attributes = document["data"]["attributes"]
        server.prefix = attributes["prefix"]
        datacite.register(attributes["doi"], attributes["url"], attributes)
        assert datacite.state(attributes["doi"]) == "findable"
        seen += 1
    assert seen


def test_rejected_with_all_the_agencys_messages(server: DataCiteServer, datacite: DataCite) -> None:
    bad = PAYLOAD | {"creators": [], "titles": "Scents"}
    with pytest.raises(Rejected) as caught:
        datacite.register(DOI, URL, bad)
    assert len(caught.value.messages) == 2
    assert "creators: DOI 10.14454/strongroom.2: Missing child element(s)" in caught.value.message
    assert "titles: Title 'Scents' should be an object" in caught.value.message
    assert server.dois == {}


def test_wrong_password_and_foreign_prefix_name_the_settings(
    server: DataCiteServer, datacite: DataCite
) -> None:
    with pytest.raises(Rejected, match=r"not authorized to access this resource.*STRONGROOM_DOI_PREFIX"):
        datacite.register("10.5072/strongroom.2", URL, PAYLOAD)
    server.password = "another"
    with pytest.raises(Rejected, match=r"Bad credentials.*STRONGROOM_DATACITE_USERNAME"):
        datacite.register(DOI, URL, PAYLOAD)


def test_publish_that_leaves_a_draft_is_rejected(server: DataCiteServer, datacite: DataCite) -> None:
    """The API ignores events that do not fit the state, with status 200."""
    server.dois[DOI.lower()] = {
        "doi": DOI.lower(),
        "state": "flagged",
        "url": URL,
        "registered": None,
    } | PAYLOAD
    with pytest.raises(Rejected, match="'flagged'"):
        datacite.register(DOI, URL, PAYLOAD)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_trouble_is_unavailable_and_passes(server: DataCiteServer, datacite: DataCite, status: int) -> None:
    server.fail(status, times=2)
    for _ in range(2):
        with pytest.raises(Unavailable, match=str(status)):
            datacite.register(DOI, URL, PAYLOAD)
    datacite.register(DOI, URL, PAYLOAD)
    assert datacite.state(DOI) == "findable"


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("Fri, 31 Dec 2999 23:59:59 GMT", 3600, 3600),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0, 0),
        ("soon", None, None),
    ],
)
def test_retry_after(
    server: DataCiteServer, datacite: DataCite, header: str, least: float | None, most: float | None
) -> None:
    server.fail(429, retry_after=header)
    with pytest.raises(Unreachable) as caught:
        datacite.state(DOI)
    if least is None or most is None:
        assert caught.value.retry_after is None
    else:
        assert caught.value.retry_after is not None
        assert least <= caught.value.retry_after <= most


def test_no_answer_and_nobody_there_are_unavailable(server: DataCiteServer) -> None:
    hasty = DataCite(server.url, server.username, server.password, timeout=0.2)
    server.hang()
    with pytest.raises(Unavailable, match="ReadTimeout"):
        hasty.register(DOI, URL, PAYLOAD)
    server.resume()
    hasty.close()
    with socket.socket() as probe:  # bound but not listening: refused, and nobody else can take the port
        probe.bind(("127.0.0.1", 0))
        nobody = DataCite(f"http://127.0.0.1:{probe.getsockname()[1]}", "a", "b", timeout=5)
        with pytest.raises(Unavailable, match="ConnectError"):
            nobody.register(DOI, URL, PAYLOAD)
        nobody.close()


def test_open_registrar(settings: Settings, server: DataCiteServer) -> None:
    assert open_registrar(settings).name == "local"
    bare = settings.model_copy(update={"registrar": "datacite", "datacite_username": "TEST.REPO"})
    with pytest.raises(Invalid) as caught:
        open_registrar(bare)
    assert "STRONGROOM_DATACITE_PASSWORD" in caught.value.findings[0].messages[0]
    whole = bare.model_copy(update={"datacite_password": "pass", "datacite_url": server.url})
    registrar = open_registrar(whole)
    registrar.register(DOI, URL, PAYLOAD)
    assert server.dois[DOI.lower()]["state"] == "findable"
    registrar.close()
