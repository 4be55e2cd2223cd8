"""Searching in a real browser: suggestions by keyboard and mouse, years, chips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from strongroom.metadata.model import Person, Subject
from strongroom.settings import Settings
from tests.app import Site
from tests.browser.application import serve
from tests.browser.chromium import complaints, needs_browser
from tests.desk import data
from tests.web.test_search import caught_up

pytestmark = needs_browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("search")
    settings = Settings(
        data_dir=folder / "data",
        rate_limits="off",
        disk_reserve_bytes=0,
        accent_colour="#7a1fa2",
        job_threads=0,
    )
    with serve(settings) as site:
        owner = site.reader("owner").actor
        for title, year in (("Rose scent", "2019"), ("Roses of the garden", "2021"), ("Tulips", "2021")):
            about = data(
                title,
                publication_date=year,
                creators=[Person(name="Rosenqvist, Anna")],
                subjects=[Subject(subject="Rose breeding")],
            )
            some_id = site.desk.create(owner, about)
            site.desk.put(owner, some_id, "a.csv", b"a,b")
            site.desk.publish(owner, some_id)
        caught_up(site)
        yield site


def test_suggestions_by_keyboard_and_mouse(browser: Browser, site: Site) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    said = complaints(page)
    page.goto(site.settings.base_url + "/")
    box = page.locator("#q")
    box.press_sequentially("ros")
    options = page.get_by_role("option")
    expect(options).to_have_count(4)  # two titles, a person, a subject
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("ArrowDown")
    chosen = page.locator("[role=option][aria-selected=true]")
    expect(box).to_have_attribute("aria-activedescendant", chosen.get_attribute("id") or "?")
    box.press("ArrowUp")
    expect(chosen).to_have_count(0)
    box.press("Escape")
    expect(options.first).to_be_hidden()
    assert box.input_value() == "ros"
    box.press("ArrowDown")
    page.get_by_role("option", name="Anna Rosenqvist").click()
    page.wait_for_url("**/search?q=creators.name**")
    assert "3 records" in page.locator(".results").inner_text()
    # A field that was filled already, in the header's form of another page: Enter without a choice searches.
    page.goto(site.settings.base_url + "/help/search")
    header = page.locator("#qt")
    header.press_sequentially("tul")
    expect(page.get_by_role("option")).to_have_count(1)
    header.press("Enter")
    page.wait_for_url("**/search?q=tul")
    assert said == []
    page.close()


def test_years_are_chosen_and_taken_back_without_script(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(site.settings.base_url + "/search?q=title:rose*")
    page.get_by_label("From year").fill("2020")
    page.get_by_role("button", name="Apply years").click()
    assert "year_from=2020" in page.url
    assert page.locator(".hit").count() == 1
    page.get_by_role("link", name="Remove filter from 2020").click()
    assert page.locator(".hit").count() == 2
    context.close()
