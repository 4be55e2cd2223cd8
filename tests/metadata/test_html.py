"""HTML of depositors that is made to cost: what comes out is in proportion to what came in."""

from __future__ import annotations

import pytest

from strongroom.metadata import html

TABLE = "<table><tbody>" + "<tr><td>a</td><td>b <b>c</b></td></tr>" * 500 + "</tbody></table>"
LONG = [
    TABLE,
    "<p>x <i>y</i> &amp; z</p>" * 500,
    '<ul><li class="k">a<ul><li>b</li></ul></li></ul>' * 200,
    '<h1>t</h1><div><blockquote><p><a href="https://x.org/?a=1&amp;b=2" title="a &quot;b&quot;">k</a><br></p></blockquote></div>' * 100,
    "<pre>a &lt; b</pre>" * 400,
]  # fmt: skip


@pytest.mark.parametrize("markup", LONG)
def test_what_is_long_and_well_formed_stays_as_it_is(markup: str) -> None:
    assert html.clean(markup) == markup


@pytest.mark.parametrize(
    ("piece", "cleaned"),
    [
        ("<p>a<p>b", "<p>a</p><p>b</p>"),
        ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
        ("<b>x<i>y</b></i>", "<b>x<i>y</i></b>"),
        (
            "<table><tr><td>a<td>b<tr><td>c</table>",
            "<table><tbody><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></tbody></table>",
        ),
        ("<center onclick=x>k</center><script>'<b>'</script><!-- <b> -->", "k"),
        ("<a href=javascript:x class='q'>k</a>", '<a class="q">k</a>'),
        ("<a title='>' name=n>k</a>", '<a title="&gt;" name="n">k</a>'),
        ("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"),
        ("x<br/>y<img src=x onerror=alert(1)>", "x<br>y"),
    ],
)
def test_what_is_long_is_cleaned_as_what_is_short(piece: str, cleaned: str) -> None:
    # one element around each, so that what is left open ends there
    assert html.clean(f"<div>{piece}</div>") == f"<div>{cleaned}</div>"
    assert html.clean(f"<div>{piece}</div>" * 400) == f"<div>{cleaned}</div>" * 400


@pytest.mark.parametrize(
    "markup",
    [
        "<p>" + "".join(f"<b class=a{n}>" for n in range(1000)) + "<p>x" * 1000,  # was 20 MB
        "<i><b><div>" * 10_000,
        "<table><tr><td>" * 10_000,
        "<b><table></b>" * 10_000,
        "<ul><li>" * 10_000,
        "<b class=" + "k" * 20_000 + "><table>" + "x<tr>x" * 5000,
        "<b class=" + "k" * 20_000 + "><ul>" + "<li>x</b>" * 5000,
        "<b " + " ".join(f"a{n}" for n in range(10_000)) + ">",
        "<a '" * 20_000,
        '<a x="' * 20_000,
        "<!" * 20_000,
        "<script>" * 20_000,
        "<" * 50_000,
    ],
)
def test_what_is_made_to_cost_comes_out_no_longer(markup: str) -> None:
    cleaned = html.clean(markup)
    assert len(cleaned) <= 5 * len(markup)  # `<` becomes `&lt;`, `<li>` gets its end
    assert html.clean(cleaned) == cleaned
    assert depth(html.bounded(markup, html.TAGS)) <= 53
    html.plain(markup)


def depth(written: str) -> int:
    deep = deepest = 0
    for part in written.split("<")[1:]:
        name = part.partition(">")[0].partition(" ")[0]
        deep += -1 if name.startswith("/") else name not in ("br", "hr")
        deepest = max(deep, deepest)
    return deepest


def test_long_html_is_read_as_text() -> None:
    assert html.plain(TABLE) == " ".join(["a b c"] * 500)
    assert html.plain("<p>1 &lt; 2<script>x</script></p>" * 300) == " ".join(["1 < 2"] * 300)
