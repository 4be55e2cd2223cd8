"""Rate limits: who shares what, the headers, and that a made-up token is no way around them."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.live import Server


@pytest.fixture
def server(tmp_path: Path):  # type: ignore[no-untyped-def]
    running = Server(tmp_path / "data", env={"STRONGROOM_RATE_LIMITS": "on"})
    running.data_dir.mkdir()
    running.start()
    yield running
    running.kill()


def test_guests_tokens_and_made_up_tokens(server: Server) -> None:
    token = server.add_user("a@example.org")
    url = f"{server.url}/api/deposit/depositions"
    first = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert first.status_code == 200
    again = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert again.headers["X-RateLimit-Limit"] == "6000"
    assert int(again.headers["X-RateLimit-Reset"]) > 1_700_000_000
    assert int(again.headers["Retry-After"]) <= 60
    left = []
    for n in range(3):
        guest = requests.get(url, params={"access_token": f"made-up-{n}"}, timeout=30)
        assert guest.status_code == 401
        assert guest.headers["X-RateLimit-Limit"] == "600"
        left.append(int(guest.headers["X-RateLimit-Remaining"]))
    assert left == [left[0], left[0] - 1, left[0] - 2]


def test_a_guest_who_searches_too_much_is_told_when_to_come_back(server: Server) -> None:
    answers = [requests.get(f"{server.url}/api/records?size=1", timeout=30) for _ in range(62)]
    refused = answers[-1]
    assert refused.status_code == 429
    assert refused.json()["message"] == "60 per 1 minute"
    assert 0 < int(refused.headers["Retry-After"]) <= 61
    assert sum(a.status_code == 200 for a in answers) in (60, 61)  # a new minute may have begun
