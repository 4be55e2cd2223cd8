"""`make run`: what the script says before the server begins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "run.sh"


@pytest.mark.parametrize(
    ("host", "config", "warned"),
    [
        ("", "", True),
        ("mail.example.org", "", False),
        ("", 'smtp_host = "mail.example.org"', False),
        ("", 'smtp_host = ""', True),
    ],
)
def test_it_says_where_mails_are_when_none_are_sent(
    tmp_path: Path, host: str, config: str, warned: bool
) -> None:
    commands, data = tmp_path / ".venv" / "bin", tmp_path / "data"
    commands.mkdir(parents=True)
    data.mkdir()
    # The script's own words are looked at: the server behind them has its tests.
    (commands / "strongroom").symlink_to("/bin/true")
    (data / "demo").write_text("password=p\ntoken=t\n")
    (tmp_path / "config.toml").write_text(f"{config}\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
    env |= {"STRONGROOM_DATA_DIR": str(data), "STRONGROOM_CONFIG": str(tmp_path / "config.toml")}
    env |= {"STRONGROOM_SMTP_HOST": host} if host else {}
    ran = subprocess.run(
        ["bash", SCRIPT, "127.0.0.1", "8000"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (f"{data}/mail" in ran.stdout) == warned
    assert "demo@example.org" in ran.stdout
