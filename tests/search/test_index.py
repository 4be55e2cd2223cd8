"""What is found: one index, a handful of documents that differ where it matters."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.errors import Invalid, Malformed
from strongroom.search import Bucket, Document, FileEntry, QuerySyntaxError, SearchRequest, sort_names
from strongroom.search.documents import Agent, Grant, Link
from strongroom.search.fields import FIELDS, NAMES, resolve
from strongroom.search.index import Index, check
from tests.search.test_query import HOSTILE
from tests.search.truth import document

RIVER = document(
    2,
    title="River gauges of the Thur",
    description="Hourly levels measured by GC-MS, l'été: données de l'expérience.",
    notes=("Calibrated twice.",),
    methods=("Ultrasonic.",),
    creators=(Agent("Curie, Marie", ("Sorbonne",), "0000-0002-1825-0097", "170118215"),),
    contributors=(Agent("Sup, Anna", ("ETH Zürich",), role="supervisor"),),
    keywords=("Hydrology", "water level"),
    resource_type="publication-article",
    access_status="open",
    publication_date="2019-05-06",
    version_label="1.2.0",
    languages=("eng",),
    licences=("cc-by-4.0",),
    licence_urls=("https://creativecommons.org/licenses/by/4.0/",),
    doi="10.5281/zenodo.2",
    concept_doi="10.5281/zenodo.1",
    related=(Link("10.1234/paper", "doi", "issupplementto"),),
    alternates=(Link("arXiv:1234.5678", "arxiv"),),
    grants=(
        Grant(
            "283595", "OpenAIREplus", "FP7", "2nd-Generation", "European Commission", "10.13039/501100000780"
        ),
    ),
    communities=("zenodo", "rivers"),
    places=("Andelfingen",),
    points=((8.68, 47.59),),
    journal={"title": "Hydrology Letters", "volume": "7", "issue": "2", "pages": "1-9", "issn": "1234-5678"},
    meeting={
        "title": "Water Days",
        "acronym": "WD19",
        "place": "Basel",
        "session": "III",
        "session_part": "2",
    },
    imprint={"isbn": "978-3-16-148410-0", "place": "Bern", "title": "Rivers of Europe", "pages": "10-20"},
    thesis_university="University of Basel",
    custom={"dwc:family": ("Salmonidae",)},
    owners=(7,),
    viewers=(7,),
    file_count=2,
    total_bytes=3_000,
    files=(
        FileEntry("data/levels.csv", 1_000, "d41d8cd98f00b204e9800998ecf8427e", "e3b0c442"),
        FileEntry("readme.md", 2_000, "0123"),
    ),
)
ROSE = document(
    4,
    title="Rose scent sciences",
    description="Aroma of roses; a river of petals.",
    creators=(Agent("Doe, Jane"),),
    keywords=("Hydrology", "roses"),
    resource_type="dataset",
    access_status="embargoed",
    access_right="embargoed",
    embargo_until=date(2030, 1, 1),
    publication_date="2021",
    created=datetime(2025, 1, 1, tzinfo=UTC),
    owners=(8,),
    viewers=(8,),
    file_count=1,
    total_bytes=10,
    files=(FileEntry("rose.csv", 10),),
    points=((170.0, -40.0), (-175.0, -41.0)),
)
OLD = document(
    6,
    concept_id=9,
    is_latest=False,
    title="Water temperature",
    resource_type="software",
    publication_date="2022-02",
    access_status="restricted",
    access_right="closed",
)
NEW = document(
    10,
    concept_id=9,
    title="Water temperature, corrected",
    resource_type="software",
    publication_date="2023-01-01/2023-12-31",
    version_index=2,
    access_status="metadata-only",
)
SECRET = document(
    12, title="A secret river", public=False, viewers=(7, 9), owners=(9,), resource_type="dataset"
)
CHINESE = document(14, title="水の温度と流れ", description="Ελληνικά", resource_type="dataset")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    made = fill(tmp_path_factory.mktemp("index") / "one", RIVER, ROSE, OLD, NEW, SECRET, CHINESE)
    assert made.count == 6
    return made


def fill(path: Path, *documents: Document) -> Index:
    index = Index.create(path)
    writer = index.writer()
    for each in documents:
        writer.put(each)
    writer.commit()
    writer.finish()
    index.reload()
    return index


def find(index: Index, q: str = "", **more: Any) -> list[int]:
    hits = index.search(SearchRequest(q, facets=False, **more))
    assert hits.total >= len(hits.ids)
    return hits.ids


@pytest.mark.parametrize(
    ("q", "ids"),
    [
        ("gauges", {2}),
        ("GAUGES", {2}),
        ("gauge", {2}),
        ("rose AND scent", {4}),
        ("science", {4}),
        ("sciences", {4}),
        ("river", {2, 4}),
        ("rivers AND gauges", {2}),
        ("title:river", {2}),
        ("river scent", {2, 4}),
        ("river AND NOT scent", {2}),
        ("+river -scent", {2}),
        ('"gauges of the Thur"', {2}),
        ('"Thur gauges"', set()),
        ('"river thur"~3', {2}),
        ('title:"River gauges"', {2}),
        ("title: gauges", {2}),
        ("title:(river AND gauges)", {2}),
        ("ete donnees experience", {2}),
        ("GC-MS", {2}),
        ("MS-GC", set()),
        ("zurich", {2}),
        ("0000-0002-1825-0097", {2}),
        ("10.5281/zenodo.2", {2}),
        ("10.5281/zenodo.1", {2}),
        ("https://doi.org/10.5281/zenodo.2", {2}),
        ("10.5281/zenodo.*", {2}),
        ("levels.csv", {2}),
        ("温度", {14}),
        ("水の", {14}),
        ("度温", set()),
        ("ΕΛΛΗΝΙΚΆ", {14}),
        ("gaug*", {2}),
        ("g?uges", {2}),
        ("*uges", {2}),
        ("title:gaug*", {2}),
        ("title:sorb*", set()),
        ("GC-MS*", {2}),
        ("gaukes~", {2}),
        ("gaukes~1", {2}),
        ("title:gaukes~1", {2}),
        ("gaukas~1", set()),
        ("title:/ga(u|v)ges/", {2}),
        ("NOT river", {10, 14}),
        ("AND-less & river", {2, 4}),
        ("river AND &", {2, 4}),
        ('"—"', set()),
        ("nofield:1", set()),
        ("*", {2, 4, 10, 14}),
        ("_exists_:doi", {2}),
        ("journal.title:*", {2}),
        ("NOT _exists_:doi", {4, 10, 14}),
        # fields
        ("description:hourly", {2}),
        ("notes:calibrated", {2}),
        ("creators.name:curie", {2}),
        ('creators.name:"Curie, Marie"', {2}),
        ("creators.affiliation:sorbonne", {2}),
        ("creators.orcid:0000-0002-1825-0097", {2}),
        ('creators.orcid:"https://orcid.org/0000-0002-1825-0097"', {2}),
        ("creators.gnd:170118215", {2}),
        ("contributors.name:sup", {2}),
        ("contributors.type:Supervisor", {2}),
        ("contributors.affiliation:eth", {2}),
        ("keywords:hydrology", {2, 4}),
        ('keywords:"water level"', {2}),
        ("doi:10.5281/zenodo.2", {2}),
        ('doi:"10.5281/zenodo.2"', {2}),
        ("doi:10.5281/zenodo.1", set()),
        ("conceptdoi:10.5281/zenodo.1", {2}),
        ("recid:2", {2}),
        ("recid:(2 OR 4)", {2, 4}),
        ("recid:[3 TO 4]", {4}),
        ("conceptrecid:9", {10}),
        ("resource_type.type:publication", {2}),
        ("resource_type.subtype:article", {2}),
        ("resource_type:publication-article", {2}),
        ("resource_type:publication", {2}),
        ("type:dataset", {4, 14}),
        ("access_right:open", {2, 10, 14}),
        ("access.status:metadata-only", {10}),
        ("access_right:embargoed", {4}),
        ("embargodate:[2029 TO 2031]", {4}),
        ("alternate.identifier:arXiv\\:1234.5678", {2}),
        ("alternate.scheme:arxiv", {2}),
        ("related.identifier:10.1234/paper", {2}),
        ('related.identifier:"https://doi.org/10.1234/paper"', {2}),
        ("related.relation:isSupplementTo", {2}),
        ("related.scheme:doi", {2}),
        ("communities:rivers", {2}),
        ("created:[2025-01-01 TO *]", {4}),
        ("created:2025-01-01", {4}),
        ("publication_date:2019", {2}),
        ("publication_date:[2019 TO 2021]", {2, 4}),
        ("publication_date:[2019 TO 2021}", {2}),
        ("publication_date:>=2021", {4, 10}),
        ("publicationdate:2023-01-01", {10}),
        ("grants.code:283595", {2}),
        ("grants.acronym:OpenAIREplus", {2}),
        ("grants.program:FP7", {2}),
        ("grants.title:generation", {2}),
        ('grants.funder.name:"European Commission"', {2}),
        ("grants.funder.doi:10.13039/501100000780", {2}),
        ("owners:7", {2}),
        ("user:8", {4}),
        ("language:eng", {2}),
        ("license.identifier:CC-BY-4.0", {2}),
        ('license.url:"https://creativecommons.org/licenses/by/4.0/"', {2}),
        ("version:2", {10}),
        ("version:1.2.0", {2}),
        ("journal.title:letters", {2}),
        ("journal.volume:7", {2}),
        ("journal.pages:1-9", {2}),
        ("journal.issn:1234-5678", {2}),
        ("meeting.title:water", {2}),
        ("meeting.acronym:wd19", {2}),
        ("meeting.place:basel", {2}),
        ("meeting.session:III", {2}),
        ("meeting.session_part:2", {2}),
        ("imprint.isbn:978-3-16-148410-0", {2}),
        ("imprint.place:bern", {2}),
        ("part_of.title:europe", {2}),
        ("part_of.pages:10-20", {2}),
        ("thesis.university:basel", {2}),
        ("filecount:2", {2}),
        ("filecount:[1 TO 1]", {4}),
        ("filename:levels", {2}),
        ("filename:data/levels.csv", {2}),
        ("filetype:csv", {2, 4}),
        ("filesize:2000", {2}),
        ("size:>2999", {2}),
        ("_files.checksum:d41d8cd98f00b204e9800998ecf8427e", {2}),
        ('_files.checksum:"md5:d41d8cd98f00b204e9800998ecf8427e"', {2}),
        ("_files.size:1000", {2}),
        ("dwc:family:salmonidae", {2}),
        ("dwc:family:salmo*", {2}),
        ("_exists_:dwc\\:family", {2}),
        ("metadata.creators.person_or_org.name:doe", {4}),
        ("metadata.resource_type.id:dataset", {4, 14}),
        ("access.status:open", {2, 14}),
    ],
)
def test_finds(index: Index, q: str, ids: set[int]) -> None:
    assert set(find(index, q)) == ids


def test_every_field_has_a_name() -> None:
    used = {field for fields in NAMES.values() for field in fields}
    assert used <= set(FIELDS)
    assert set(FIELDS) - used == {"text", "custom"}
    legacy = (  # noqa: SIM905 (one a line would be a page)
        "resource_type.type resource_type.subtype type access_right alternate.identifier alternate.scheme communities "
        "conceptdoi conceptrecid created creators.name creators.affiliation creators.orcid creators.gnd "
        "contributors.name contributors.affiliation contributors.orcid contributors.gnd contributors.type "
        "description doi embargodate grants.code grants.acronym grants.program grants.title grants.funder.doi "
        "grants.funder.name owners user keywords language license.identifier license.url publicationdate "
        "publication_date recid related.identifier related.scheme related.relation title version journal.title "
        "journal.pages journal.volume journal.issn meeting.title meeting.acronym meeting.dates meeting.place "
        "meeting.url meeting.session meeting.session_part part_of.title part_of.pages imprint.isbn imprint.place "
        "imprint.publisher notes thesis.university filecount filename filetype filesize size _files.checksum "
        "_files.size"
    ).split()
    assert [name for name in legacy if not resolve(name)] == []


def test_title_weighs_more(index: Index) -> None:
    assert find(index, "river") == [2, 4]


def test_versions(index: Index) -> None:
    assert find(index, "temperature") == [10]
    assert set(find(index, "temperature", all_versions=True)) == {6, 10}
    assert set(find(index, "conceptrecid:9", all_versions=True)) == {6, 10}
    assert set(find(index, "access_right:closed", all_versions=True)) == {6}
    assert set(find(index, "access_right:restricted", all_versions=True)) == {6}


def test_only_viewers_find_what_is_not_public(index: Index) -> None:
    assert find(index, "secret") == []
    assert find(index, "secret", viewer=8) == []
    assert find(index, "secret", viewer=9) == [12]
    assert set(find(index, "river", viewer=7)) == {2, 4, 12}
    assert set(find(index, "", viewer=7, mine=True)) == {2, 12}
    assert find(index, "", mine=True) == []
    assert index.search(SearchRequest("secret")).facets["resource_type"] == []


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"type": "publication"}, {2}),
        ({"type": "publication", "subtype": "article"}, {2}),
        ({"type": "publication", "subtype": "book"}, set()),
        ({"subtype": "article"}, {2, 4, 10, 14}),
        ({"communities": ("rivers",)}, {2}),
        ({"communities": ("rivers", "other")}, {2}),
        ({"custom": (("dwc:family", "salmonidae"),)}, {2}),
        ({"custom": (("dwc:genus", "salmonidae"),)}, set()),
        ({"bounds": (8.0, 47.0, 9.0, 48.0)}, {2}),
        ({"bounds": (160.0, -50.0, -170.0, -30.0)}, {4}),
        ({"bounds": (165.0, -40.5, 175.0, -39.5)}, {4}),
        ({"bounds": (165.0, -41.5, 175.0, -40.5)}, set()),
        ({"access_status": ("embargoed", "metadata-only")}, {4, 10}),
        ({"access_right": ("embargoed",)}, {4}),
        ({"resource_type": ("publication",)}, {2}),
        ({"resource_type": ("publication::publication-article",)}, {2}),
        ({"resource_type": ("dataset", "software")}, {4, 10, 14}),
        ({"subject": ("Hydrology",)}, {2, 4}),
        ({"subject": ("hydrology",)}, set()),
        ({"file_type": ("csv",), "resource_type": ("dataset",)}, {4}),
        ({"publication_date": ("2019..2021",)}, {2, 4}),
        ({"publication_date": ("2022..",)}, {10}),
        ({"publication_date": ("..2019-12-31",)}, {2}),
        ({"publication_date": ("2021",)}, {4}),
    ],
)
def test_filters(index: Index, filters: dict[str, Any], ids: set[int]) -> None:
    assert set(find(index, **filters)) == ids


def test_facets(index: Index) -> None:
    facets = index.search(SearchRequest("")).facets
    assert facets["publication_date"] == [Bucket("2023", 1), Bucket("2021", 1), Bucket("2019", 1)]
    assert facets["resource_type"] == [
        Bucket("dataset", 2),
        Bucket("publication", 1, (Bucket("publication-article", 1),)),
        Bucket("software", 1),
    ]
    assert facets["subject"][0] == Bucket("Hydrology", 2)
    assert {bucket.key for bucket in facets["subject"]} == {"Hydrology", "water level", "roses"}
    assert {(bucket.key, bucket.count) for bucket in facets["access_status"]} == {
        ("open", 2),
        ("embargoed", 1),
        ("metadata-only", 1),
    }
    assert set(facets["file_type"]) == {Bucket("csv", 2), Bucket("md", 1)}
    assert index.search(SearchRequest("nofield:1")).facets == {name: [] for name in facets}
    assert index.search(SearchRequest("", facets=False)).facets == {}


def test_a_choice_does_not_shrink_its_own_facet(index: Index) -> None:
    facets = index.search(SearchRequest("", resource_type=("dataset",))).facets
    assert {bucket.key: bucket.count for bucket in facets["resource_type"]} == {
        "dataset": 2,
        "publication": 1,
        "software": 1,
    }
    assert [bucket.key for bucket in facets["publication_date"]] == ["2021"]


def test_sorts(index: Index) -> None:
    assert find(index) == [4, 14, 10, 2]
    assert find(index, sort="bestmatch") == [4, 14, 10, 2]
    assert find(index, sort="mostrecent") == [4, 14, 10, 2]
    assert find(index, sort="-mostrecent") == [2, 10, 14, 4]
    assert find(index, "river", sort="oldest") == [2, 4]
    assert find(index, "river", sort="-bestmatch") == [4, 2]
    assert find(index, sort="updated-asc") == [2, 4, 10, 14]
    assert find(index, sort="version")[0] == 10
    assert find(index, sort="publication-desc") == [10, 4, 2, 14]
    assert find(index, sort="publication_date") == [10, 4, 2, 14]
    assert find(index, sort="-publication_date") == [14, 2, 4, 10]
    assert find(index, sort="-journal")[0] == 2
    assert find(index, sort="conference-desc")[0] == 2
    assert find(index, sort="title") == [2, 4, 10, 14]
    for sort in sort_names:
        assert set(find(index, "river", sort=sort)) == {2, 4}


def test_refusals(index: Index) -> None:
    with pytest.raises(Invalid) as caught:
        check(SearchRequest(sort="nope"))
    assert [(f.field, f.messages) for f in caught.value.findings] == [
        ("_schema", ("Invalid sort option 'nope'.",))
    ]
    for request in (SearchRequest(page=401), SearchRequest(page=0), SearchRequest(page=101, size=100)):
        with pytest.raises(Malformed, match=r"^Invalid querystring parameters\.$"):
            check(request)
    with pytest.raises(QuerySyntaxError):
        check(SearchRequest("title:("))
    with pytest.raises(QuerySyntaxError):
        find(index, "/[/")
    with pytest.raises(QuerySyntaxError):
        find(index, "/(a|b)*a(a|b){20}/")
    with pytest.raises(Invalid):
        find(index, publication_date=("soon",))


def test_pages(tmp_path: Path) -> None:
    index = fill(tmp_path / "pages", *(document(id, title="same words") for id in range(2, 62, 2)))
    newest = list(range(60, 0, -2))
    seen: list[int] = []
    for page in (1, 2, 3, 4):
        hits = index.search(SearchRequest("", page=page, size=8))
        assert hits.total == 30
        seen += hits.ids
    assert seen == newest
    assert find(index, page=5, size=8) == []
    assert find(index, size=0) == []
    by_score = [id for page in (1, 2, 3) for id in find(index, "same", page=page, size=10)]
    assert sorted(by_score, reverse=True) == newest


def test_put_replaces_and_delete_deletes(tmp_path: Path) -> None:
    index = fill(tmp_path / "one", RIVER, ROSE)
    writer = index.writer()
    writer.put(replace(RIVER, title="Lake levels"))
    writer.delete(ROSE.id)
    writer.commit()
    index.reload()
    assert index.count == 1
    assert find(index, "title:lake") == [2]
    assert find(index, "title:gauges") == []
    assert find(index, "rose") == []


def test_counts_are_not_those_of_before_a_commit(tmp_path: Path) -> None:
    index = fill(tmp_path / "one", RIVER)
    assert index.search(SearchRequest("")).facets["resource_type"] == [
        Bucket("publication", 1, (Bucket("publication-article", 1),))
    ]
    writer = index.writer()
    writer.put(ROSE)
    writer.commit()
    index.reload()
    found = index.search(SearchRequest("")).facets["resource_type"]
    assert {bucket.key for bucket in found} == {"dataset", "publication"}


def _survives(index: Index, q: str) -> None:
    try:
        hits = index.search(SearchRequest(q))
    except QuerySyntaxError:
        return
    assert 0 <= hits.total <= 6


_PIECES = st.sampled_from(
    [
        *"()[]{}\"/\\:^~+-!&|*?<>=' .",
        "AND",
        "OR",
        "NOT",
        "TO",
        "title:",
        "doi:",
        "size:",
        "_exists_:",
        "dwc:family:",
        "created:",
        "river",
        "é",
        "\0",
        "水",
        "10.5281/x",
        "2020-01-01",
        "99999999999999999999",
        "[a-z]+",
        "\ue000",
    ]
)


@given(q=st.lists(_PIECES, max_size=12).map("".join) | st.text(max_size=40))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_is_hits_or_an_error(index: Index, q: str) -> None:
    _survives(index, q)


@pytest.mark.skipif(not HOSTILE.exists(), reason="the shared test data is not beside the repository")
def test_naughty_strings(index: Index) -> None:
    for text in json.loads(HOSTILE.read_text()):
        for q in (text, f"title:{text}", f'"{text}"', f"doi:{text}", f"{text}~", f"/{text}/"):
            _survives(index, q)


@pytest.mark.skipif(not HOSTILE.exists(), reason="the shared test data is not beside the repository")
def test_naughty_documents(tmp_path: Path) -> None:
    texts = [
        *json.loads(HOSTILE.read_text()),
        "x" * 100_000,
        "a" * 70_000 + " river",
        "\x00\ufffe",
    ]
    documents = [
        document(
            n * 2,
            title=text,
            keywords=(text,),
            doi=text,
            custom={"dwc:family": (text,)},
            files=(FileEntry(text, 1),),
        )
        for n, text in enumerate(texts, 1)
    ]
    index = fill(tmp_path / "naughty", *documents)
    assert index.count == len(texts)
    assert find(index, "river") == [(len(texts) - 1) * 2]
