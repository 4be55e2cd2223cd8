"""A repository with something on every page, to be looked at: by axe, by the HTML checker, by people (make_screenshots)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Literal

from strongroom.accounts import identities, merging
from strongroom.metadata.model import Access, Metadata, RecordData
from strongroom.sharing import service as sharing
from tests.app import PASSWORD, Reader, Site
from tests.browser.documents import pdf
from tests.web.samples import ROSE

Who = Literal["anonymous", "owner", "admin"]

TABLE = (
    "treatment,variable_fullname,cas_number,sample_mean,sem\n"
    + "".join(
        f"{cultivar}_{part},{compound},{cas},{mean:.2f},{mean / 20:.3f}\n"
        for cultivar in ("R_chinensis", "R_wichurana", "R_hybrida")
        for part in ("sepals", "stamens", "petals")
        for compound, cas, mean in (
            ("linalool", "78-70-6", 12.4),
            ("geraniol", "106-24-1", 310.02),
            ("2-phenylethanol", "60-12-8", 1042.7),
            ("beta-damascenone", "23726-93-4", 0.31),
        )
    )
).encode()
NOTES = (
    b"# Rose scent\n\nMeans and standard errors of *61 metabolites* in six cultivars.\n\n"
    b"| file | holds |\n|---|---|\n| data/means.csv | the table |\n"
)
SCRIPT = b"import csv\n\n\ndef rows(path: str) -> list[dict[str, str]]:\n    with open(path) as file:\n        return list(csv.DictReader(file))\n"


OTHERS = (
    ("A field guide to the scent of wild roses", "publication-book", "cc-by-4.0"),
    ("Petal temperature and the release of geraniol", "publication-article", "cc-by-4.0"),
    ("Chromatograms of six rose cultivars", "dataset", "cc0-1.0"),
    ("rosenose: reading GC-MS peaks of roses", "software", "mit"),
    ("How roses lost their scent", "presentation", "cc-by-sa-4.0"),
    ("Photographs of the rose garden at dawn", "image-photo", "cc-by-nc-4.0"),
    ("Nine lessons on the chemistry of rose oil", "lesson", "cc-by-4.0"),
    ("A workflow from raw spectra to rose metabolites", "workflow", "apache-2.0"),
)


@dataclass
class Showcase:
    site: Site
    people: dict[Who, Reader]
    pages: dict[str, tuple[str, Who]] = field(default_factory=dict)  # name → path, who looks

    def headers(self, who: Who) -> dict[str, str]:
        return dict(self.people[who].headers) if who != "anonymous" else {}


def described(title: str = "", **access: object) -> RecordData:
    said = {**ROSE, **({"title": title} if title else {})}
    return RecordData(metadata=Metadata(**said), access=Access(**access))  # type: ignore[arg-type]


def with_another(site: Site, who: Reader) -> Reader:
    """The same, after he showed that another account is his, too: for the last look before the two are merged."""
    other = site.reader("Phil")
    cookie = who.headers["cookie"].partition("=")[2]
    with site.ctx.db.read() as session:
        proof = merging.by_password(session, who.actor, cookie, f"{other.name}@example.org", PASSWORD)
        assert proof is not None
        kept = identities.sealed(identities.signing_key(session), "merge", asdict(proof), 3600)
    cookies = f"{who.headers['cookie']}; strongroom-merge={kept}"
    return replace(who, headers={**who.headers, "cookie": cookies})


def furnish(site: Site) -> Showcase:
    """Fill a started, empty site, and name the pages that are worth looking at."""
    desk = site.desk
    owner = site.reader("Philippe")
    admin = site.reader("Ada", admin=True)
    people: dict[Who, Reader] = {
        "owner": site.session("owner", owner),
        "admin": site.session("admin", admin),
    }
    me = owner.actor
    people["owner"] = with_another(site, people["owner"])

    def deposit(data: RecordData, *files: tuple[str, bytes]) -> int:
        draft = desk.create(me, data)
        for key, content in files or (("means.csv", TABLE),):
            desk.put(me, draft, key, content)
        return desk.publish(me, draft)

    first = deposit(
        described(),
        ("data/means.csv", TABLE),
        ("data/raw/plate 1.csv", TABLE),
        ("README.md", NOTES),
        ("scripts/rows.py", SCRIPT),
    )
    again = desk.new_version(me, first)
    desk.put(me, again, "data/means.csv", TABLE + b"more,,,,\n")
    desk.put(me, again, "report.pdf", pdf(b"The scent of six roses"))
    desk.update(me, again, described())
    rose = desk.publish(me, again)
    with site.ctx.db.begin() as session:
        sharing.create_link(session, me, rose, permission="preview", description="For the referees")
        sharing.add_grants(session, me, rose, [sharing.NewGrant("edit", str(admin.actor.user_id))])
    embargoed = deposit(
        described(
            "Scent of roses that are not yet named",
            embargo_until=date(2099, 1, 1),
            embargo_reason="A patent.",
        )
    )
    restricted = deposit(
        described(
            "Interviews with breeders of roses", files="restricted", conditions="<p>For research alone.</p>"
        )
    )
    withdrawn = deposit(described("Rose scent, measured with a broken column"))
    desk.withdraw(withdrawn, "retracted", "The column leaked.")
    for n, (title, kind, licence) in enumerate(OTHERS):
        data = described(title)
        data.metadata.resource_type = kind
        data.metadata.publication_date = f"{2012 + n}-0{1 + n % 9}-11"
        data.metadata.rights[0].id = licence
        data.metadata.version = None
        deposit(data)
    draft = desk.create(me, described("Rose scent: what we typed so far"))
    desk.put(me, draft, "data/means.csv", TABLE)
    empty = desk.create(me, RecordData())
    site.ctx.search.rebuild()

    case = Showcase(site, people)
    case.pages = {
        "front": ("/", "anonymous"),
        "browse": ("/search", "anonymous"),
        "search": ("/search?q=rose", "anonymous"),
        "search-nothing": ("/search?q=nothingatall", "anonymous"),
        "search-mistake": ("/search?q=title%3A%28rose", "anonymous"),
        "record": (f"/records/{rose}", "anonymous"),
        "record-old": (f"/records/{first}", "anonymous"),
        "record-owner": (f"/records/{rose}", "owner"),
        "share": (f"/records/{rose}/share", "owner"),
        "record-embargoed": (f"/records/{embargoed}", "anonymous"),
        "record-restricted": (f"/records/{restricted}", "owner"),
        "tombstone": (f"/records/{withdrawn}", "anonymous"),
        "citation": (f"/records/{rose}/citation?style=vancouver", "anonymous"),
        "preview-table": (f"/records/{rose}/preview/data/means.csv", "anonymous"),
        "preview-text": (f"/records/{rose}/preview/README.md", "anonymous"),
        "preview-pdf": (f"/records/{rose}/preview/report.pdf", "anonymous"),
        "preview-code": (f"/records/{rose}/preview/scripts/rows.py", "anonymous"),
        "login": ("/login", "anonymous"),
        "register": ("/register", "anonymous"),
        "forgotten": ("/forgotten", "anonymous"),
        "help": ("/help", "anonymous"),
        "help-search": ("/help/search", "anonymous"),
        "about": ("/about", "anonymous"),
        "policies": ("/policies", "anonymous"),
        "terms": ("/terms", "anonymous"),
        "uploads": ("/me/uploads", "owner"),
        "form": (f"/uploads/{draft}", "owner"),
        "form-empty": (f"/uploads/{empty}", "owner"),
        "form-publish": (f"/uploads/{draft}/publish", "owner"),
        "form-preview": (f"/uploads/{draft}/preview", "owner"),
        "profile": ("/account/settings/profile", "owner"),
        "identities": ("/account/settings/identities", "owner"),
        "merge": ("/account/settings/merge", "owner"),
        "merge-confirm": ("/account/settings/merge/confirm", "owner"),
        "security": ("/account/settings/security", "owner"),
        "admin": ("/admin", "admin"),
        "admin-users": ("/admin/users", "admin"),
        "admin-records": ("/admin/records?q=rose", "admin"),
        "admin-jobs": ("/admin/jobs", "admin"),
        "requests": ("/me/requests", "owner"),
        "applications": ("/account/settings/applications", "owner"),
        "api-docs": ("/api/docs", "anonymous"),
        "not-found": ("/nowhere", "anonymous"),
    }
    return case
