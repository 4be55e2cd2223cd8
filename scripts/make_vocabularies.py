#!/usr/bin/env python3
"""Makes strongroom/metadata/data/*.json, the small vocabularies that the metadata package reads.

    python -m venv /tmp/v && /tmp/v/bin/pip install pyyaml pycountry
    npm pack spdx-license-list spdx-license-ids     # and unpack both
    git clone https://github.com/okfn/licenses
    /tmp/v/bin/python scripts/make_vocabularies.py PATH/TO/vocabularies spdx.json deprecated.json okfn/licenses/licenses

PATH holds the fixtures `rdm-*.yaml` and `rdm-licenses.csv` of inveniosoftware/invenio-rdm-records (MIT),
copied under these names. The SPDX list is that of the npm package spdx-license-list (CC0), the deprecated ids
and the newest ids those of spdx-license-ids (its index.json lies beside); the licences of the Open Definition are in the public domain (PDDL). Language names and their ISO 639-1 and 639-2 codes come from the fixtures
and from pycountry (Debian iso-codes, LGPL-2.1; codes and names are facts). Run by hand when a source
changes; the server reads the JSON only, so neither YAML nor pycountry is imported at run time.

Facts that no fixture holds are tables in this file: Zenodo's licence ids (api-legacy.md section 9.2), its
funders (4.4), and the COAR resource types (vocabularies.coar-repositories.org, CC BY 4.0).
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pycountry
import yaml

TARGET = Path(__file__).parents[1] / "strongroom" / "metadata" / "data"

# Our resource type id -> COAR resource type (purl.org/coar/resource_type/…).
COAR = {
    "publication": "c_18cf",
    "publication-annotationcollection": "c_1162",
    "publication-book": "c_2f33",
    "publication-section": "c_3248",
    "publication-conferencepaper": "c_5794",
    "publication-conferenceproceeding": "c_f744",
    "publication-datamanagementplan": "c_ab20",
    "publication-journal": "c_0640",
    "publication-article": "c_6501",
    "publication-patent": "c_15cd",
    "publication-peerreview": "H9BQ-739P",
    "publication-preprint": "c_816b",
    "publication-deliverable": "c_18op",
    "publication-proposal": "c_baaf",
    "publication-report": "c_93fc",
    "publication-softwaredocumentation": "c_71bd",
    "publication-technicalnote": "c_18gh",
    "publication-workingpaper": "c_8042",
    "publication-datapaper": "c_beb9",
    "publication-dissertation": "c_46ec",
    "poster": "c_6670",
    "presentation": "c_c94f",
    "dataset": "c_ddb1",
    "image": "c_c513",
    "image-figure": "c_c513",
    "image-plot": "c_c513",
    "image-drawing": "c_c513",
    "image-diagram": "c_c513",
    "image-photo": "c_c513",
    "image-other": "c_c513",
    "video": "c_12ce",
    "audio": "c_18cc",
    "software": "c_5ce6",
    "software-computationalnotebook": "c_5ce6",
    "lesson": "c_e059",
    "workflow": "c_393c",
}

# api-legacy.md 4.4: name, Crossref funder id after 10.13039/, ROR id, acronym. Where two share a ROR id,
# the first given here is the one it leads back to.
FUNDERS = [
    ("Agence Nationale de la Recherche", "501100001665", "00rbzpz17", "ANR"),
    ("Academy of Finland", "501100002341", "05k73zm37", "AKA"),
    ("Australian Research Council", "501100000923", "05mmh0f86", "ARC"),
    ("Aligning Science Across Parkinson's", "100018231", "03zj4c476", "ASAP"),
    ("Canadian Institutes of Health Research", "501100000024", "01gavpb45", "CIHR"),
    ("European Commission", "501100000780", "00k4n6c32", "EC"),
    ("European Environment Agency", "501100000806", "02k4b9v70", "EEA"),
    ("Fundação para a Ciência e a Tecnologia", "501100001871", "00snfqn58", "FCT"),
    ("Austrian Science Fund", "501100002428", "013tf3c58", "FWF"),
    ("Hrvatska Zaklada za Znanost", "501100004488", "03n51vw80", "HRZZ"),
    ("Ministry of Education, Science and Technological Development", "501100004564", "01znas443", "MESTD"),
    ("National Health and Medical Research Council", "501100000925", "011kf5r70", "NHMRC"),
    ("National Institutes of Health", "100000002", "01cwqze88", "NIH"),
    ("Natural Sciences and Engineering Research Council of Canada", "501100000038", "01h531d29", "NSERC"),
    ("National Science Foundation", "100000001", "021nxhr62", "NSF"),
    ("Nederlandse Organisatie voor Wetenschappelijk Onderzoek", "501100003246", "04jsz6e67", "NWO"),
    ("UK Research and Innovation", "100014013", "001aqnf71", "UKRI"),
    ("Research Councils UK", "501100000690", "001aqnf71", "RCUK"),
    ("Science Foundation Ireland", "501100001602", "0271asj38", "SFI"),
    ("Swiss National Science Foundation", "501100001711", "00yjd3n13", "SNSF"),
    ("Social Science Research Council", "100001345", "006cvnv84", "SSHRC"),
    ("Türkiye Bilimsel ve Teknolojik Araştırma Kurumu", "501100004410", "04w9kkr77", "TUBITAK"),
    ("Templeton World Charity Foundation", "501100011730", "00x0z1472", "TWCF"),
    ("Wellcome Trust", "100004440", "029chgv08", "WT"),
    ("Institut National du Cancer", "501100006364", "03m8vkq32", "INCa"),
    ("Ministry of Science, Education and Sports (Croatia)", "501100006588", None, None),
]

# api-legacy.md 9.2, what Zenodo answers: RDM id -> legacy id, where they differ.
LICENCE_OUT = {
    "aal": "attribution", "agpl-3.0-only": "apgl-v3", "apl-1.0": "apl1.0", "apache-1.0": "apache",
    "apache-2.0": "apache2.0", "artistic-2.0": "artistic-license-2.0", "bsd-1-clause": "bsd-license",
    "bsd-2-clause": "bsd-2-clause-netbsd", "bsl-1.0": "bsl1.0", "catosl-1.1": "ca-tosl1.1",
    "cc-by-1.0": "cc-by", "cc-by-nc-2.0": "cc-nc", "cc-by-sa-1.0": "cc-by-sa", "cc0-1.0": "cc-zero",
    "cddl-1.0": "cddl1", "cpal-1.0": "cpal_1.0", "cua-opl-1.0": "cuaoffice", "ecl-2.0": "ecl2",
    "efl-1.0": "eiffel", "efl-2.0": "ver2_eiffel", "epl-1.0": "eclipse-1.0", "frameworx-1.0": "frameworx",
    "gfdl-1.1-only": "gfdl", "gpl-2.0-only": "gpl-2.0", "gpl-3.0-only": "gpl-3.0", "ipa": "ipafont",
    "ipl-1.0": "ibmpl", "isc": "isc-license", "intel": "intel-osl", "lal-1.2": "fal",
    "lgpl-2.1-only": "lgpl-2.1", "lgpl-3.0-only": "lgpl-3.0", "lpl-1.02": "lucent1.02",
    "mit": "mit-license", "mpl-1.0": "mozilla", "mpl-1.1": "mozilla1.1", "nasa-1.3": "nasa1.3",
    "ncsa": "uoi-ncsa", "ngpl": "nethack", "nposl-3.0": "nosl3.0", "ntp": "ntp-license",
    "oclc-2.0": "oclc2", "odc-by-1.0": "odc-by", "odbl-1.0": "odc-odbl", "ofl-1.0": "openfont",
    "ogl-canada-2.0": "canada-crown", "ogl-uk-1.0": "uk-ogl", "ogtsl": "opengroup", "pddl-1.0": "odc-pddl",
    "php-3.0": "php", "psf-2.0": "pythonsoftfoundation", "python-2.0": "pythonpl", "rpl-1.5": "rpl1.5",
    "rpsl-1.0": "real", "rscpl": "ricohpl", "sissl": "sun-issl", "smlnj": "standardml-nj",
    "spl-1.0": "sunpublic", "vsl-1.0": "vovidapl", "watcom-1.0": "sybase", "zpl-1.1": "zpl",
    "zlib": "zlib-license",
}  # fmt: skip

# api-legacy.md 9.2, what it reads before anything else: unversioned names mean the version in use today.
LICENCE_ALIASES = {
    "cc-by": "cc-by-4.0", "cc-by-sa": "cc-by-sa-4.0", "cc-zero": "cc0-1.0", "apache": "apache-2.0",
    "apache2.0": "apache-2.0", "mit-license": "mit", "agpl-v3": "agpl-3.0-only", "agpl-3.0": "agpl-3.0-only",
    "gfdl": "gfdl-1.3-no-invariants-only", "mozilla": "mpl-1.0", "zpl": "zpl-2.0", "odc-by": "odc-by-1.0",
    "odc-odbl": "odbl-1.0", "openfont": "ofl-1.1", "pythonpl": "cnri-python", "eiffel": "efl-2.0",
    "fal": "lal-1.3", "php": "php-3.0",
    # not Zenodo's: names that people write and that can mean only one thing
    "cc0": "cc0-1.0", "cc-0": "cc0-1.0", "bsd-2-clause-freebsd": "bsd-2-clause-views",
    "bsd-2-clause-netbsd": "bsd-2-clause",
    # the Open Definition's names for what SPDX lists under another
    "fal-1.3": "lal-1.3", "gfdl-1.3-no-cover-texts-no-invariant-sections": "gfdl-1.3-no-invariants-only",
    "lo-fr-2.0": "etalab-2.0",
}  # fmt: skip

# GNU licences without "-only" or "-or-later".
GNU = ["agpl-1.0", "gfdl-1.1", "gfdl-1.2", "gfdl-1.3", "gpl-1.0", "gpl-2.0", "gpl-3.0", "lgpl-2.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0"]  # fmt: skip

GNU_NAMES = frozenset(
    f"{key.partition('-')[0].upper()}-{key.partition('-')[2]}" for key in GNU
)  # in SPDX's spelling; deprecated there

# Ids that records of the old Zenodo carry and that SPDX does not know. Titles are ours.
LICENCE_LEGACY = {
    "against-drm": "Against DRM",
    "dli-model-use": "Statistics Canada: Data Liberation Initiative (DLI), model data use licence",
    "dsl": "Design Science License",
    "eurofound": "Eurofound reuse conditions",
    "geo-no-fee-unrestricted": "Canada Geospatial Data Infrastructure: no fee, unrestricted use",
    "geogratis": "GeoGratis licence",
    "hesa-withrights": "Higher Education Statistics Agency: copyright with data.gov.uk rights",
    "jabber-osl": "Jabber Open Source License",
    "localauth-withrights": "Local authority: copyright with data.gov.uk rights",
    "lucent-plan9": "Lucent Public License (Plan 9)",
    "met-office-cp": "UK Met Office: climate products licence",
    "mitre": "MITRE Collaborative Virtual Workspace License",
    "notspecified": "License not specified",
    "other-at": "Other (attribution)",
    "other-closed": "Other (not open)",
    "other-nc": "Other (non-commercial)",
    "other-open": "Other (open)",
    "other-pd": "Other (public domain)",
    "qtpl": "Q Public License (Qt)",
    "talis": "Talis Community License",
    "ukclickusepsi": "UK Click Use PSI licence",
    "ukcrown": "UK Crown copyright",
    "ukcrown-withrights": "UK Crown copyright with data.gov.uk rights",
    "ukpsi": "UK PSI public sector information licence",
    "user-jsim": "JSIM user licence",
    "wxwindows": "wxWindows Library Licence",
    "zenodo-freetoread-1.0": "Free to read",
}


def fixtures(folder: Path, name: str) -> list[dict[str, Any]]:
    with (folder / f"rdm-{name}.yaml").open(encoding="utf-8") as file:
        rows: list[dict[str, Any]] = yaml.safe_load(file)
    return rows


def drop_empty(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in (None, "")}


def resource_types(folder: Path) -> dict[str, Any]:
    found = {}
    for row in fixtures(folder, "resource_types"):
        props = row["props"]
        found[row["id"]] = drop_empty(
            {
                "title": row["title"]["en"],
                "schema_org": props.get("schema.org"),
                "datacite": props["datacite_general"],
                "datacite_type": props.get("datacite_type"),
                "csl": props.get("csl"),
                "eurepo": props.get("eurepo"),
                "coar": COAR.get(row["id"]),
                "depositable": "depositable" in row["tags"],
            }
        )
    return found


def terms(folder: Path, name: str) -> dict[str, Any]:
    return {
        row["id"]: drop_empty(
            {
                "title": row["title"]["en"],
                "datacite": row.get("props", {}).get("datacite"),
                "marc": row.get("props", {}).get("marc"),
            }
        )
        for row in fixtures(folder, name)
    }


def funders(folder: Path) -> list[dict[str, Any]]:
    countries = {row["id"]: row.get("country") for row in fixtures(folder, "funders")}
    found = []
    for name, suffix, ror, acronym in FUNDERS:
        # The European Commission's address says nothing about its country; Zenodo shows none either.
        country = None if acronym == "EC" else countries.get(ror)
        row = {"name": name, "doi": f"10.13039/{suffix}", "id": ror, "acronym": acronym, "country": country}
        found.append(drop_empty(row))
    return found


# What most licences are to the Open Definition; only what differs is written down.
OD = {
    "domain_content": False, "domain_data": False, "domain_software": False, "family": "", "maintainer": "",
    "od_conformance": "not reviewed", "osd_conformance": "not reviewed", "status": "active",
}  # fmt: skip


def open_definition(folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """The Open Definition's id of each licence for all its names in lower case, and what it says of it."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        row = json.loads(path.read_text(encoding="utf-8"))
        said = {key: row.get(key, usual) for key, usual in OD.items()}
        kept = {key: value for key, value in said.items() if value not in (OD[key], None)}
        for name in (row["id"], *row.get("legacy_ids", ())):
            found.setdefault(name.lower(), (row["id"].lower(), kept))
    return found


def licences(folder: Path, spdx: Path, deprecated: Path, od: Path) -> dict[str, Any]:
    with (folder / "rdm-licenses.csv").open(encoding="utf-8", newline="") as file:
        rows = {
            row["id"]: drop_empty(
                {
                    "title": row["title__en"],
                    "url": row["props__url"],
                    "osi": row["props__osi_approved"] == "y" or None,
                    "description": row["description__en"],
                    "icon": row["icon"],
                    "tags": [tag.replace("sofware", "software") for tag in row["tags"].split(",")],
                }
            )
            for row in csv.DictReader(file)
        }
    rows |= {key: {"title": title, "legacy": True} for key, title in LICENCE_LEGACY.items()}
    aliases = {legacy: key for key, legacy in LICENCE_OUT.items()}
    listed = json.loads(spdx.read_text(encoding="utf-8"))
    for name in json.loads(deprecated.with_name("index.json").read_text(encoding="utf-8")):
        # The list of ids is newer than that of names.
        listed.setdefault(
            name, {"name": name, "url": f"https://spdx.org/licenses/{name}.html", "osiApproved": False}
        )
    for name, row in listed.items():
        said = {
            "title": row["name"],
            "url": row.get("url"),
            "osi": row["osiApproved"] or None,
            "tags": ["all"],
        }
        if (
            name.lower() not in rows
            and name.lower() not in aliases
            and name.removesuffix("+") not in GNU_NAMES
        ):
            rows[name.lower()] = drop_empty(said)
    for name in json.loads(deprecated.read_text(encoding="utf-8")):
        if name.lower() in rows and not rows[name.lower()].get("legacy"):
            rows[name.lower()]["deprecated"] = True
    for key in GNU:
        aliases.setdefault(key, f"{key}-only")
        if f"{key}-or-later" in rows:
            aliases.setdefault(f"{key}+", f"{key}-or-later")
    aliases |= LICENCE_ALIASES
    rows = {key: row for key, row in rows.items() if key not in aliases}
    for where, table in (("out", {key: key for key in LICENCE_OUT}), ("aliases", aliases)):
        if unknown := {name: key for name, key in table.items() if key not in rows}:
            raise SystemExit(f"licence {where}: no such id: {unknown}")
    for name, (own, said) in open_definition(od).items():
        key = aliases.get(name, name)
        if key not in rows:
            key = aliases[name] = aliases.get(own, own)
        if key not in rows:
            raise SystemExit(f"the Open Definition's {name} has no licence")
        if said:
            rows[key].setdefault("od", said)
    # An answer that would be read back as another licence (`cc-by-1.0` shown as `cc-by`, which means
    # 4.0 on input) must not be given: a client that sends back what it got would change the licence.
    out = {key: legacy for key, legacy in LICENCE_OUT.items() if aliases[legacy] == key}
    return {"licences": dict(sorted(rows.items())), "aliases": aliases, "legacy": out}


# What Zenodo's lists have beyond the fixtures (api-rdm.md 6.2).
MORE = {
    "descriptiontypes": [{"id": "notes", "title": {"en": "Notes"}, "props": {"datacite": "Other"}}],
}


def entries(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The small vocabularies whole, as the records API shows them: titles in all languages, props, tags, icons."""
    named = {
        "resourcetypes": "resource_types", "creatorsroles": "roles", "relationtypes": "relation_types",
        "datetypes": "date_types", "titletypes": "title_types", "descriptiontypes": "description_types",
        "removalreasons": "removal_reasons", "communitytypes": "community_types",
    }  # fmt: skip
    found = {
        kind: [
            {key: row[key] for key in ("id", "title", "icon", "tags", "props") if row.get(key) is not None}
            for row in fixtures(folder, name)
        ]
        + MORE.get(kind, [])
        for kind, name in named.items()
    }
    for row in found["resourcetypes"]:
        if coar := COAR.get(row["id"]):
            row["props"]["coar"] = f"http://purl.org/coar/resource_type/{coar}"
    for rows in found.values():
        for row in rows:
            row["title"] = {lang: text.strip() for lang, text in row["title"].items()}
    return found


def code(folder: Path) -> dict[str, Any]:
    """The vocabularies of software's custom fields: statuses of repostatus.org, languages of GitHub's Linguist."""
    return {
        "source": "inveniosoftware/invenio-rdm-records fixtures, contrib/codemeta (MIT); made by scripts/make_vocabularies.py",
        "code:developmentStatus": fixtures(folder, "development_status"),
        "code:programmingLanguages": fixtures(folder, "programming_languages"),
    }


# A language's tags are its scope and its kind; nearly all are individual and living.
USUAL_TAGS = ["individual", "living"]


def languages(folder: Path) -> dict[str, Any]:
    titles, two, tags = {}, {}, {}
    for row in fixtures(folder, "languages"):
        titles[row["id"]] = row["title"]["en"]
        if row["tags"] != USUAL_TAGS:
            tags[row["id"]] = row["tags"]
        if code := row["props"].get("alpha_2"):
            two[code] = row["id"]
    aliases = {}
    for language in pycountry.languages:
        code = language.alpha_3
        titles.setdefault(code, language.name)
        if short := getattr(language, "alpha_2", None):
            two.setdefault(short, code)
        bibliographic = getattr(language, "bibliographic", code)
        if bibliographic != code and bibliographic not in titles:
            aliases[bibliographic] = code
    return {"titles": titles, "two": dict(sorted(two.items())), "bibliographic": aliases, "tags": tags}


def write(name: str, value: Any) -> None:
    path = TARGET / f"{name}.json"
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def main(folder: Path, spdx: Path, deprecated: Path, od: Path) -> None:
    TARGET.mkdir(exist_ok=True)
    write(
        "terms",
        {
            "source": "inveniosoftware/invenio-rdm-records fixtures (MIT); made by scripts/make_vocabularies.py",
            "resource_types": resource_types(folder),
            "roles": terms(folder, "roles"),
            "relations": terms(folder, "relation_types"),
            "date_types": terms(folder, "date_types"),
            "description_types": terms(folder, "description_types"),
            "title_types": terms(folder, "title_types"),
            "removal_reasons": terms(folder, "removal_reasons"),
            "funders": funders(folder),
        },
    )
    write("licences", licences(folder, spdx, deprecated, od))
    write("entries", entries(folder))
    write("code", code(folder))
    write("languages", languages(folder))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    main(*(Path(argument) for argument in sys.argv[1:]))
