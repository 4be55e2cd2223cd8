#!/usr/bin/env python3
# ruff: noqa: SIM905
"""Makes strongroom/vocabularies/samples/: a few hundred entries in each registry's real form, for tests and the demo.

    .venv/bin/python scripts/make_samples.py

The funders that Zenodo knows and a few organisations are real (facts; ROR and Crossref publish under CC0), as are the
descriptors of MeSH (public domain). All others are invented, with right check digits; the ORCID iDs are from the end
of ORCID's block, which nobody has yet. The same seed makes the same files.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "strongroom" / "vocabularies" / "samples"
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
STAMP = (2026, 10, 1, 0, 0, 0)

PLACES = [
    ("Lugano", "CH", "Switzerland"), ("Zürich", "CH", "Switzerland"), ("Genève", "CH", "Switzerland"),
    ("Lyon", "FR", "France"), ("Orléans", "FR", "France"), ("Århus", "DK", "Denmark"), ("Göteborg", "SE", "Sweden"),
    ("Tromsø", "NO", "Norway"), ("Kraków", "PL", "Poland"), ("Brno", "CZ", "Czechia"), ("Graz", "AT", "Austria"),
    ("Bologna", "IT", "Italy"), ("Coimbra", "PT", "Portugal"), ("Sevilla", "ES", "Spain"),
    ("Utrecht", "NL", "The Netherlands"), ("Leuven", "BE", "Belgium"), ("Cork", "IE", "Ireland"),
    ("Leeds", "GB", "United Kingdom"), ("Oulu", "FI", "Finland"), ("Tartu", "EE", "Estonia"),
    ("Kyoto", "JP", "Japan"), ("Nairobi", "KE", "Kenya"), ("Córdoba", "AR", "Argentina"), ("Pune", "IN", "India"),
    ("Hobart", "AU", "Australia"), ("Boulder", "US", "United States"), ("Ann Arbor", "US", "United States"),
    ("Québec", "CA", "Canada"),
]  # fmt: skip
KINDS = [
    ("University of {}", "Université de {}", "fr", "education"), ("{} University of Technology", "", "", "education"),
    ("{} Institute for Water Research", "", "", "facility"), ("National Museum of {}", "", "", "archive"),
    ("University Hospital {}", "Universitätsspital {}", "de", "healthcare"), ("{} Research Council", "", "", "funder"),
    ("Institute of Physics, {}", "", "", "facility"), ("{} Foundation for the Sciences", "", "", "funder"),
    ("Botanical Garden of {}", "Jardín Botánico de {}", "es", "archive"), ("{} Supercomputing Centre", "", "", "facility"),
    ("Academy of Sciences of {}", "", "", "government"), ("{} Marine Laboratory", "", "", "facility"),
]  # fmt: skip
REAL = [
    ("01ggx4157", "European Organization for Nuclear Research", "CERN", "Geneva", "CH", "Switzerland",
     {"fr": "Organisation européenne pour la recherche nucléaire", "de": "Europäische Organisation für Kernforschung"},
     ["facility", "funder"], {"grid": "grid.9132.9", "isni": "0000 0001 2156 142X"}, "https://home.cern"),
    ("05a28rw58", "ETH Zurich", "ETHZ", "Zurich", "CH", "Switzerland",
     {"de": "Eidgenössische Technische Hochschule Zürich"}, ["education"], {"grid": "grid.5801.c"}, "https://ethz.ch"),
    ("02ex6cf31", "Brookhaven National Laboratory", "BNL", "Upton", "US", "United States", {},
     ["facility"], {"grid": "grid.202665.5"}, "https://www.bnl.gov"),
]  # fmt: skip
# Whose data set the recipe deposits.
OXFORD = ("https://ror.org/052gg0110", "University of Oxford")
ROSE = [
    ("0000-0001-9853-5668", "Philippe", "Rocca-Serra"),
    ("0000-0001-5306-5690", "Susanna-Assunta", "Sansone"),
]
GIVEN = "Ada Bruno Chloé Dario Elif Frida Goran Hana Ivo José Kaja Luís Mette Noor Olga Paulo Qiu Rosa Søren Tomás Ursula Vera Wen Ximena Yusuf Zoë".split()  # fmt: skip
FAMILY = "Ahmed Bernasconi Castañeda Dvořák Eriksen Fischer Gómez Hämäläinen Ito Jørgensen Kowalska Lefèvre Müller Nakamura O'Brien Petrović Quispe Rossi Šimić Tanaka Ueda van Dijk Weiß Xu Yılmaz Zając".replace("van Dijk", "van_Dijk").split()  # fmt: skip
TOPICS = "glacier retreat,soil carbon,protein folding,ocean mixing,urban heat,seed dormancy,dark matter,medieval trade,sleep and memory,battery electrolytes,coral reefs,speech recognition,groundwater,pollinators,lake sediments,gene therapy".split(",")  # fmt: skip
MESH = "Climate Change,Soil,Water,Rivers,Lakes,Glaciers,Oceans and Seas,Forests,Biodiversity,Genome,Proteins,Cell Biology,Microscopy,Neurons,Brain,Memory,Sleep,Vaccines,Virus Diseases,Bacteria,Plants,Seeds,Pollination,Insects,Fishes,Birds,Mammals,Agriculture,Nutritional Sciences,Public Health,Epidemiology,Statistics as Topic,Machine Learning,Software,Databases as Topic,Data Collection,Information Dissemination,Open Access Publishing,Metadata,Libraries,Museums,Physics,Chemistry,Astronomy,Geology,Weather,Fossil Fuels,Solar Energy,Electronics,Robotics".split(",")  # fmt: skip
SKOS = "natural sciences,engineering and technology,medical and health sciences,agricultural sciences,social sciences,humanities,hydrology,glaciology,oceanography,soil sciences,ecology,zoology,botany,genetics,biophysics,optics,astronomy,computer security,artificial intelligence,robotics,batteries,photovoltaics,archaeology,linguistics,economics,law,demography,pedagogy,musicology,epidemiology".split(",")  # fmt: skip


def ror_id(random_: random.Random) -> str:
    number = random_.randrange(32**6)
    digits, left = "", number
    for _ in range(6):
        digits = CROCKFORD[left % 32] + digits
        left //= 32
    return f"0{digits}{98 - (number * 100) % 97:02d}"


def orcid(index: int) -> str:
    digits = f"{900_099_990_000 + index:015d}"
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    whole = digits + ("X" if check == 10 else str(check))
    return "-".join(whole[n : n + 4] for n in range(0, 16, 4))


def organisation(
    id: str, name: str, acronym: str, place: tuple[str, str, str], labels: dict[str, str], types: list[str],
    external: dict[str, list[str]], website: str, related: int, status: str = "active",
) -> dict[str, Any]:  # fmt: skip
    names = [{"lang": "en", "types": ["ror_display", "label"], "value": name}]
    names += [{"lang": lang, "types": ["label"], "value": label} for lang, label in labels.items()]
    if acronym:
        names.append({"lang": None, "types": ["acronym"], "value": acronym})
    return {
        "admin": {
            "created": {"date": "2018-11-14", "schema_version": "1.0"},
            "last_modified": {"date": "2026-09-12", "schema_version": "2.1"},
        },
        "domains": [],
        "established": 1850 + len(name),
        "external_ids": [
            {"all": every, "preferred": every[0] if kind != "isni" else None, "type": kind}
            for kind, every in external.items()
        ],
        "id": f"https://ror.org/{id}",
        "links": [{"type": "website", "value": website}] if website else [],
        "locations": [
            {
                "geonames_details": {
                    "continent_code": "EU", "continent_name": "Europe", "country_code": place[1],
                    "country_name": place[2], "country_subdivision_code": None, "country_subdivision_name": None,
                    "lat": 46.2, "lng": 6.1, "name": place[0],
                },
                "geonames_id": 2660646,
            }
        ],
        "names": names,
        "relationships": [
            {"label": f"Department {n}", "type": "child", "id": "https://ror.org/01ggx4157"} for n in range(related)
        ],
        "status": status,
        "types": types,
    }  # fmt: skip


def organisations(random_: random.Random) -> list[dict[str, Any]]:
    found = [
        organisation(
            id,
            name,
            acronym,
            (town, code, country),
            labels,
            types,
            {k: [v] for k, v in external.items()},
            website,
            20,
        )
        for id, name, acronym, town, code, country, labels, types, external, website in REAL
    ]
    known = json.loads((ROOT / "strongroom/metadata/data/terms.json").read_text())["funders"]
    given: set[str] = set()
    for funder in known:
        if not funder.get("id") or funder["id"] in given:
            continue
        given.add(funder["id"])
        dois = [f["doi"].partition("/")[2] for f in known if f.get("id") == funder["id"]]
        country = funder.get("country") or "US"
        place = ("Brussels", "BE", "Belgium") if funder["id"] == "00k4n6c32" else ("", country, "")
        found.append(
            organisation(
                funder["id"], funder["name"], funder.get("acronym", ""), place, {},
                ["government", "funder"], {"fundref": dois}, "", 12,
            )
        )  # fmt: skip
    for pattern, local, lang, kind in KINDS:
        for place in PLACES:
            name = pattern.format(place[0])
            labels = {lang: local.format(place[0])} if local else {}
            acronym = (
                "".join(word[0] for word in name.split() if word[0].isupper())
                if random_.random() < 0.5
                else ""
            )
            external = {"grid": [f"grid.{random_.randrange(10**6)}.{random_.choice('0123456789abcdef')}"]}
            if kind == "funder":
                external["fundref"] = [str(100_900_000_000 + random_.randrange(10**6))]
            status = random_.choice(["active"] * 18 + ["inactive", "withdrawn"])
            found.append(
                organisation(
                    ror_id(random_), name, acronym if len(acronym) > 1 else "", place, labels, [kind], external,
                    f"https://www.{kind}-{random_.randrange(10**5)}.example", random_.randrange(6), status,
                )
            )  # fmt: skip
    return found


def ror_csv(records: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    columns = [
        "id", "names.types.ror_display", "names.types.label", "names.types.alias", "names.types.acronym", "status",
        "types", "domains", "links.type.website", "locations.geonames_details.country_code",
        "locations.geonames_details.country_name", "locations.geonames_details.name",
        "external_ids.type.fundref.preferred", "external_ids.type.fundref.all", "external_ids.type.grid.preferred",
        "external_ids.type.grid.all", "external_ids.type.isni.all", "relationships",
    ]  # fmt: skip
    writer = csv.DictWriter(out, columns, restval="")
    writer.writeheader()
    for record in records:
        place = record["locations"][0]["geonames_details"]
        row = {
            "id": record["id"],
            "status": record["status"],
            "types": "; ".join(record["types"]),
            "links.type.website": record["links"][0]["value"] if record["links"] else "",
            "locations.geonames_details.country_code": place["country_code"],
            "locations.geonames_details.country_name": place["country_name"],
            "locations.geonames_details.name": place["name"],
            "relationships": "; ".join(f"{r['type']}: {r['id']}" for r in record["relationships"]),
        }
        for kind in ("label", "alias", "acronym"):
            row[f"names.types.{kind}"] = "; ".join(
                f"{n['lang'] or 'no_lang_code'}: {n['value']}" for n in record["names"] if kind in n["types"]
            )
        row["names.types.ror_display"] = next(
            n["value"] for n in record["names"] if "ror_display" in n["types"]
        )
        for external in record["external_ids"]:
            front = f"external_ids.type.{external['type']}"
            row[f"{front}.all"] = "; ".join(external["all"])
            if external["preferred"] and external["type"] != "isni":
                row[f"{front}.preferred"] = external["preferred"]
        writer.writerow(row)
    return out.getvalue()


def registry_rdf(random_: random.Random) -> str:
    known = json.loads((ROOT / "strongroom/metadata/data/terms.json").read_text())["funders"]
    rows = [(f["doi"].partition("/")[2], f["name"], f.get("acronym"), "che", False) for f in known]
    for town, _, _ in PLACES:
        for pattern in ("{} Cantonal Science Fund", "Friends of Research {}", "{} Heart Trust"):
            name = pattern.format(town)
            number = str(100_800_000_000 + random_.randrange(10**6))
            rows.append(
                (number, name, None, random_.choice(["che", "fra", "gbr", "usa"]), random_.random() < 0.05)
            )
    concepts = []
    for number, name, acronym, country, replaced in rows:
        about = f"http://dx.doi.org/10.13039/{number}"
        other = (
            f'<skosxl:altLabel><skosxl:Label rdf:about="{about}-alt"><skosxl:literalForm xml:lang="en">{acronym}'
            "</skosxl:literalForm></skosxl:Label></skosxl:altLabel>"
            if acronym
            else ""
        )
        gone = (
            f'<dct:isReplacedBy rdf:resource="http://dx.doi.org/10.13039/{rows[0][0]}"/>' if replaced else ""
        )
        concepts.append(
            f'  <skos:Concept rdf:about="{about}">\n    <skosxl:prefLabel><skosxl:Label rdf:about="{about}-label">'
            f'<skosxl:literalForm xml:lang="en">{name}</skosxl:literalForm></skosxl:Label></skosxl:prefLabel>{other}\n'
            f"    <svf:fundingBodyType>gov</svf:fundingBodyType><svf:fundingBodySubType>National government"
            "</svf:fundingBodySubType>\n    <schema:address><schema:postalAddress><schema:addressCountry>"
            f"{country}</schema:addressCountry></schema:postalAddress></schema:address>{gone}\n  </skos:Concept>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"\n'
        '  xmlns:skos="http://www.w3.org/2004/02/skos/core#" xmlns:skosxl="http://www.w3.org/2008/05/skos-xl#"\n'
        '  xmlns:dct="http://purl.org/dc/terms/" xmlns:schema="https://none.schema.org/"\n'
        '  xmlns:svf="http://data.crossref.org/fundingdata/xml/schema/grant/grant-1.2/">\n'
        + "\n".join(concepts)
        + "\n</rdf:RDF>\n"
    )


def projects(random_: random.Random) -> list[dict[str, Any]]:
    real = [
        (
            "corda_______",
            "283595",
            "2nd-Generation Open Access Infrastructure for Research in Europe",
            "OpenAIREplus",
            "FP7",
        ),
        (
            "corda__h2020",
            "654241",
            "PhenoMeNal: A comprehensive and standardised e-infrastructure",
            "PhenoMeNal",
            "H2020",
        ),
        (
            "corda__h2020",
            "643410",
            "Open Access Infrastructure for Research in Europe 2020",
            "OpenAIRE2020",
            "H2020",
        ),
    ]
    found = []
    for n, (prefix, code, title, acronym, program) in enumerate(real):
        found.append(
            (f"{prefix}::{n:032x}", code, title, acronym, f"EC::{program}::{program}-INFRA", "2011-12-01")
        )
    prefixes = [
        "corda__h2020",
        "corda_____he",
        "snsf________",
        "nsf_________",
        "fwf_________",
        "ukri________",
    ]
    for n in range(300):
        prefix = random_.choice(prefixes)
        topic, town = random_.choice(TOPICS), random_.choice(PLACES)[0]
        program = {"corda__h2020": "EC::H2020::ERC", "corda_____he": "EC::HE::ERC"}.get(prefix, "")
        acronym = "".join(word[:3].upper() for word in topic.split()[:2]) if program else ""
        year = random_.randint(2014, 2025)
        title = f"{topic.capitalize()} around {town}: causes and consequences"
        found.append(
            (f"{prefix}::{n + 100:032x}", str(700_000 + 37 * n), title, acronym, program, f"{year}-01-01")
        )
    rows = []
    for id, code, title, acronym, stream, start in found:
        row: dict[str, Any] = {
            "id": id, "code": code, "title": title, "startdate": start, "enddate": f"{int(start[:4]) + 4}-12-31",
            "openaccessmandatefordataset": False, "openaccessmandateforpublications": True, "subject": [],
            "websiteurl": "" if id.startswith("corda") else f"https://grants.example/{code}",
        }  # fmt: skip
        if acronym:
            row["acronym"] = acronym
        row["funding"] = [{"shortName": "EC", "funding_stream": {"id": stream}}] if stream else []
        rows.append(row)
    return rows


def cordis(random_: random.Random) -> str:
    out = io.StringIO()
    columns = ["id", "acronym", "status", "title", "startDate", "endDate", "frameworkProgramme", "grantDoi"]
    writer = csv.DictWriter(out, columns, delimiter=";", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for n in range(60):
        number = str(101_000_000 + 131 * n)
        writer.writerow(
            {
                "id": number, "acronym": f"SAMPLE{n}", "status": "SIGNED",
                "title": f"{random_.choice(TOPICS).capitalize()}; a study of {random_.choice(PLACES)[0]}",
                "startDate": "2025-03-01", "endDate": "2029-02-28", "frameworkProgramme": "HORIZON",
                "grantDoi": f"10.3030/{number}",
            }
        )  # fmt: skip
    return out.getvalue()


def job(id: str, name: str, end: str = "") -> str:
    return (
        '<activities:affiliation-group><employment:employment-summary put-code="1" visibility="public">'
        "<common:source><common:source-orcid><common:path>0000-0001-5109-3700</common:path></common:source-orcid>"
        "</common:source><common:department-name>Research</common:department-name>"
        f"<common:start-date><common:year>2015</common:year></common:start-date>{end}<common:organization>"
        f"<common:name>{name}</common:name><common:address><common:city>X</common:city></common:address>"
        "<common:disambiguated-organization><common:disambiguated-organization-identifier>"
        f"{id}</common:disambiguated-organization-identifier>"
        "<common:disambiguation-source>ROR</common:disambiguation-source></common:disambiguated-organization>"
        "</common:organization></employment:employment-summary></activities:affiliation-group>"
    )


def person(index: int, random_: random.Random, orgs: list[dict[str, Any]]) -> tuple[str, str]:
    id = "0000-0002-1825-0097" if index == 0 else orcid(index)
    given, family = (
        ("Josiah", "Carberry")
        if index == 0
        else (random_.choice(GIVEN), random_.choice(FAMILY).replace("_", " "))
    )
    jobs = ""
    for n in range(random_.randint(0, 2)):
        org = random_.choice(orgs)
        end = "" if n == 0 else "<common:end-date><common:year>2019</common:year></common:end-date>"
        jobs += job(org["id"], org["names"][0]["value"], end)
    works = "".join(
        f'<activities:group><work:work-summary put-code="{n}"><work:title><common:title>A work on '
        f"{random_.choice(TOPICS)}</common:title></work:title></work:work-summary></activities:group>"
        for n in range(random_.randint(0, 12))
    )
    return summary(id, given, family, jobs, works)


def summary(id: str, given: str, family: str, jobs: str, works: str = "") -> tuple[str, str]:
    spaces = " ".join(
        f'xmlns:{name}="http://www.orcid.org/ns/{name}"'
        for name in (
            "record",
            "common",
            "person",
            "personal-details",
            "other-name",
            "activities",
            "employment",
            "work",
        )
    )
    return id, (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        f'<record:record path="/{id}" {spaces}><common:orcid-identifier><common:uri>https://orcid.org/{id}</common:uri>'
        f"<common:path>{id}</common:path><common:host>orcid.org</common:host></common:orcid-identifier>"
        f'<person:person path="/{id}/person"><person:name visibility="public" path="{id}">'
        f"<personal-details:given-names>{given}</personal-details:given-names>"
        f"<personal-details:family-name>{family}</personal-details:family-name></person:name>"
        f'<other-name:other-names path="/{id}/other-names"><other-name:other-name><other-name:content>{given[0]}. {family}'
        "</other-name:content></other-name:other-name></other-name:other-names></person:person>"
        f'<activities:activities-summary path="/{id}/activities"><activities:employments path="/{id}/employments">{jobs}'
        f"</activities:employments><activities:works>{works}</activities:works></activities:activities-summary>"
        "</record:record>\n"
    )


def mesh() -> str:
    records = []
    for n, name in enumerate(MESH):
        terms = "".join(f"<Term><String>{term}</String></Term>" for term in (name, f"{name}, Study of"))
        records.append(
            f'<DescriptorRecord DescriptorClass="1"><DescriptorUI>D{900000 + n:06d}</DescriptorUI><DescriptorName><String>'
            f"{name}</String></DescriptorName><TreeNumberList><TreeNumber>Z{n:02d}.100</TreeNumber></TreeNumberList>"
            f'<ConceptList><Concept PreferredConceptYN="Y"><TermList>{terms}</TermList></Concept></ConceptList>'
            "</DescriptorRecord>"
        )
    return (
        '<?xml version="1.0"?>\n<DescriptorRecordSet LanguageCode="eng">\n'
        + "\n".join(records)
        + "\n</DescriptorRecordSet>\n"
    )


def euroscivoc() -> str:
    concepts = []
    for n, name in enumerate(SKOS):
        uri = f"http://data.europa.eu/8mn/euroscivoc/{n:08x}-0000-4000-8000-000000000000"
        concepts.append(
            f'<rdf:Description rdf:about="{uri}"><rdf:type rdf:resource="http://www.w3.org/2004/02/skos/core#Concept"/>'
            f'<skos:notation>{2 * n + 1}</skos:notation><skos:prefLabel xml:lang="en">{name}</skos:prefLabel>'
            f'<skos:prefLabel xml:lang="de">{name} (de)</skos:prefLabel><skos:altLabel xml:lang="en">{name} research'
            "</skos:altLabel></rdf:Description>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        ' xmlns:skos="http://www.w3.org/2004/02/skos/core#">\n' + "\n".join(concepts) + "\n</rdf:RDF>\n"
    )


def write(name: str, content: bytes) -> None:
    (TARGET / name).write_bytes(content)
    print(f"{name}: {len(content):,} bytes")


def tar(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    random_ = random.Random(20261122)
    orgs = organisations(random_)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (
            ("v2.0-2026-10-01-ror-data.json", json.dumps(orgs, indent=4, ensure_ascii=False)),
            ("v2.0-2026-10-01-ror-data.csv", ror_csv(orgs)),
        ):
            info = zipfile.ZipInfo(name, STAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)
    write("ror.zip", out.getvalue())
    write("funders.rdf", registry_rdf(random_).encode())
    rows = projects(random_)
    halves = [rows[::2], rows[1::2]]
    lines = [
        ("\n".join(json.dumps(row, ensure_ascii=False) for row in half) + "\n").encode() for half in halves
    ]
    write(
        "awards.tar",
        tar(
            [(f"project/part-{n:05d}.json.gz", gzip.compress(text, mtime=0)) for n, text in enumerate(lines)]
        ),
    )
    write("awards-cordis.csv", cordis(random_).encode())
    people = [person(n, random_, orgs) for n in range(250)]
    people += [summary(id, given, family, job(*OXFORD)) for id, given, family in ROSE]
    members = [(f"ORCID_2026_10_summaries/{id[-3:]}/{id}.xml", text.encode()) for id, text in people]
    write("orcid.tar.gz", gzip.compress(tar(members), mtime=0))
    write("subjects-mesh.xml", mesh().encode())
    write("subjects-euroscivoc.rdf", euroscivoc().encode())


if __name__ == "__main__":
    main()
