"""Logo, colours and foot of the page as the operator sets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from strongroom.settings import Settings
from strongroom.web import branding
from tests.app import running

# --paper, --surface, --hover of tokens.css, light and dark: what links and text in the accent colour stand on.
GROUNDS = {0: ("#faf9f6", "#ffffff", "#f0efe9"), 1: ("#121615", "#1a1f1e", "#232928")}
COLOURS = ["#0d5c51", "#ffff00", "#000000", "#ffffff", "#c8102e", "#1e90ff", "#808080", "#39ff14", "#2b0057"]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("dark", ["", "#101010", "#ff00ff"])
def test_text_in_any_colour_can_be_read(colour: str, dark: str) -> None:
    """WCAG 2.2: 4.5 for text (1.4.3), 3 for the edge of a button (1.4.11)."""
    tokens = branding.colours(colour, dark)
    for scheme, grounds in GROUNDS.items():
        accent = branding.rgb(tokens["accent"][scheme])
        for ground in (*grounds, tokens["accent-soft"][scheme]):
            assert branding.contrast(accent, branding.rgb(ground)) >= 4.5, (scheme, ground, tokens)
        for fill in ("fill", "fill-hover"):
            filled = branding.rgb(tokens[fill][scheme])
            assert branding.contrast(branding.rgb(tokens["on-fill"][scheme]), filled) >= 4.5, (scheme, tokens)
        edge = branding.contrast(branding.rgb(tokens["fill"][scheme]), branding.rgb(grounds[1]))
        assert edge >= 3, (scheme, tokens)


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    assert branding.colours("#0d5c51", "#6dc4b2")["accent"] == ("#0d5c51", "#6dc4b2")
    assert branding.style_sheet("") == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"accent_colour": "red"},
        {"accent_colour_dark": "#12345"},
        {"accent_colour": "#123456;}"},
        {"site_logo": "logo.gif"},
        {"footer_links": "Evil javascript:alert(1)"},
        {"footer_links": "https://example.org"},
        {"footer_links": "Evil //example.org"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


def test_pages_wear_the_operators_look(tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>alert(1)</script></svg>'
    )
    links = "Legal notice /pages/legal, Status <now> https://status.example.org/?a=b&c"
    with running(tmp_path / "data", site_logo=str(logo), accent_colour="#C8102E", footer_links=links) as site:
        page = site.ask("GET", "/").text
        assert '<img src="/branding/logo" alt=""' in page
        assert 'href="/branding/colours.css?v=c8102e-"' in page
        assert '<a href="/pages/legal">Legal notice</a>' in page
        assert '<a href="https://status.example.org/?a=b&amp;c">Status &lt;now&gt;</a>' in page
        style = site.ask("GET", "/branding/colours.css")
        assert style.headers["content-type"].startswith("text/css")
        assert "--accent: light-dark(" in style.text
        picture = site.ask("GET", "/branding/logo")
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.body == logo.read_bytes()
        assert "sandbox" in picture.headers["content-security-policy"]
        logo.unlink()
        assert site.ask("GET", "/branding/logo").status == 404
