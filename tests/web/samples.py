"""Records to render: the recipe's rose data set as it is published, and variations of it."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, date, datetime
from typing import Any

from strongroom.metadata.model import Access, Metadata, RecordData
from strongroom.records.views import DraftView, FileView, RecordView, VersionView
from strongroom.settings import Settings

SETTINGS = Settings(base_url="https://data.example.org", data_dir="/nonexistent")  # type: ignore[arg-type]
CREATED = datetime(2019, 3, 13, 8, 37, 22, 436960, tzinfo=UTC)
TODAY = date(2026, 11, 22)
DESCRIPTION = (
    "This dataset, in the form of a Frictionless Tabular Data Package "
    "(https://frictionlessdata.io/specs/tabular-data-package/), holds the measurements of 61 known metabolites (all "
    "annotated with resolvable CHEBI identifiers and InChi), measured by gas chromatography mass-spectrometry (GC-MS) "
    "in 6 different Rose cultivars (all annotated with resolvable NCBITaxId) and 3 organism parts (all annotated with "
    "resolvable Plant Ontology identifiers). The data was extracted from a supplementary material table, published "
    "alongside the Nature Genetics manuscript identified by the following doi: "
    "https://doi.org/10.1038/s41588-018-0110-3, published in June 2018."
)
OXFORD = {"name": "University of Oxford"}
ROSE: dict[str, Any] = {
    "resource_type": "dataset",
    "title": (
        "Frictionless Tabular data package for GC-MS data from Rose Genome article published in Nature genetics, June, 2018"
    ),
    "creators": [
        {
            "name": "Philippe Rocca-Serra",
            "identifiers": [{"scheme": "orcid", "identifier": "0000-0001-9853-5668"}],
            "affiliations": [OXFORD],
        },
        {
            "name": "Susanna Assunta Sansone",
            "identifiers": [{"scheme": "orcid", "identifier": "0000-0001-5306-5690"}],
            "affiliations": [OXFORD],
        },
    ],
    "publication_date": "2019-03-13",
    "version": "2",
    "description": DESCRIPTION,
    "rights": [{"id": "cc-by-4.0"}],
    "languages": ["eng"],
    "subjects": [
        {"subject": word}
        for word in (
            "FAIR data",
            "Design of Experiment",
            "Rose scent",
            "targeted metabolite profiling",
            "gas chromatography mass spectrometry",
            "Tabular Data Package",
            "STATO ontology",
            "ISA format",
            "interoperability",
        )
    ],
    "references": [{"reference": "https://doi.org/10.1038/s41588-018-0110-3"}],
    "related_identifiers": [
        {"relation": "cites", "identifier": "10.1038/s41588-018-0110-3", "scheme": "doi"},
        {"relation": "cites", "identifier": "10.5281/zenodo.2598799", "scheme": "doi"},
        {"relation": "isnewversionof", "identifier": "10.5281/zenodo.2557893", "scheme": "doi"},
    ],
    "funding": [
        {
            "funder": {"id": "00k4n6c32", "name": "European Commission", "doi": "10.13039/501100000780"},
            "award": {"number": "654241", "acronym": "PhenoMeNal", "program": "H2020"},
        }
    ],
}
NAMES = (
    (
        "rose-aroma-naturegenetics2018-treatment-group-mean-sem-report-datapackage.json",
        7411,
        "application/json",
    ),
    ("rose-aroma-naturegenetics2018-treatment-group-mean-sem-report-table-example.csv", 121847, "text/csv"),
    ("isa-tab/Galaxy424-ISA_files__i_investigation.tsv", 5001, "text/tab-separated-values"),
    ("isa-tab/Galaxy424-ISA_files__s_study.tsv", 1702, "text/tab-separated-values"),
    ("isa-tab/Galaxy424-ISA_files__a_user_defined_sample_type_assay.tsv", 8604, "text/tab-separated-values"),
    (
        "isa-tab/Galaxy424-ISA_files__a_user_defined_sample_type_positive.tsv",
        8604,
        "text/tab-separated-values",
    ),
    ("validated/report.html", 61_020, "text/html"),
    ("validated/table one#+.csv", 121_847, "text/csv"),
    ("validated/figure 1.png", 70_100, "image/png"),
    ("validated/article.pdf", 8_433, "application/pdf"),
)


def file(key: str, size: int = 1000, mimetype: str = "text/plain") -> FileView:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return FileView(
        id=digest[:8],
        version_id=digest[:8],
        key=key,
        size=size,
        md5=digest[:32],
        sha256=digest,
        crc32=0,
        mimetype=mimetype,
        created=CREATED,
        updated=CREATED,
        store="local",
        location=digest[:32],
    )


FILES = [file(*name) for name in NAMES]


def record(id: int = 1042, **changes: Any) -> RecordView:
    """The rose record with number `id`; keywords change the view, `metadata=` and `access=` parts of the data."""
    data = RecordData(
        metadata=Metadata.model_validate(ROSE | changes.pop("metadata", {})),
        access=Access.model_validate(changes.pop("access", {})),
        communities=changes.pop("communities", ["plant-metabolomics", "fair-cookbook"]),
    )
    files = changes.pop("files", FILES)
    listed = files or []
    view = RecordView(
        id=id,
        concept_id=id - 32,
        index=2,
        latest_id=id,
        revision=1,
        created=CREATED,
        updated=CREATED,
        data=data,
        doi=f"10.5072/strongroom.{id}",
        concept_doi=f"10.5072/strongroom.{id - 32}",
        doi_state="registered",
        owner_id=1,
        bucket="b" * 32,
        status=data.access.status(TODAY, has_files=bool(listed) or files is None),
        files=files,
        file_count=len(listed),
        total_bytes=sum(f.size for f in listed),
        versions=[
            VersionView(id, 2, "2", "2019-03-13", f"10.5072/strongroom.{id}", True),
            VersionView(id - 31, 1, None, "2019-02-05", f"10.5072/strongroom.{id - 31}", False),
        ],
        today=TODAY,
    )
    return dataclasses.replace(view, **changes)


# A journal article with everything that the model can say.
FULL: dict[str, Any] = {
    "resource_type": "publication-article",
    "title": "River gauges of the Thur: 1 < 2 & \"quoted\" </script><script>alert('x')</script>",
    "additional_titles": [{"title": "Pegel der Thur", "type": "translated-title", "lang": "deu"}],
    "creators": [
        {
            "name": "Curie, Marie",
            "identifiers": [
                {"scheme": "orcid", "identifier": "0000-0002-1825-0097"},
                {"scheme": "gnd", "identifier": "118523023"},
            ],
            "affiliations": [{"name": "Sorbonne", "id": "02en5vm52"}],
        },
        {"name": "Doe, Jane", "affiliations": [{"name": "ETH"}, {"name": "Sorbonne", "id": "02en5vm52"}]},
        {"name": "European Commission", "type": "organizational"},
    ],
    "contributors": [
        {"name": "Sup, Anna", "role": "supervisor", "affiliations": [{"name": "ETH"}]},
        {"name": "Helper, Hans", "role": "datacollector", "affiliations": [{"name": "Uni X"}]},
        {"name": "Ed, Ida", "role": "editor"},
    ],
    "publisher": "Press",
    "publication_date": "2026-11-22",
    "description": "<p>Hourly <b>levels</b> of the Thur &amp; its brooks.</p><p>Second paragraph.</p><ul><li>one</li></ul>",
    "additional_descriptions": [
        {"type": "notes", "description": "<p>A note</p>"},
        {"type": "methods", "description": "By eye"},
    ],
    "version": "v1.2",
    "languages": ["eng", "deu"],
    "subjects": [
        {"subject": "water"},
        {"subject": 'le"vel'},
        {"subject": "Hydrology", "id": "https://id.loc.gov/authorities/subjects/sh85063458", "scheme": "LCSH"},
    ],
    "dates": [
        {"date": "2024-01-01/2024-02-01", "type": "collected", "description": "period"},
        {"date": "2024-03", "type": "valid"},
    ],
    "identifiers": [{"identifier": "https://example.org/alt", "scheme": "url"}],
    "related_identifiers": [
        {
            "identifier": "10.1234/abc",
            "scheme": "doi",
            "relation": "issupplementto",
            "resource_type": "publication-article",
        },
        {"identifier": "arXiv:2101.00001", "scheme": "arxiv", "relation": "ispartof"},
        {"identifier": "odd thing", "relation": "isderivedfrom"},
    ],
    "references": [{"reference": "Doe (2020). A book.", "scheme": None}],
    "funding": [
        {
            "funder": {"id": "00k4n6c32", "name": "European Commission"},
            "award": {"number": "283595", "title": "OpenAIREplus", "url": "https://cordis.europa.eu/project/id/283595"},
        },
        {"funder": {"name": "A foundation"}},
    ],
    "locations": [{"place": "Andelfingen", "lat": 47.5, "lon": 8.7}],
    "rights": [{"id": "cc-by-nc-sa-4.0"}, {"title": "House rules", "link": "https://example.org/rules"}],
    "custom": {
        "journal:journal": {"title": "J. Water", "volume": "3", "issue": "2", "pages": "1-9", "issn": "1234-5679"},
        "imprint:imprint": {"isbn": "9780306406157", "place": "Bern"},
        "meeting:meeting": {"title": "Rivers", "acronym": "RIV", "dates": "1-2 May 2026", "place": "Bern"},
        "thesis:thesis": {"university": "ETH"},
        "dwc:family": ["Salmonidae", "Cyprinidae"],
    },
}  # fmt: skip


def draft(**changes: Any) -> DraftView:
    view = DraftView(
        id=1044,
        concept_id=1043,
        index=1,
        revision=3,
        created=CREATED,
        updated=CREATED,
        data=RecordData(metadata=Metadata.model_validate(ROSE)),
        owner_id=1,
        bucket="c" * 32,
        files=FILES[:3],
        published=False,
        concept_doi=None,
        doi=None,
    )
    return dataclasses.replace(view, **changes)
