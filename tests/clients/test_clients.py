"""Unmodified clients of other people, run end to end against `strongroom serve` (../shared/clients)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import Server

HERE = Path(__file__).resolve()
FLOWS = HERE.parents[2].parent / "shared" / "clients"
# Their environments are kept between runs; the first one installs them.
WORK = HERE.parents[1] / ".cache" / "clients"

COULD_NOT_INSTALL = 77
# As it was before the tests' own fixture took proxies away: pip may need them. The flows drop them again.
OUTSIDE = {**os.environ, "PIP_NO_COMPILE": "1"}  # each runs once: compiling all they bring is for nothing


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return server.add_user("clients@example.org")


@pytest.mark.parametrize(
    "client",
    ["requests_quickstart", "pooch", "zenodo_client", "zenodo_get", "caltechdata_api", "repo2docker"],
)
def test_client(server: Server, token: str, client: str) -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(FLOWS / f"{client}.py")],
        env={
            **{k: v for k, v in OUTSIDE.items() if not k.startswith("STRONGROOM_")},
            "BASE_URL": server.url,
            "TOKEN": token,
            "WORK": str(WORK),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = f"{done.stdout}\n{done.stderr}"
    if done.returncode == COULD_NOT_INSTALL:
        pytest.fail(
            f"{client} could not be installed, so nothing is proven about it: the flow needs a Python package "
            f"index (see {WORK / 'clients' / client / 'install.log'}).\n{said}"
        )
    assert done.returncode == 0, said
    assert done.stdout.strip().splitlines()[-1].startswith(f"ok {client}"), said
