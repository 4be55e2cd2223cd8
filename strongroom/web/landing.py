"""The landing page of a record: what the template shows, made ready, and the signposting header.

Pure rendering: a `RecordView` is already cut to what this reader may see, and nothing is looked up here.
The template gets plain values only, so that it stays a page and the sums are testable.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus

import orjson
from markupsafe import Markup, escape

from strongroom.http.citations import OFFERED
from strongroom.ids import today as today_utc
from strongroom.metadata.exports import FORMATS, ExportRecord, page_file_url, quoted, schemaorg, signposting
from strongroom.metadata.exports.citation import apa
from strongroom.metadata.exports.links import identifier_url, licence, safe_url
from strongroom.metadata.exports.names import natural
from strongroom.metadata.exports.text import shorten
from strongroom.metadata.html import plain
from strongroom.metadata.model import Funding, Metadata, Person, Reference
from strongroom.previews import kind_of
from strongroom.records.views import DraftView, FileView, RecordView
from strongroom.settings import Settings
from strongroom.web import words
from strongroom.web.render import Texts, Viewer, icon, linked, render, texts

FILES_A_PAGE: Final = 500
JSON_LD_FILES: Final = 100  # downloads in the page's JSON-LD; the export has more
VERSIONS_SHOWN: Final = 10
PEOPLE_SHOWN: Final = 20
CHECKSUMS_SHOWN: Final = 100
_CITATION_TAGS: Final = 200  # authors in citation_* tags
_DEEPEST: Final = 5  # folders within folders that the table shows as a tree
_ALL_OPEN: Final = 50  # files in a list that begins with all its folders open
_FETCHED: Final = 20  # files in the lines to fetch them by program

_ICONS: Final = {
    "csv": "table", "tsv": "table", "xlsx": "table", "xls": "table", "ods": "table", "parquet": "table",
    "json": "braces", "xml": "braces", "yaml": "braces", "yml": "braces", "toml": "braces", "cff": "braces",
    "png": "image", "jpg": "image", "jpeg": "image", "gif": "image", "svg": "image", "tif": "image", "tiff": "image",
    "webp": "image", "mp4": "video", "webm": "video", "mov": "video", "avi": "video", "mkv": "video",
    "wav": "audio", "mp3": "audio", "ogg": "audio", "oga": "audio", "opus": "audio", "flac": "audio", "m4a": "audio",
    "pdf": "pub", "txt": "pub", "md": "pub", "docx": "pub", "odt": "pub", "tex": "pub", "html": "pub",
    "pptx": "slides", "odp": "slides", "py": "software", "r": "software", "ipynb": "software", "c": "software",
    "cpp": "software", "java": "software", "js": "software", "jl": "software", "m": "software", "sh": "software",
}  # fmt: skip


@dataclass(slots=True)  # not frozen: that makes each three times as dear, and there may be 500
class FileRow:
    """One line of the file table: a file, or the folder that the next files lie in."""

    key: str
    name: str  # without its folder
    icon: str
    size: int | None
    folder: bool = False
    depth: int = 0  # folders it lies in
    count: int | None = None  # files of a folder and those below; None where only a part of the list is here
    url: str = ""  # of its bytes; of a folder: of its archive
    preview: str = ""
    kind: str = ""  # of its preview
    md5: str = ""
    sha256: str = ""

    @property
    def inside(self) -> bool:
        return self.depth > 0


class _Folder:
    """A folder while the tree is made: its files, its folders by name, both in the order they came."""

    __slots__ = ("count", "files", "folders", "size")

    def __init__(self) -> None:
        self.files: list[FileRow] = []
        self.folders: dict[str, _Folder] = {}
        self.count = self.size = 0


def file_rows(
    files: Sequence[FileView], settings: Settings, record_id: int, whole: bool, *, draft: bool = False
) -> list[FileRow]:
    """The tree of these files in their order: files first, as file managers do, then each folder with what is in it.

    `whole` says that `files` is all there is, so that counts and sizes of folders are true. Addresses are those of
    a published record, or of a draft.
    """
    root = _Folder()
    place = page_file_url(settings, record_id, "")
    for f in files:
        *path, name = f.key.split("/")
        at = root
        for part in path:
            at = at.folders.setdefault(part, _Folder())
            at.count += 1
            at.size += f.size
        ending = name.rpartition(".")[2].lower() if "." in name else ""
        kind = kind_of(f.key, f.mimetype, f.size)
        key = quoted(f.key)
        url = f"/api/records/{record_id}/draft/files/{key}/content" if draft else f"{place}{key}"
        at.files.append(
            FileRow(
                f.key,
                name,
                _ICONS.get(ending, "file"),
                f.size,
                depth=len(path),
                url=url,
                preview=f"/{'uploads' if draft else 'records'}/{record_id}/preview/{key}" if kind else "",
                kind=kind.name if kind else "",
                md5=f.md5,
                sha256=f.sha256,
            )
        )
    if not root.folders:
        return root.files
    rows: list[FileRow] = []

    def walk(folder: _Folder, path: str, depth: int) -> None:
        rows.extend(folder.files)
        for name, inner in folder.folders.items():
            key = f"{path}{name}/"
            rows.append(
                FileRow(
                    key,
                    f"{name}/",
                    "folder",
                    inner.size if whole else None,
                    folder=True,
                    depth=depth,
                    count=inner.count if whole else None,
                    url="" if draft else f"/records/{record_id}/files-archive?prefix={quoted(key)}",
                )
            )
            # Keys may have a thousand parts: what is deeper than anybody looks is shown flat.
            if depth < _DEEPEST:
                walk(inner, key, depth + 1)
            else:
                rows.extend(_flat(inner, key))

    walk(root, "", 0)
    return rows


def _flat(folder: _Folder, path: str) -> list[FileRow]:
    found, left = [], [(folder, path)]
    while left:
        at, here = left.pop()
        found += [replace(f, name=f.key[len(path) :], depth=_DEEPEST + 1) for f in at.files]
        left += [(inner, f"{here}{name}/") for name, inner in reversed(at.folders.items())]
    return found


def file_tree(rows: Sequence[FileRow], t: Texts) -> Markup:
    """The list of files: a table, and for each folder what can be opened and closed, with a table and folders in it.

    Long lists begin with their outermost folders closed; one that holds all the others stays open, as it says nothing.
    Made here, not in the template: there may be 500 lines, and this takes a fifth of the time.
    """
    _ = t.gettext
    says = str(escape(_("Download %(name)s"))).split("%(name)s")
    looks = str(escape(_("Preview %(name)s"))).split("%(name)s")
    down, eye, turn = icon("down"), icon("eye"), icon("chevd")
    columns = [str(escape(name)) for name in (_("Name"), _("Size"), "MD5", _("Download"))]
    unseen = [f'<span class="vh">{name}</span>' for name in columns]
    head = (
        '<thead><tr><th scope="col">{}</th><th scope="col" class="r">{}</th><th scope="col" class="sum wide-only">{}</th>'
        '<th scope="col" class="acts">{}</th></tr></thead><tbody>'
    )
    first_head, next_head = head.format(*columns[:3], unseen[3]), head.format(*unseen)
    folders = [f for f in rows if f.folder]
    closed = _closed(rows, len(rows) - len(folders))
    lines = [f'<div class="tree{" deep" if folders else ""}">']
    inside: list[FileRow] = []  # the folders that are being written
    in_table = False
    for f in rows:
        plain_name = str(escape(f.name))
        name = plain_name.replace("_", "_<wbr>")  # long names may break on a phone
        size = "" if f.size is None else t.size(f.size)
        if f.folder:
            if in_table:
                lines.append("</tbody></table>")
                in_table = False
            while inside and inside[-1].depth >= f.depth:
                inside.pop()
                lines.append("</details></div>")
            inside.append(f)
            count = end = ""
            if f.count:
                number = t.ngettext("%(num)s file", "%(num)s files", f.count) % {"num": t.number(f.count)}
                count = f' <span class="faint xs nowrap">{number}</span>'
            if f.url:
                label = plain_name.join(says)
                end = f'<a class="btn plain sm icon" href="{escape(f.url)}" aria-label="{label}">{down}</a>'
            lines.append(
                f'<div class="dir d{f.depth}">{end}<details{"" if f.key in closed else " open"}><summary>{turn}{icon(f.icon)}'
                f'<span class="name">{name}{count}</span><span class="r">{size}</span></summary>'
            )
            continue
        if not in_table:
            in_table = True
            if inside:
                label = escape(inside[-1].key)
                lines.append(f'<table class="files d{inside[-1].depth + 1}" aria-label="{label}">{next_head}')
            else:
                label = escape(_("Files of this version"))
                lines.append(f'<table class="files d0"><caption class="vh">{label}</caption>{first_head}')
        url = f.url  # quoted: nothing in it could end the attribute
        label = plain_name.join(says)
        look = ""
        if f.preview:
            look = f'<a class="btn plain sm icon" href="{f.preview}" data-preview aria-label="{plain_name.join(looks)}">{eye}</a>'
        lines.append(
            f'<tr><th scope="row" class="name"><div>{icon(f.icon)}<span><a href="{url}">{name}</a></span></div></th>'
            f'<td class="r">{size}</td><td class="sum wide-only"><span class="mono" title="MD5 {f.md5}">'
            f'{f.md5[:4]}…{f.md5[-4:]}</span></td><td class="acts">{look}<a class="btn plain sm icon" '
            f'href="{url}?download=1" aria-label="{label}">{down}</a></td></tr>'
        )
    if in_table:
        lines.append("</tbody></table>")
    lines.append("</details></div>" * len(inside) + "</div>")
    return Markup("\n".join(lines))


def _closed(rows: Sequence[FileRow], files: int) -> frozenset[str]:
    """The keys of the folders that are closed at first: none of a short list."""
    if files <= _ALL_OPEN:
        return frozenset()
    around = 0
    while around < len(rows) and rows[around].folder:  # the way down to where there is something to choose
        inner = rows[around + 1 :]
        if any(row.folder and row.depth == rows[around].depth for row in inner):
            break
        around += 1
    return frozenset(row.key for row in rows[around:] if row.folder)


# What a reader would rather see first; text of all kinds comes after.
_SHOWN_FIRST: Final = frozenset({"table", "pdf", "image", "svg", "video", "audio", "markdown"})


def first_preview(rows: Sequence[FileRow], wanted: str | None, ordered: bool) -> FileRow | None:
    """The file that the page shows: the one its depositor chose, else the first that says something by being looked at."""
    found: FileRow | None = None
    for row in rows:
        if not row.kind:
            continue
        if row.key == wanted:
            return row
        if found is None or (not ordered and row.kind in _SHOWN_FIRST and found.kind not in _SHOWN_FIRST):
            found = row
        if wanted is None and (ordered or found.kind in _SHOWN_FIRST):
            break
    return found


def fetching(rows: Sequence[FileRow], record: ExportRecord) -> list[tuple[str, str, str]]:
    """(id, name, lines) of how to fetch the files by program, ready to be pasted; names of files are quoted for each.

    Where files are not public, the lines take a token from the environment.
    """
    listed = [row for row in rows if not row.folder]
    if not listed:
        return []
    first, number, archive = listed[0], record.id, f"{record.api_url}/files-archive"
    some = listed[:_FETCHED]
    tuples = "\n".join([f"    ({row.url!r}, {row.sha256!r}, {row.key!r})," for row in some])
    more = f"# the first {len(some)} of {record.file_count} files\n" if len(some) < record.file_count else ""
    name, url = _quoted_r(first.name), _quoted_r(first.url)
    header = imported = loader = loaded = headers = headed = ""
    if record.status != "open":
        header = '-H "Authorization: Bearer $TOKEN" '
        imported = "import os\n"
        loader = 'asked = pooch.HTTPDownloader(headers={"Authorization": "Bearer " + os.environ["TOKEN"]})\n'
        loaded = ", downloader=asked"
        headers = 'asked <- c(Authorization = paste("Bearer", Sys.getenv("TOKEN")))\n'
        headed = ", headers = asked"
    return [
        (
            "curl",
            "curl",
            f"curl -fL {header}-o {number}.zip {archive}\n\n"
            f"curl -fL {header}-C - -o {shlex.quote(first.name)} {shlex.quote(first.url)}\n"
            f"echo {shlex.quote(first.md5 + '  ' + first.name)} | md5sum -c",
        ),
        (
            "python",
            "Python",
            f"{imported}from pathlib import Path\n\nimport pooch\n\n{loader}"
            f"{more}files = [\n{tuples}\n]\nfor url, sha256, name in files:\n"
            f'    path = Path("{number}", name)\n'
            "    path.parent.mkdir(parents=True, exist_ok=True)\n"
            '    pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=path.name, path=path.parent'
            f"{loaded})",
        ),
        (
            "r",
            "R",
            f'{headers}download.file("{archive}", "{number}.zip", mode = "wb"{headed})\n'
            f'unzip("{number}.zip", exdir = "{number}")\n\n'
            f'download.file({url}, {name}, mode = "wb"{headed})\n'
            f'stopifnot(tools::md5sum({name}) == "{first.md5}")',
        ),
    ]


def _quoted_r(text: str) -> str:
    """As a string of R: the same escapes as JSON's, but for those of pairs, which R does not know."""
    return orjson.dumps(text).decode()


@dataclass(frozen=True, slots=True)
class PersonLine:
    name: str
    search: str
    links: tuple[tuple[str, str, str], ...]  # (scheme, identifier, address)
    marks: tuple[int, ...]  # numbers of the affiliations below
    role: str = ""
    affiliations: str = ""


def _people(people: Iterable[Person], field: str) -> tuple[list[PersonLine], list[str]]:
    """Lines of people and the affiliations they share; one common affiliation needs no numbers."""
    all_affiliations: dict[str, int] = {}
    lines = []
    for person in people:
        marks = tuple(
            all_affiliations.setdefault(a.name, len(all_affiliations) + 1)
            for a in person.affiliations
            if a.name
        )
        links = tuple(
            (i.scheme or "", i.identifier, url)
            for i in person.identifiers
            if (url := identifier_url(i.scheme, i.identifier))
        )
        lines.append(PersonLine(natural(person), phrase_url(field, person.name), links, marks))
    return lines, list(all_affiliations)


_WORDS = re.compile(r"[A-Za-z0-9 ._-]*").fullmatch


def phrase_url(field: str, value: str) -> str:
    """The address of a search for a phrase in one field."""
    if _WORDS(value):  # most are, and `quote_plus` takes 15 microseconds
        return f"/search?q={field}%3A%22{value.replace(' ', '+')}%22"
    value = value.replace("\\", "\\\\").replace('"', '\\"')
    return search_url(f'{field}:"{value}"')


def search_url(query: str, **parameters: str) -> str:
    """The address of a search in our own page."""
    return "&".join(
        [f"/search?q={quote_plus(query)}", *(f"{k}={quote_plus(v)}" for k, v in parameters.items())]
    )


_URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")


def description_html(html: str | None) -> Markup:
    """The description as HTML. It was cleaned when it came in; one that is plain text gets paragraphs and links."""
    if not html:
        return Markup("")
    if "<" in html:
        return Markup(html if html.lstrip().startswith("<") else f"<p>{html}</p>")
    linked = _URL.sub(lambda m: f'<a href="{m.group()}">{m.group()}</a>', html.replace('"', "&#34;"))
    return Markup("".join(f"<p>{part}</p>" for part in linked.split("\n\n") if part.strip()))


# A DOI with or without what people put before it, or an address. It takes all it can: one pass, whatever is sent.
_NAMED: Final = re.compile(
    r"""(?:https?://|(?:\bdoi:\s?|(?<![\w./-]))(?=10\.\d{4,9}/))[^\s<>"']+""", re.IGNORECASE
)
_DOI_MARK: Final = re.compile(r"doi:\s?", re.IGNORECASE)


def _without_end(name: str) -> str:
    """A DOI or address without what ends the sentence it stands in: stops, and brackets that it did not open."""
    extra = {")": name.count(")") - name.count("("), "]": name.count("]") - name.count("[")}
    end = len(name)
    while end and ((mark := name[end - 1]) in ".,;:!?*" or extra.get(mark, 0) > 0):
        if mark in extra:
            extra[mark] -= 1
        end -= 1
    return name[:end]


def _reference(reference: Reference) -> Markup:
    """A reference as HTML: linked as a whole where it says what it names, else the DOIs and addresses in its text."""
    text = reference.reference
    if reference.identifier and (url := identifier_url(reference.scheme, reference.identifier)):
        return Markup(f'<a href="{escape(url)}">{escape(text)}</a>')
    parts, at = [], 0
    for found in _NAMED.finditer(text):
        name = _without_end(found.group())
        doi = _DOI_MARK.sub("", name, count=1)
        url = identifier_url("doi", doi) if doi.startswith("10.") else safe_url(name)
        if url:
            parts += [escape(text[at : found.start()]), f'<a href="{escape(url)}">{escape(name)}</a>']
            at = found.start() + len(name)
    return Markup("".join([*parts, escape(text[at:])]))


def _rights(metadata: Metadata, t: Texts) -> list[dict[str, str | None]]:
    shown = []
    for right in metadata.rights:
        title, url = licence(right)
        says = words.permits(right.id)
        says = t.gettext(says) if says else plain(right.description or "") or None
        shown.append({"title": title, "url": url, "permits": says})
    return shown


def _funding(funding: Funding) -> dict[str, str | None]:
    award, funder = funding.award, funding.funder
    name = url = None
    if award is not None:
        name = award.acronym or award.title or award.number
        url = safe_url(award.url) or (identifier_url("doi", award.doi) if award.doi else None)
    details = [funder.name or funder.acronym or ""]
    if award is not None:
        if award.acronym and award.title and award.title != award.acronym:
            details.insert(0, award.title)
        details += [award.program or "", award.number if award.number and award.number != name else ""]
    return {"name": name, "url": url, "details": ", ".join(d for d in details if d)}


def _doi_state(view: RecordView, t: Texts) -> tuple[str, str]:
    """(kind of message, text) about the DOI; ("", "") if it is registered and nothing is to be said."""
    _ = t.gettext
    return {
        "registered": ("", ""),
        "draft": ("info", _("It will be registered when this draft is published.")),
        "external": ("", _("Registered elsewhere; this is a copy of that work.")),
        "reserved": ("info", _("Its registration is under way: the link works in some minutes.")),
        "failed": (
            "warn",
            _(
                "Its registration failed. The operator of this server has been told; the record stays as it is."
            ),
        ),
        "local": (
            "warn",
            _("Not registered: this server's registrar is local, so the DOI leads nowhere outside of it."),
        ),
    }.get(view.doi_state, ("info", view.doi_state))


def _journal(metadata: Metadata, t: Texts) -> list[tuple[str, list[str]]]:
    """Journal, book, conference and thesis in one line each: (label, parts)."""
    _ = t.gettext
    found: list[tuple[str, list[str]]] = []

    def line(label: str, key: str, *fields: str) -> None:
        values = metadata.custom.get(key)
        if isinstance(values, dict) and (shown := [str(values[f]) for f in fields if values.get(f)]):
            found.append((label, shown))

    line(_("Journal"), "journal:journal", "title", "volume", "issue", "pages", "issn")
    line(_("Book or report"), "imprint:imprint", "title", "pages", "place", "isbn", "edition")
    line(
        _("Conference"),
        "meeting:meeting",
        "title",
        "acronym",
        "dates",
        "place",
        "session",
        "session_part",
        "url",
    )
    line(_("Thesis"), "thesis:thesis", "university", "department", "type", "date_submitted")
    return found


_KNOWN_CUSTOM: Final = {"journal:journal", "imprint:imprint", "meeting:meeting", "thesis:thesis"}


def _custom(metadata: Metadata) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Terms of other vocabularies (`dwc:genus`, …) as (name, [(value, address)])."""
    found = []
    for name, value in metadata.custom.items():
        if name in _KNOWN_CUSTOM or not value:
            continue
        values = value if isinstance(value, list) else [value]
        shown: list[tuple[str, str | None]] = []
        for item in values:
            if isinstance(item, dict):
                text = ", ".join(str(v) for v in item.values() if v not in (None, ""))
                shown.append((str(item.get("term") or text), safe_url(str(item.get("identifier") or ""))))
            else:
                shown.append((str(item), safe_url(str(item))))
        found.append((name, shown))
    return found


def _citation_tags(record: ExportRecord, files: Sequence[FileView]) -> list[tuple[str, str]]:
    """Highwire tags, as Google Scholar and Zotero read them (scholar.google.com/intl/en/scholar/inclusion.html)."""
    metadata = record.data.metadata
    tags = [("citation_title", metadata.title)]
    for person in metadata.creators[:_CITATION_TAGS]:
        tags.append(("citation_author", person.name))
        tags += [("citation_author_institution", a.name) for a in person.affiliations]
        if orcid := person.identifier("orcid"):
            tags.append(("citation_author_orcid", f"https://orcid.org/{orcid}"))
    tags.append(("citation_publisher", record.publisher))
    if metadata.publication_date:
        tags.append(
            ("citation_publication_date", metadata.publication_date.partition("/")[0].replace("-", "/"))
        )
    if record.doi:
        tags.append(("citation_doi", record.doi))
    tags.append(("citation_abstract_html_url", record.url))
    tags += [("citation_keywords", s.subject) for s in metadata.subjects]
    tags += [("citation_language", code) for code in metadata.languages[:1]]
    journal = metadata.custom.get("journal:journal")
    if isinstance(journal, dict):
        for field in ("title", "volume", "issue", "issn"):
            if journal.get(field):
                tags.append(
                    (f"citation_{'journal_title' if field == 'title' else field}", str(journal[field]))
                )
        first, _, last = str(journal.get("pages") or "").replace("–", "-").partition("-")
        tags += [
            (f"citation_{name}", page) for name, page in (("firstpage", first), ("lastpage", last)) if page
        ]
    imprint = metadata.custom.get("imprint:imprint")
    if isinstance(imprint, dict) and imprint.get("isbn"):
        tags.append(("citation_isbn", str(imprint["isbn"])))
    if record.status == "open":
        tags += [
            ("citation_pdf_url", f"{record.url}/files/{quoted(f.key)}")
            for f in files[:FILES_A_PAGE]
            if f.mimetype == "application/pdf"
        ][:1]
    return tags


def _meta(tags: list[tuple[str, str]]) -> Markup:
    """As `<meta>` elements. Made here, not in the template, for speed: there are often a hundred."""
    return Markup("\n".join([f'<meta name="{name}" content="{escape(content)}">' for name, content in tags]))


def _versions(view: RecordView) -> tuple[list[Any], int]:
    """(versions to show, newest first; how many more there are); the one on the page is always among them."""
    newest = sorted(view.versions, key=lambda v: -v.index)
    shown = newest[:VERSIONS_SHOWN]
    if not any(v.id == view.id for v in shown):
        shown += [v for v in newest if v.id == view.id]
    return shown, len(newest) - len(shown)


def pages(current: int, last: int) -> list[int | None]:
    """Page numbers to link to: the first, the last and those around the current one; None is a gap."""
    near = sorted({1, last, *range(max(1, current - 2), min(last, current + 2) + 1)})
    result: list[int | None] = []
    for number in near:
        if result and result[-1] is not None and number - result[-1] > 1:
            result.append(result[-1] + 1 if number - result[-1] == 2 else None)
        result.append(number)
    return result


def _related(metadata: Metadata, t: Texts) -> Markup:
    """The items of the list of related works; there may be hundreds (see `file_tree`)."""
    lines = []
    for r in metadata.related_identifiers:
        about = ", ".join(
            x for x in (words.resource_type(r.resource_type, t.gettext), (r.scheme or "").upper()) if x
        )
        more = f'<p class="small muted">{escape(about)}</p>' if about else ""
        lines.append(
            f'<li><span class="rel">{escape(words.relation(r.relation, t.gettext))}</span>'
            f"<div>{linked(r.identifier, identifier_url(r.scheme, r.identifier))}"
            f"{more}</div></li>"
        )
    return Markup("\n".join(lines))


def record_page(
    view: RecordView,
    *,
    settings: Settings,
    lang: str = "en",
    viewer: Viewer | None = None,
    files_page: int = 1,
    next_url: str | None = None,
    ask: str = "",
    by_link: bool = False,
    draft: bool = False,
    said: str = "",
    way: tuple[str, str] | None = None,
) -> bytes:
    """The landing page in HTML, with the form to ask for access by a `user` or `guest` where `ask` says so.

    Who sees files that are not public `by_link` alone has no token that opens them: how to fetch them by program is left out.

    With `draft` it shows what is not published yet, as it will look (`draft_preview`); then `said` is who sees that,
    and `way` (address, label) where it can be changed.

    `view.files` is the whole list or, when it is shorter than `view.file_count`, the page `files_page` of it
    (`FILES_A_PAGE` a page). `next_url` is where to go after logging in.
    """
    t = texts(lang)
    _ = t.gettext
    metadata, access = view.data.metadata, view.data.access
    is_public = not draft and access.record_public(view.today or today_utc())
    files: Sequence[FileView] = view.files or ()
    whole = len(files) >= view.file_count
    last_page = max(1, -(-view.file_count // FILES_A_PAGE))
    files_page = min(max(files_page, 1), last_page)
    if whole and last_page > 1:
        files = files[(files_page - 1) * FILES_A_PAGE : files_page * FILES_A_PAGE]
        whole = False
    record = ExportRecord.of(view, settings, JSON_LD_FILES)
    people, affiliations = _people(metadata.creators, "creators.name")
    contributors, contributor_places = _people(metadata.contributors, "contributors.name")
    contributor_roles = [words.role(p.role, _) for p in metadata.contributors]
    rows = file_rows(files, settings, view.id, whole, draft=draft)
    versions, more_versions = _versions(view)
    kind = words.resource_type(metadata.resource_type, _)
    abstract = plain(metadata.description or "")
    latest = next((v for v in view.versions if v.id == view.latest_id), None)
    may_download = bool(view.files) and view.file_count > 0 and not draft
    preview = first_preview(rows, view.data.default_preview, view.sorted_files) if files_page == 1 else None
    return render(
        "record",
        lang=lang,
        settings=settings,
        viewer=viewer,
        next_url=next_url or f"/records/{view.id}",
        view=view,
        record=record,
        metadata=metadata,
        access=access,
        is_public=is_public,
        ask=ask,
        kind=kind,
        status=_(words.STATUSES[view.status]),
        status_icon=words.STATUS_ICONS[view.status],
        people=people,
        people_shown=PEOPLE_SHOWN,
        affiliations=affiliations,
        # One affiliation that all creators share needs no numbers; one that only some have does.
        marked=len(affiliations) > 1 or (bool(affiliations) and not all(p.marks for p in people)),
        about=description_html(metadata.description),
        abstract=shorten(abstract, 300),
        more_texts=[
            (words.description_type(d.type, _), description_html(d.description))
            for d in metadata.additional_descriptions
        ],
        keywords=Markup(
            "".join(
                f'<li><a class="tag" href="{escape(phrase_url("keywords", k))}">{escape(k)}</a></li>'
                for k in metadata.keywords()
            )
        ),
        subjects=[(s.subject, s.scheme, safe_url(s.id)) for s in metadata.subjects if s.id is not None],
        files=file_tree(rows, t) if rows else "",
        checksums=[r for r in rows if not r.folder] if 0 < len(files) <= CHECKSUMS_SHOWN else [],
        files_page=files_page,
        files_pages=pages(files_page, last_page) if last_page > 1 else [],
        last_page=last_page,
        may_download=may_download,
        fetching=_fetch(rows, record, t) if may_download and (view.status == "open" or not by_link) else "",
        preview=preview,
        draft=draft,
        said=said,
        way=way,
        mail=_mail(metadata.title, record.doi_url or record.url),
        styles=_STYLES,
        badges=_badges(view.doi, record, settings, t) if view.doi else "",
        related=_related(metadata, t),
        related_count=len(metadata.related_identifiers),
        references=[_reference(r) for r in metadata.references],
        rights=_rights(metadata, t),
        funding=[_funding(f) for f in metadata.funding],
        citation=apa(record),
        doi_path=quoted(view.doi or ""),
        doi_state=_doi_state(view, t),
        versions=versions,
        more_versions=more_versions,
        all_versions_url=search_url(f"conceptrecid:{view.concept_id}", all_versions="1"),
        latest=None if view.is_latest else (latest or view.latest_id),
        contributors=[(c, role) for c, role in zip(contributors, contributor_roles, strict=True)],
        contributor_places=contributor_places,
        languages=[t.language_name(code) for code in metadata.languages],
        dates=[(words.date_type(d.type, _), d.date, d.description) for d in metadata.dates],
        more_titles=[(words.title_type(x.type, _), x.title) for x in metadata.additional_titles],
        alternates=[
            (a.identifier, a.scheme, identifier_url(a.scheme, a.identifier)) for a in metadata.identifiers
        ],
        published_in=_journal(metadata, t),
        custom=_custom(metadata),
        alternates_of=_alternates(view.id),
        exports=_export_links(view.id),
        json_ld=Markup(schemaorg.script(record, JSON_LD_FILES, abstract)),
        citation_tags=_meta(_citation_tags(record, files) if is_public else []),
        stats=_stats(view),
        today=view.today or today_utc(),
    )


# Those that programs for references read come first.
_EXPORTS: Final = sorted(
    (f for f in FORMATS.values() if f.name != "linkset"), key=lambda f: f.name not in ("bibtex", "ris", "csl")
)
_ALTERNATES: Final = "\n".join(
    f'<link rel="alternate" type="{f.media_type}" href="/records/{{id}}/export/{f.name}" title="{f.title}">'
    for f in _EXPORTS
)
_EXPORT_LINKS: Final = " ".join(f'<a href="/records/{{id}}/export/{f.name}">{f.title}</a>' for f in _EXPORTS)
_STYLES: Final = Markup("".join(f'<option value="{name}">{title}</option>' for name, title in OFFERED))


@lru_cache(maxsize=8)
def _copy_button(language: str) -> tuple[str, str]:
    """A button that copies an element's text, parted where the element's id stands. As the macro `copy_text`."""
    _ = texts(language).gettext
    return (
        '<button class="btn sm" type="button" data-copy="#',
        f'" data-copied="{escape(_("Copied"))}">{icon("copy")}<span data-label>{escape(_("Copy"))}</span></button>',
    )


def _badges(doi: str, record: ExportRecord, settings: Settings, t: Texts) -> Markup:
    """What others paste to show the badge, each with its button. Made here for speed, as are the three below."""
    image, url = f"{settings.base_url}/badge/doi/{quoted(doi)}.svg", record.doi_url or record.url
    before, after = _copy_button(t.language)
    made = []
    for key, name, text in (
        ("md", "Markdown", f"[![DOI]({image})]({url})"),
        ("rst", "reStructuredText", f".. image:: {image}\n   :target: {url}\n   :alt: DOI {doi}"),
        ("html", "HTML", f'<a href="{url}"><img src="{image}" alt="DOI {escape(doi)}"></a>'),
    ):
        made.append(
            f'<div class="code"><p class="between"><span class="label">{name}</span>{before}badge-{key}{after}</p>'
            f'<pre id="badge-{key}" tabindex="0" role="region" aria-label="{name}"><code>{escape(text)}</code></pre></div>'
        )
    return Markup("".join(made))


def _fetch(rows: Sequence[FileRow], record: ExportRecord, t: Texts) -> Markup:
    before, after = _copy_button(t.language)
    says = t.gettext("Lines for %(name)s")
    made: list[str] = []
    for key, name, lines in fetching(rows, record):
        label = says % {"name": name}
        made.append(
            f'<details name="fetch"{"" if made else " open"}><summary>{name}</summary><div class="code">'
            f'<pre id="fetch-{key}" tabindex="0" role="region" aria-label="{escape(label)}"><code>{escape(lines)}</code></pre>'
            f"{before}fetch-{key}{after}</div></details>"
        )
    return Markup("\n".join(made))


def _alternates(record_id: int) -> Markup:
    return Markup(_ALTERNATES.replace("{id}", str(record_id)))


def _export_links(record_id: int) -> Markup:
    return Markup(_EXPORT_LINKS.replace("{id}", str(record_id)))


def _mail(title: str, url: str) -> str:
    """A mail of this record to somebody: the address that begins it."""
    subject = shorten(title, 150)
    # RFC 6068 lets these stand; most titles and addresses have no others, and `quote` takes 10 microseconds.
    subject = subject.replace(" ", "%20") if _MAILED(subject) else quote(subject)
    return f"mailto:?subject={subject}&body={url if _MAILED(url) and ' ' not in url else quote(url)}"


_MAILED: Final = re.compile(r"[A-Za-z0-9 ,.:/_~()-]*").fullmatch


def draft_preview(
    view: DraftView,
    *,
    settings: Settings,
    lang: str = "en",
    viewer: Viewer | None = None,
    said: str = "",
    way: tuple[str, str] | None = None,
) -> bytes:
    """A draft as its page will look once it is published: `said` is who sees it, `way` (address, label) leads to its form."""
    day = today_utc()
    listed = [f for f in view.files if not f.hidden]
    count = view.file_count or len(listed)
    shown = RecordView(
        id=view.id,
        concept_id=view.concept_id,
        index=view.index,
        latest_id=view.id,
        revision=view.revision,
        created=view.created,
        updated=view.updated,
        data=view.data,
        doi=view.doi or view.data.doi,
        concept_doi=view.concept_doi,
        doi_state="registered" if view.published else "draft",
        owner_id=view.owner_id,
        bucket=view.bucket,
        status=view.data.access.status(day, has_files=bool(count)),
        files=listed,
        file_count=count,
        total_bytes=view.total_bytes or sum(f.size for f in listed),
        today=day,
        sorted_files=view.sorted_files,
    )
    return record_page(
        shown,
        settings=settings,
        lang=lang,
        viewer=viewer,
        next_url=f"/uploads/{view.id}/preview",
        draft=True,
        said=said,
        way=way,
    )


def _stats(view: RecordView) -> dict[str, int]:
    """Views, downloads and bytes over all versions, where they are counted (api-legacy.md 8.2)."""
    names = ("views", "downloads", "volume")
    return {name: view.stats[name] for name in names if name in view.stats}


def link_header(view: RecordView, settings: Settings) -> str:
    """The signposting `Link` header of the landing page, at most 3,000 bytes."""
    return signposting.header(ExportRecord.of(view, settings, max_files=100))
