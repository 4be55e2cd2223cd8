"""The main pages as pictures, at three widths, light and dark, into docs/screens/: to be looked at.

python scripts/make_screenshots.py [NAME…]       (all pages of tests/browser/showcase.py that are listed below)
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from strongroom.settings import Settings
from tests.browser.application import serve
from tests.browser.chromium import CHROMIUM, FLAGS
from tests.browser.showcase import furnish

ELSEWHERE = os.environ.get("SCREENS")
FOLDER = Path(ELSEWHERE or Path(__file__).parents[1] / "docs/screens")
MAIN = (
    "front", "search", "record", "preview-table", "preview-pdf", "tombstone", "login", "form", "uploads", "admin",
)  # fmt: skip
LOOKS = ((390, "light"), (834, "light"), (1440, "light"), (390, "dark"), (834, "dark"), (1440, "dark"))


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        settings = Settings(
            data_dir=Path(folder), rate_limits="off", disk_reserve_bytes=0, secret_key="only for pictures"
        )
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with serve(settings) as site:
            case = furnish(site)
            for width, scheme in LOOKS:
                for name in names or [n for n in MAIN if n in case.pages]:
                    path, who = case.pages[name]
                    context = browser.new_context(
                        viewport={"width": width, "height": 900},
                        color_scheme="dark" if scheme == "dark" else "light",
                        reduced_motion="reduce",
                    )
                    if who != "anonymous":
                        for pair in case.people[who].headers["cookie"].split("; "):
                            cookie, _, value = pair.partition("=")
                            context.add_cookies(
                                [{"name": cookie, "value": value, "url": site.settings.base_url}]
                            )
                    page = context.new_page()
                    page.goto(site.settings.base_url + path, wait_until="networkidle")
                    file = FOLDER / f"{name}-{width}-{scheme}"
                    if ELSEWHERE:
                        page.screenshot(path=f"{file}.png", full_page=True)
                    else:
                        page.screenshot(path=f"{file}.jpg", full_page=True, type="jpeg", quality=60)
                    context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
