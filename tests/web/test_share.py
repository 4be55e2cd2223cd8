"""The sharing page in a browser without script: links that open and end, people, who may ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.app import PASSWORD, Answer, Reader, Site, running
from tests.cast import Cast
from tests.web.browser import Browser

FORM = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site") / "data", job_threads=0) as site:
        yield site


@pytest.fixture(scope="module")
def cast(site: Site) -> Cast:
    return Cast(site)


def send(site: Site, path: str, reader: Reader, **fields: str) -> Answer:
    """A form as a browser sends it: the session's mark is in the form, not in a header."""
    fields.setdefault("csrf", reader.headers["x-csrf-token"])
    headers = {**FORM, "cookie": reader.headers["cookie"]}
    return site.ask("POST", path, None, urlencode(fields).encode(), headers)


def addresses(shown: Answer) -> list[str]:
    """The links that a page shows, to be followed."""
    found = re.findall(r'<code id="l-[^"]+">http://testserver([^<]+)</code>', shown.body.decode())
    return [address.replace("&amp;", "&") for address in found]


def follow(site: Site, address: str) -> Browser:
    guest = Browser(site)
    guest.get(address)
    if guest.shown.status == 302 and guest.shown.headers["location"].startswith("/"):
        guest.get(guest.shown.headers["location"])  # to the address without the link's secret
    guest.follow()
    return guest


def test_a_link_opens_a_draft_until_it_is_revoked(site: Site, cast: Cast) -> None:
    owner, draft = cast.readers["session"], cast.make("draft")
    at, title = f"/records/{draft.id}/share", draft.hidden["title"]
    assert f'href="/uploads/{draft.id}/share"' in site.ask("GET", f"/uploads/{draft.id}", owner).text
    assert site.ask("GET", f"/uploads/{draft.id}/share", owner).headers["location"].endswith(at)
    assert send(site, f"{at}/links", owner, permission="preview", csrf="wrong").status == 403
    assert addresses(site.ask("GET", at, owner)) == []
    made = send(site, f"{at}/links", owner, permission="preview", description="For <the> referee")
    assert (made.status, made.headers["location"].partition("#")[0]) == (303, f"http://testserver{at}")
    shown = site.ask("GET", at, owner)
    assert made.headers["location"].partition("#")[2] in re.findall(r'id="(link-[^"]+)"', shown.text)
    assert "For &lt;the&gt; referee" in shown.text
    assert re.search(rf'<a [^>]*href="/uploads/{draft.id}">Back to the form<', shown.text)
    (address,) = addresses(shown)
    guest = follow(site, address)
    assert (guest.shown.status, guest.path) == (200, f"/uploads/{draft.id}/preview")
    assert title in guest.shown.text
    assert "by a secret link" in guest.shown.text
    assert "Back to the form" not in guest.shown.text
    assert "token=" not in guest.shown.text, "the address is in no page that the guest may pass on"
    bytes_at = f"/api/records/{draft.id}/draft/files/{draft.key}/content"
    assert draft.hidden["bytes"] in guest.get(bytes_at).text
    assert guest.get(f"/uploads/{draft.id}/preview/{draft.key}").status == 200
    assert guest.get(f"/uploads/{draft.id}").status == 401, "a link is nobody, and changes nothing here"
    (end,) = re.findall(rf'action="({at}/links/[^"]+/delete)"', shown.text)
    assert send(site, end, owner, csrf="wrong").status == 403
    assert send(site, end, owner).status == 303
    assert addresses(site.ask("GET", at, owner)) == []
    for path in (f"/uploads/{draft.id}/preview", bytes_at, f"/records/{draft.id}?preview=1"):
        answer = guest.get(path)
        assert answer.status in (401, 403, 404), path
        assert draft.given_away_by(answer.text) == []


def test_a_view_link_opens_what_is_published_alone(site: Site, cast: Cast) -> None:
    owner = cast.readers["session"]
    site.reader("by-link-alone")
    for kind, opens in (("private", True), ("draft", False)):
        subject = cast.make(kind)
        at = f"/records/{subject.id}/share"
        assert send(site, f"{at}/links", owner, permission="view").status == 303
        (address,) = addresses(site.ask("GET", at, owner))
        guest = follow(site, address)
        assert (subject.hidden["title"] in guest.shown.text) is opens
        if opens:  # but no token of theirs fetches it by program
            for _ in ("nobody", "by-link-alone"):
                assert "Download all" in guest.get(f"/records/{subject.id}").text
                assert "Bearer" not in guest.shown.text
                guest.get("/login")
                log_in(guest, "by-link-alone")
            assert "Bearer $TOKEN" in site.ask("GET", f"/records/{subject.id}", owner).text
    # A link that shows drafts shows the record where there is none.
    assert send(site, f"/records/{cast.make('open').id}/share/links", owner, permission="edit").status == 303


@pytest.mark.parametrize(
    ("wrong", "id_", "says"),
    [
        ({"expires_at": "soon"}, "l-e", "YYYY-MM-DD"),
        ({"expires_at": "2020-01-01"}, "l-e", "after today"),
        ({"permission": "own"}, "l-p", "Choose what the link opens"),
        ({"description": "long " * 500}, "l-d", "too long"),
    ],
)
def test_a_wrong_link_keeps_what_was_typed(
    site: Site, cast: Cast, wrong: dict[str, str], id_: str, says: str
) -> None:
    owner, at = cast.readers["session"], f"/records/{cast.make('open').id}/share"
    typed = {"permission": "edit", "description": "My referee", "expires_at": "2099-01-01", **wrong}
    answer = send(site, f"{at}/links", owner, **typed)
    assert answer.status == 400
    assert says in answer.text
    assert f'aria-describedby="{id_}-w' in answer.text
    assert f'href="#{id_}"' in answer.text
    assert f'value="{typed["description"]}"' in answer.text
    assert f'value="{typed["expires_at"]}"' in answer.text
    if "permission" not in wrong:
        assert 'value="edit" selected' in answer.text
    assert addresses(answer) == []


def test_people_are_given_access_and_lose_it(site: Site, cast: Cast) -> None:
    owner, draft = cast.readers["session"], cast.make("draft")
    at = f"/records/{draft.id}/share"
    ann = site.session("ann-session", site.reader("Ann"))
    assert site.ask("GET", at, ann).status == 403
    assert send(site, f"{at}/links", ann, permission="view").status == 403
    for typed, says in (
        ("nobody@example.org", "no account with this address"),
        ("Nobody At All", "No account shows this name"),
        (" ", "Write an e-mail address"),
    ):
        answer = send(site, f"{at}/people", owner, who=typed, permission="manage")
        assert (answer.status, says in answer.text) == (400, True), typed
        assert f'value="{typed}"' in answer.text
        assert 'value="manage" selected' in answer.text
    assert send(site, f"{at}/people", owner, who="x@example.org", permission="all").status == 400
    email = ann.actor.email
    assert send(site, f"{at}/people", owner, who=email, permission="manage", csrf="wrong").status == 403
    assert send(site, f"{at}/people", owner, who=email, permission="manage", notify="true").status == 303
    again = send(site, f"{at}/people", owner, who=email, permission="view")
    assert (again.status, "has access already" in again.text) == (400, True)
    managed = site.ask("GET", at, ann)
    assert (managed.status, "Manage" in managed.text) == (200, True)
    assert site.ask("GET", f"/uploads/{draft.id}", ann).status == 200
    (end,) = re.findall(rf'action="({at}/people/\d+/delete)"', site.ask("GET", at, owner).text)
    elsewhere = end.replace(str(draft.id), str(cast.make("open").id), 1)
    assert send(site, elsewhere, owner).status == 404, "what is given of another record stays"
    assert send(site, end, owner).status == 303
    assert site.ask("GET", f"/uploads/{draft.id}", ann).status == 403


def test_people_are_found_by_the_name_that_they_show(site: Site, cast: Cast) -> None:
    owner, at = cast.readers["session"], f"/records/{cast.make('open').id}/share"
    first = site.reader("Twin-1")
    shown = {"profile": {"full_name": "Ida Twin"}, "preferences": {"visibility": "public"}}
    assert site.ask("PUT", "/api/user", first, shown).status == 200
    assert send(site, f"{at}/people", owner, who="Ida", permission="view").status == 400, "not the whole name"
    assert send(site, f"{at}/people", owner, who="ida twin", permission="view").status == 303
    assert "<h3>Ida Twin</h3>" in site.ask("GET", at, owner).text
    assert site.ask("PUT", "/api/user", site.reader("Twin-2"), shown).status == 200
    both = send(site, f"{at}/people", owner, who="Ida Twin", permission="view")
    assert (both.status, "Several accounts" in both.text) == (400, True)


def test_who_may_ask_is_said(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["session"], cast.make("restricted")
    at, asked = f"/records/{subject.id}/share", f'action="/records/{subject.id}/request-access"'
    assert asked in site.ask("GET", f"/records/{subject.id}").text
    wrong = send(site, f"{at}/requests", owner, users="true", days="many")
    assert (wrong.status, 'value="many"' in wrong.text) == (400, True)
    assert send(site, f"{at}/requests", owner, users="true", days="30").status == 303
    assert asked not in site.ask("GET", f"/records/{subject.id}").text
    shown = site.ask("GET", at, owner).text
    assert re.search(r'name="users" value="true" checked', shown)
    assert not re.search(r'name="guests" value="true" checked', shown)
    assert 'name="days" inputmode="numeric" maxlength="5" value="30"' in shown


def test_the_page_is_offered_to_those_who_may_use_it(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["session"], cast.make("open")
    at = f"/records/{subject.id}/share"
    editor = site.session("editor-session", site.reader("editor"))
    assert send(site, f"{at}/people", owner, who=editor.actor.email, permission="edit").status == 303
    for reader, offered in ((owner, True), (editor, False)):
        page = site.ask("GET", f"/records/{subject.id}", reader).text
        assert "This record is yours to edit" in page
        assert (f'href="{at}"' in page) is offered
    assert site.ask("GET", at, editor).status == 403


def edit_link(site: Site, owner: Reader, record_id: int) -> str:
    at = f"/records/{record_id}/share"
    assert send(site, f"{at}/links", owner, permission="edit").status == 303
    (address,) = addresses(site.ask("GET", at, owner))
    return address


def log_in(browser: Browser, name: str) -> None:
    """On the log-in page that is shown."""
    browser.send("/login", email=f"{name}@example.org", password=PASSWORD)


def test_who_has_an_edit_link_logs_in_and_changes_the_draft(site: Site, cast: Cast) -> None:
    owner, draft = cast.readers["session"], cast.make("draft")
    site.reader("rewriter")
    browser = follow(site, edit_link(site, owner, draft.id))
    form = f"/uploads/{draft.id}"
    assert browser.path == f"{form}/preview"
    assert "Log in to change it" in browser.shown.text
    assert browser.get(form).status == 401
    (log_in_at,) = {a for a in re.findall(r'href="(/login[^"]*)"', browser.shown.text) if "uploads" in a}
    browser.get(log_in_at)
    log_in(browser, "rewriter")
    assert browser.follow().status == 200
    assert browser.path == form
    assert 'id="deposit"' in browser.shown.text
    assert f"{form}/delete" not in browser.shown.text, "that is the owner's to decide"
    mark = re.search(r'name="csrf" value="([^"]+)"', browser.shown.text)
    assert mark
    said = {"metadata.title": "Changed by a link", "do": "save"}
    assert browser.post(form, **said, csrf="wrong").status == 403
    assert browser.post(form, **said, csrf=mark[1]).status == 303
    draft_at = f"/api/records/{draft.id}/draft"
    assert site.ask("GET", draft_at, cast.readers["owner"]).json()["metadata"]["title"] == "Changed by a link"
    # Files go the API's way, with the mark in a header: to the form's own addresses.
    bucket = re.search(r'data-bucket="([^"]+)"', browser.get(form).text)
    assert bucket
    head = {"x-csrf-token": mark[1], "sec-fetch-site": "same-origin"}
    announced = b'[{"key": "new.txt", "size": 3}]'
    json_head = {**head, "content-type": "application/json"}
    assert browser._ask("POST", f"{draft_at}/files", announced, json_head).status == 201
    assert browser._ask("PUT", f"{draft_at}/files/new.txt/content", b"new", head).status == 200
    assert browser._ask("PUT", f"/api/files/{bucket[1]}/empty", b"", head).status == 201
    # The preview, too, knows by what he sees it; and the link alone is still nobody.
    assert "by a secret link" in browser.get(f"{form}/preview").text
    assert "Change it" in browser.shown.text
    session = next(key for key in browser.kept if key[0] == "strongroom")
    del browser.kept[session]
    assert browser._ask("POST", f"{draft_at}/files", announced, json_head).status == 403
    assert browser.post(form, **said, csrf=mark[1]).status == 401


def test_logging_out_ends_the_links_that_were_followed(site: Site, cast: Cast) -> None:
    owner, draft = cast.readers["session"], cast.make("draft")
    for name in ("first-at-it", "next-at-it"):
        site.reader(name)
    browser = follow(site, edit_link(site, owner, draft.id))
    form = f"/uploads/{draft.id}"
    browser.get(f"/login?next={form}")
    log_in(browser, "first-at-it")
    assert browser.follow().status == 200
    browser.send("/logout")
    assert any(name == "strongroom-link" for name, _place in browser.kept), "nobody knows where they all are"
    assert browser.get(f"{form}/preview").status == 401
    browser.get(f"/login?next={form}")
    log_in(browser, "next-at-it")
    assert browser.follow().status == 403
    assert browser.get(f"{form}/preview").status == 403


def test_who_has_an_edit_link_of_a_record_corrects_it_and_begins_a_version(site: Site, cast: Cast) -> None:
    owner, record = cast.readers["session"], cast.make("restricted")
    site.reader("corrector")
    browser = Browser(site)
    browser.get("/login")
    log_in(browser, "corrector")
    address = edit_link(site, owner, record.id)
    browser.get(address)
    browser.get(browser.shown.headers["location"])
    assert browser.shown.status == 200
    for verb in ("edit", "new-version"):
        browser.get(f"/records/{record.id}")
        begun = browser.send(f"/records/{record.id}/{verb}")
        assert begun.status == 303
        assert browser.follow().status == 200
        assert 'id="deposit"' in browser.shown.text, verb
        mark = re.search(r'name="csrf" value="([^"]+)"', browser.shown.text)
        assert mark
        said = {"metadata.title": f"By {verb}", "do": "save", "csrf": mark[1]}
        assert browser.post(browser.path, **said).status == 303
        assert f"By {verb}" in browser.follow().text


def test_the_preview_says_who_sees_the_draft(site: Site, cast: Cast) -> None:
    owner, draft = cast.readers["session"], cast.make("draft")
    friend = site.session("friend", site.reader("friend"))
    at, preview = f"/records/{draft.id}/share", f"/uploads/{draft.id}/preview"

    def says(reader: Reader) -> str:
        page = site.ask("GET", preview, reader).text
        return page.partition("This is a preview.")[2].partition("</p>")[0]

    assert "Nobody else sees it." in says(owner)
    send(site, f"{at}/people", owner, permission="view", who="friend@example.org")
    send(site, f"{at}/links", owner, permission="view")
    assert "Nobody else sees it." in says(owner), "what is published alone"
    edit_link(site, owner, cast.make("draft").id)
    assert "Nobody else sees it." in says(owner), "another's link"
    send(site, f"{at}/links", owner, permission="preview")
    assert "Whoever has its secret link sees it too." in says(owner)
    (given,) = re.findall(rf'action="({at}/people/[^"]+/delete)"', site.ask("GET", at, owner).text)
    send(site, given, owner)
    send(site, f"{at}/people", owner, permission="preview", who="friend@example.org")
    assert "1 other person sees it too, and so does whoever" in says(owner)
    assert "1 other person sees it too, and so does whoever" in says(friend), "the owner"
    assert "Back to the form" not in site.ask("GET", preview, friend).text
    assert "Back to the form" in site.ask("GET", preview, owner).text
