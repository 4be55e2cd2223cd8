"""The browser of the tests: Debian's Chromium, how a page is looked at, and what its console says.

axe-core comes from npm into `tests/.cache` (`make node`).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request

from tests.conftest import PROVE

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
AXE = Path(__file__).parent.parent / ".cache" / "node_modules" / "axe-core" / "axe.min.js"
# Chromium must not call home: the machine's network is closed, and it would try for seconds.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = (390, 1440)
# For pages that the showcase looks at wide as well: once here in `make test`.
ONE_WIDTH = WIDTHS if PROVE else WIDTHS[:1]

needs_browser = pytest.mark.skipif(
    not Path(CHROMIUM).exists() or not AXE.exists(), reason="needs Chromium and axe-core (make system node)"
)

_AUDIT = """async (only) => {
  const options = {resultTypes: ["violations"]};
  if (only) options.runOnly = {type: "rule", values: only};
  const found = await axe.run(document, options);
  return JSON.stringify(found.violations.map((v) => [v.id, v.nodes.map((n) => n.target.join(" ") + " " + n.failureSummary)]));
}"""


def complaints(page: Page) -> list[str]:
    """Collects what the console says while `page` is used.

    A request that the next navigation cut short (Chromium fetches the icon late, on its own time) is no complaint.
    """
    said: list[str] = []

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":
            said.append(f"{request.url} failed: {request.failure}")

    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: said.append(str(e)))
    page.on("requestfailed", failed)
    return said


def plain_view(width: int) -> dict[str, Any]:
    """How to open a context for `flaws`: no transitions, whose colours would be read half way.

    axe is injected by the test, which our policy forbids to pages; the policy has tests of its own.
    """
    return {
        "viewport": {"width": width, "height": 900},
        "color_scheme": "light",
        "reduced_motion": "reduce",
        "bypass_csp": True,
    }


def flaws(page: Page, name: str = "") -> list[Any]:
    """What is wrong with the page as it stands: too wide, or a violation that axe finds, in light and in dark.

    Dark differs in nothing but its colours, so there only their contrast is looked at.
    """
    found: list[Any] = []
    page.evaluate("document.fonts.ready")
    over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if over > 0:
        found.append((name, f"{over} px too wide"))
    page.add_script_tag(path=str(AXE))
    found += [(name, v) for v in json.loads(page.evaluate(_AUDIT, None))]
    page.emulate_media(color_scheme="dark")
    found += [(name, "dark", v) for v in json.loads(page.evaluate(_AUDIT, ["color-contrast"]))]
    page.emulate_media(color_scheme="light")
    return found
