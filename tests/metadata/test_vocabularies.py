"""The closed vocabularies, and what Zenodo's clients call their terms."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest

from strongroom.metadata import html, vocabularies
from tests.metadata.zenodo_documents import SHARED

VOCABULARIES = SHARED / "data" / "vocabularies"

DOCUMENTED_RELATIONS = """
    isCitedBy cites isSupplementTo isSupplementedBy isContinuedBy continues isDescribedBy describes hasMetadata
    isMetadataFor isNewVersionOf isPreviousVersionOf isPartOf hasPart isReferencedBy references isDocumentedBy
    documents isCompiledBy compiles isVariantFormOf isOriginalFormOf isIdenticalTo isReviewedBy reviews
    isDerivedFrom isSourceOf requires isRequiredBy isObsoletedBy obsoletes hasVersion isVersionOf isPublishedIn
"""


def test_licences_are_read_as_zenodos_table_says() -> None:
    """All 519 ids of Zenodo's own table, but the names that section 9.2 reads as the version in use."""
    table = json.loads((VOCABULARIES / "zenodo-legacy-to-rdm-licenses.json").read_text(encoding="utf-8"))
    newer = {"apache", "cc-by", "cc-by-sa", "eiffel", "fal", "gfdl", "openfont", "pythonpl", "zpl"}
    different = {key for key, meant in table.items() if vocabularies.licence_id(key) != meant}
    assert different == newer
    old = json.loads((VOCABULARIES / "zenodo-legacy-licenses.json").read_text(encoding="utf-8"))
    assert [row["id"] for row in old if vocabularies.licence_id(row["id"].upper()) is None] == []


def test_licences_are_complete() -> None:
    with (VOCABULARIES / "rdm-licenses.csv").open(encoding="utf-8", newline="") as file:
        wanted = {row["id"]: row["title__en"] for row in csv.DictReader(file)}
    found = {k: v.title for k, v in vocabularies.licences().items() if v.spdx}
    assert {k: found.get(k) for k in wanted} == wanted
    # SPDX lists more than InvenioRDM: also its newest, and those deprecated without a successor.
    assert {"blueoak-1.0.0", "etalab-2.0", "cc-by-nc-3.0-igo", "nunit"} <= set(found)
    assert len(found) > 700
    mit = vocabularies.licence("mit")
    assert mit is not None
    assert mit.osi_approved
    assert mit.url
    assert vocabularies.licence("nope") is None


def test_relations_of_the_documentation() -> None:
    for spelling in DOCUMENTED_RELATIONS.split():
        key = vocabularies.relation_id(spelling)
        assert key == spelling.lower()
        assert vocabularies.legacy_relations()[key] == spelling


def test_contributor_types_of_the_documentation() -> None:
    names = "ContactPerson DataCollector HostingInstitution RightsHolder Supervisor WorkPackageLeader Other"
    for spelling in names.split():
        assert vocabularies.legacy_roles()[spelling.lower()] == spelling


@pytest.mark.parametrize(
    ("key", "datacite", "subtype"),
    [("dataset", "Dataset", None), ("publication-article", "JournalArticle", "article"), ("image-photo", "Image", "photo")],
)  # fmt: skip
def test_resource_types(key: str, datacite: str, subtype: str | None) -> None:
    found = vocabularies.resource_type(key)
    assert found is not None
    assert (found.datacite, found.subtype) == (datacite, subtype)
    assert found.schema_org.startswith("https://schema.org/")
    assert found.coar
    assert found.coar.startswith("http://purl.org/coar/resource_type/")


def test_languages() -> None:
    assert vocabularies.language_id("fre") == "fra"
    assert vocabularies.language_title("eng") == "English"
    assert vocabularies.language_tag("eng") == "en"
    assert vocabularies.language_tag("gsw") == "gsw"
    assert vocabularies.language_id("xyz") is None
    assert vocabularies.find_language("Deutsch") == vocabularies.find_language(" german") == "deu"


def test_funders() -> None:
    found = vocabularies.funder_by_doi("10.13039/501100000780")
    assert found is not None
    assert (found.acronym, found.id) == ("EC", "00k4n6c32")
    shared = vocabularies.funder_by_ror("001aqnf71")
    assert shared is not None
    assert shared.acronym == "UKRI"
    croatia = vocabularies.funder_by_doi("10.13039/501100006588")
    assert croatia is not None
    assert croatia.id is None


def test_importing_is_cheap() -> None:
    """No library that takes long to import comes along: they would be paid at every start."""
    code = (
        "import sys, strongroom.metadata.legacy, strongroom.metadata.checks;"
        "print([m for m in ('idutils', 'isbnlib', 'pycountry', 'yaml', 'urllib.request') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("markup", "cleaned"),
    [
        ("plain", "plain"),
        ("<p>Hourly <b>levels</b>.</p><script>alert(1)</script>", "<p>Hourly <b>levels</b>.</p>"),
        ("<center>x</center><h2 onclick=y class=k>t</h2>", 'x<h2 class="k">t</h2>'),
        ('<a href="javascript:x" target=_blank>k</a>', "<a>k</a>"),
        ('<a href="https://x.org" rel="nofollow" title="t">k</a>', '<a href="https://x.org" rel="nofollow" title="t">k</a>'),
        ("a & b < c", "a &amp; b &lt; c"),
        ("<img src=x onerror=alert(1)>", ""),
        ("x<sup>2</sup> <caption>c</caption>", "x<sup>2</sup> c"),
    ],
)  # fmt: skip
def test_html(markup: str, cleaned: str) -> None:
    assert html.clean(markup) == cleaned


def test_plain_text() -> None:
    assert html.plain("<p>H<sub>2</sub>O &amp; more</p><ul><li>a</li><li>b</li></ul>") == "H2O & more a b"
    assert html.plain("one\n two") == "one two"
    assert html.plain("a &lt; b<style>x{}</style>") == "a < b"
