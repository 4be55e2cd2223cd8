"""Identifiers of works, people and organisations: recognised, checked, written one way, linked.

The schemes are those of Zenodo (api-legacy.md 4.2) and InvenioRDM (api-rdm.md 8). Recognising follows `idutils`,
which Zenodo uses, in the results for all that is common; the library itself takes half a second to import
(it brings a web client), so the server does without it, and the tests compare with it. Where idutils takes any
text with a slash for a handle, we ask for a numeric prefix.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

_I = re.IGNORECASE

_DOI = re.compile(r"(?:(?:https?://)?(?:(?:dx|www)\.)?doi\.org/|doi:\s*)?(10\.\d+(?:\.\d+)*/\S+)", _I)
_HANDLE = re.compile(r"(?:(?:https?://)?hdl\.handle\.net/|hdl:\s*)?(\d+(?:\.\w+)*/\S+)", _I)
_HANDLE_MARKED = re.compile(r"(?:(?:https?://)?hdl\.handle\.net/|hdl:\s*)([^/\s]+/\S+)", _I)
_ARXIV = re.compile(
    r"(?:arxiv:\s*)?(?:(\d{4}\.\d{4,5}(?:v\d+)?)|(?:[a-z-]+(?:\.[a-z]{2})?/)(\d{4}\.\d{4,5}(?:v\d+)?)"
    r"|([a-z-]+)(?:\.[a-z]{2})?/(\d{7}(?:v\d+)?))",
    _I,
)
_ORCID = re.compile(
    r"(?:(?:https?://)?(?:www\.)?orcid\.org/|orcid:\s*)?(\d{4})[- ]?(\d{4})[- ]?(\d{4})[- ]?(\d{3}[\dXx])/?",
    _I,
)
_ISNI = re.compile(
    r"(?:(?:https?://)?(?:www\.)?isni\.org/(?:isni/)?|isni:?\s*)?(\d{4})[- ]?(\d{4})[- ]?(\d{4})[- ]?(\d{3}[\dXx])/?",
    _I,
)
_GND_NUMBER = r"1[012]?\d{7}[0-9X]|[47]\d{6}-\d|[1-9]\d{0,7}-[0-9X]|3\d{7}[0-9X]"
_GND = re.compile(rf"(?:gnd:\s*|(?:https?://)?d-nb\.info/gnd/)?({_GND_NUMBER})", _I)
_GND_MARKED = re.compile(rf"(?:gnd:\s*|(?:https?://)?d-nb\.info/gnd/)({_GND_NUMBER})", _I)
_ROR = re.compile(r"(?:(?:https?://)?ror\.org/)?(0[a-hj-km-np-tv-z0-9]{6}\d{2})", _I)
_ISBN = re.compile(r"(?:isbn(?:-1[03])?:?\s*)?([\dXx -]+)", _I)
_ISSN = re.compile(r"(?:[el]?issn:?\s*)?(\d{4}-?\d{3}[\dX])", _I)
_PMID = re.compile(r"(?:pmid:\s*|https?://pubmed\.ncbi\.nlm\.nih\.gov/)?(\d{1,9})/?", _I)
_URN = re.compile(r"(?:https?://nbn-resolving\.(?:org|de)/)?(urn:[a-z0-9][a-z0-9-]{0,31}:\S+)", _I)
_SWH = re.compile(r"swh:1:(?:cnt|dir|rel|rev|snp):[0-9a-f]{40}(?:;[a-z]+=\S+)*")
_ARK = re.compile(r"(?:https?://[^/\s]+/)?(ark:/?[0-9bcdfghjkmnpqrstvwxz]+/\S+)", _I)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#]+\S*", _I)
_PURL_HOSTS = frozenset({"purl.org", "purl.oclc.org", "purl.net", "purl.com", "purl.fdlp.gov"})
_WIKIDATA = re.compile(r"(?:wikidata:\s*|https?://(?:www\.)?wikidata\.org/(?:wiki|entity)/)?(Q\d+)", _I)
_VIAF = re.compile(r"(?:viaf:\s*|https?://(?:www\.)?viaf\.org/viaf/)(\d+)/?", _I)
_OPENALEX = re.compile(r"(?:https?://openalex\.org/)?([WASIPFTCVKG]\d{6,})", _I)

# Accession numbers and the like, which have one form and need no other writing.
_PATTERNS: dict[str, re.Pattern[str]] = {
    "ads": re.compile(r"(?:ads:)?\d{4}[A-Za-z]\S{13}[A-Za-z.:]"),
    "ascl": re.compile(r"ascl:\d{4}\.\d{3,4}", _I),
    "hal": re.compile(r"(?:hal:)?(?:[a-z]{3}[a-z]*-|(?:sic|mem|ijn)_)\d{8}(?:v\d+)?", _I),
    "pmcid": re.compile(r"PMC\d+", _I),
    "lsid": re.compile(r"urn:lsid:[^:\s]+(?::[^:\s]+){2,3}", _I),
    "sra": re.compile(r"[SED]R[APRSXZ]\d+"),
    "bioproject": re.compile(r"PRJ(?:NA|E[AB]|DB)\d+"),
    "biosample": re.compile(r"SAM(?:N|EA|D)\d+"),
    "ensembl": re.compile(r"(?:ENS[A-Z]{0,6}|MGP_\w+_|FB)(?:E|FM|GT?|P|R|T)\d{11}(?:\.\d+)?"),
    "uniprot": re.compile(r"(?:[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2}|[OPQ]\d[A-Z0-9]{3}\d)(?:\.\d+)?"),
    "refseq": re.compile(r"(?:(?:A[CP]|N[CGTWMRP]|X[MRP]|YP|WP)_|NZ_[A-Z]{4})\d+(?:\.\d+)?"),
    "genome": re.compile(r"GC[AF]_\d+\.\d+"),
    "geo": re.compile(r"G(?:PL|SM|SE|DS)\d+"),
    "arrayexpress_array": re.compile(r"A-[A-Z]{4}-\d+"),
    "arrayexpress_experiment": re.compile(r"E-[A-Z]{4}-\d+"),
    "swh": _SWH,
    "rrid": re.compile(r"RRID:\s?[A-Za-z]+[_:-]?\S+"),
    "cstr": re.compile(r"(?:cstr:|https?://cstr\.cn/)\S+", _I),
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
}

# A client may say that an identifier is of one of these; nothing about their form is known here.
_OPEN_SCHEMES = frozenset({"crossreffunderid", "edmo", "eissn", "grid", "igsn", "lissn", "other", "raid", "sha1", "upc", "w3id"})  # fmt: skip

_LINKS = {
    "ads": "https://ui.adsabs.harvard.edu/abs/{}",
    "arrayexpress_array": "https://www.ebi.ac.uk/arrayexpress/arrays/{}",
    "arrayexpress_experiment": "https://www.ebi.ac.uk/arrayexpress/experiments/{}",
    "arxiv": "https://arxiv.org/abs/{}",
    "ascl": "https://ascl.net/{}",
    "bioproject": "https://www.ebi.ac.uk/ena/browser/view/{}",
    "biosample": "https://www.ebi.ac.uk/ena/browser/view/{}",
    "doi": "https://doi.org/{}",
    "ensembl": "https://www.ensembl.org/id/{}",
    "genome": "https://www.ncbi.nlm.nih.gov/assembly/{}",
    "geo": "https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc={}",
    "gnd": "https://d-nb.info/gnd/{}",
    "hal": "https://hal.science/{}",
    "handle": "https://hdl.handle.net/{}",
    "isni": "https://isni.org/isni/{}",
    "openalex": "https://openalex.org/{}",
    "orcid": "https://orcid.org/{}",
    "pmcid": "https://pmc.ncbi.nlm.nih.gov/articles/{}/",
    "pmid": "https://pubmed.ncbi.nlm.nih.gov/{}/",
    "refseq": "https://www.ncbi.nlm.nih.gov/nuccore/{}",
    "ror": "https://ror.org/{}",
    "rrid": "https://scicrunch.org/resolver/{}",
    "sra": "https://www.ebi.ac.uk/ena/browser/view/{}",
    "swh": "https://archive.softwareheritage.org/{}",
    "uniprot": "https://purl.uniprot.org/uniprot/{}",
    "viaf": "https://viaf.org/viaf/{}",
    "wikidata": "https://www.wikidata.org/entity/{}",
}


def _whole(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


def _mod11_2(digits: str) -> str:
    """Check character of ISO 7064 MOD 11-2 over fifteen digits (ORCID, ISNI)."""
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11]


def _mod11_2_holds(pattern: re.Pattern[str], value: str) -> bool:
    if not (match := pattern.fullmatch(value)):
        return False
    digits = "".join(match.groups()).upper()
    return _mod11_2(digits[:15]) == digits[15]


# ORCID iDs are ISNIs out of two blocks reserved for them (support.orcid.org, "Structure of the ORCID identifier").
_ORCID_BLOCKS = ((15_000_000, 35_000_000), (900_000_000_000, 900_100_000_000))


def _is_orcid(value: str) -> bool:
    if not _mod11_2_holds(_ORCID, value):
        return False
    number = int("".join(_groups(_ORCID, value))[:15])
    return any(first <= number <= last for first, last in _ORCID_BLOCKS)


def _is_isni(value: str) -> bool:
    return _mod11_2_holds(_ISNI, value)


def _isbn_digits(value: str) -> str:
    match = _ISBN.fullmatch(value)
    return re.sub(r"[ -]", "", match[1]).upper() if match else ""


def _ean_holds(digits: str) -> bool:
    """GS1 check digit of EAN-8 and EAN-13, which ISBN-13 shares."""
    if not digits.isascii() or not digits.isdigit():
        return False
    weights = (3, 1) * 7
    total = sum(int(d) * w for d, w in zip(reversed(digits[:-1]), weights, strict=False))
    return (10 - total % 10) % 10 == int(digits[-1])


def _is_isbn(value: str) -> bool:
    digits = _isbn_digits(value)
    if len(digits) == 13:
        return digits[:3] in ("978", "979") and _ean_holds(digits)
    if len(digits) != 10 or not digits[:9].isdigit():
        return False
    total = sum((10 - i) * (10 if d == "X" else int(d)) for i, d in enumerate(digits))
    return total % 11 == 0


def _is_issn(value: str) -> bool:
    if not (match := _ISSN.fullmatch(value)):
        return False
    digits = match[1].replace("-", "").upper()
    return sum((8 - i) * (10 if d == "X" else int(d)) for i, d in enumerate(digits)) % 11 == 0


def _is_istc(value: str) -> bool:
    digits = re.sub(r"[ -]", "", value).upper()
    if not re.fullmatch(r"[0-9A-F]{16}", digits):
        return False
    total = sum(int(d, 16) * (11, 9, 3, 1)[i % 4] for i, d in enumerate(digits[:15]))
    return f"{total % 16:X}" == digits[15]


def _is_url(value: str) -> bool:
    if not _URL.fullmatch(value):
        return False
    try:
        return bool(urlsplit(value).netloc)
    except ValueError:  # an opening bracket without a closing one
        return False


def _is_purl(value: str) -> bool:
    if not _is_url(value):
        return False
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and parts.netloc in _PURL_HOSTS and parts.path != ""


_CHECKS: dict[str, Callable[[str], bool]] = {name: _whole(pattern) for name, pattern in _PATTERNS.items()} | {
    "ark": _whole(_ARK),
    "arxiv": _whole(_ARXIV),
    "doi": _whole(_DOI),
    "ean13": lambda value: len(value) == 13 and _ean_holds(value),
    "ean8": lambda value: len(value) == 8 and _ean_holds(value),
    "gnd": _whole(_GND),
    "handle": lambda value: bool(_HANDLE.fullmatch(value) or _HANDLE_MARKED.fullmatch(value)),
    "isbn": _is_isbn,
    "isni": _is_isni,
    "issn": _is_issn,
    "istc": _is_istc,
    "openalex": _whole(_OPENALEX),
    "orcid": _is_orcid,
    "pmid": _whole(_PMID),
    "purl": _is_purl,
    "ror": _whole(_ROR),
    "url": _is_url,
    "urn": _whole(_URN),
    "viaf": _whole(_VIAF),
    "wikidata": _whole(_WIKIDATA),
}

SCHEMES = frozenset(_CHECKS) | _OPEN_SCHEMES
"""Every scheme name that a client may send."""

# The first that holds wins: what is marked or has a check digit comes before what is only digits.
_ORDER = (
    "doi", "ark", "purl", "lsid", "swh", "urn", "ads", "arxiv", "ascl", "hal", "pmcid", "isbn", "issn", "orcid",
    "isni", "ean13", "ean8", "istc", "ror", "viaf", "wikidata", "rrid", "cstr", "sra", "bioproject", "biosample",
    "refseq", "genome", "geo", "arrayexpress_array", "arrayexpress_experiment", "ensembl", "uniprot", "pmid",
    "gnd", "email",
)  # fmt: skip


def detect(value: str) -> str | None:
    """The scheme that this identifier looks like, or None. An address of a web page is `url`."""
    value = value.strip()
    if not value or ("://" in value and any(c.isspace() for c in value)):
        return None
    if _HANDLE_MARKED.fullmatch(value):
        return "handle"
    if _GND_MARKED.fullmatch(value):
        return "gnd"
    found = next((scheme for scheme in _ORDER if _CHECKS[scheme](value)), None)
    if found:
        return found
    if _is_url(value):
        return "url"
    return "handle" if _HANDLE.fullmatch(value) else None


def valid(value: str, scheme: str) -> bool:
    """Whether `value` is an identifier of `scheme`, check digits included. Any text is one of scheme `other`."""
    value = value.strip()
    if check := _CHECKS.get(scheme):
        return check(value)
    return scheme in _OPEN_SCHEMES and bool(value)


def normalise(value: str, scheme: str) -> str:
    """The one way that an identifier is stored: without prefix (`10.1234/abc`), hyphens where they belong.

    What is no identifier of the scheme comes back as it is, without outer blanks. Twice is the same as once.
    """
    value = value.strip()
    if not valid(value, scheme):
        return value
    if scheme == "doi":
        return _bare_doi(value)
    if scheme == "orcid":
        return "-".join(_groups(_ORCID, value)).upper()
    if scheme == "isni":
        return "".join(_groups(_ISNI, value)).upper()
    if scheme == "issn":
        digits = _groups(_ISSN, value)[0].replace("-", "").upper()
        return f"{digits[:4]}-{digits[4:]}"
    if scheme == "isbn":
        return (
            _groups(_ISBN, value)[0].strip().upper()
        )  # hyphens as sent: their places need a table of publishers
    if scheme == "arxiv":
        new, classed, archive, old = _groups(_ARXIV, value)
        return f"arXiv:{new or classed or f'{archive}/{old}'}"
    if scheme == "gnd":
        return _groups(_GND, value)[0].upper()
    if scheme == "ror":
        return _groups(_ROR, value)[0].lower()
    if scheme == "handle":
        match = _HANDLE_MARKED.fullmatch(value) or _HANDLE.fullmatch(value)
        return match[1] if match else value
    if scheme == "urn":
        urn = _groups(_URN, value)[0]
        return f"urn:{urn[4:]}"
    if scheme == "wikidata":
        return _groups(_WIKIDATA, value)[0].upper()
    if scheme in ("pmid", "viaf", "openalex"):
        pattern = {"pmid": _PMID, "viaf": _VIAF, "openalex": _OPENALEX}[scheme]
        number = _groups(pattern, value)[0].upper()
        return f"viaf:{number}" if scheme == "viaf" else number
    if scheme in ("hal", "ads"):
        return value[4:] if value.lower().startswith(f"{scheme}:") else value
    if scheme == "pmcid":
        return value.upper()
    return value


def _groups(pattern: re.Pattern[str], value: str) -> tuple[str, ...]:
    match = pattern.fullmatch(value)
    assert match is not None  # `valid` said so
    return tuple(group or "" for group in match.groups())


def _bare_doi(value: str) -> str:
    doi = _groups(_DOI, value)[0]
    if "%" in doi and "doi.org/" in value.lower():  # in an address, not in the DOI itself, %28 is a bracket
        plain = unquote(doi)
        if _DOI.fullmatch(plain):
            return _groups(_DOI, plain)[0]
    return doi


def url(value: str, scheme: str | None) -> str | None:
    """The address where the identified thing is found, or None. Only http, https and ftp: safe to put in a link."""
    value = value.strip()
    if not scheme:
        return None
    if scheme in ("url", "purl", "w3id") or (scheme in ("ark", "cstr") and "://" in value):
        return value if re.match(r"(?:https?|ftp)://", value, _I) and _is_url(value) else None
    if scheme == "ark":
        return f"https://n2t.net/{value}" if valid(value, scheme) else None
    if scheme in ("urn", "lsid"):
        return f"https://nbn-resolving.org/{value}" if value.lower().startswith("urn:nbn:") else None
    form = _LINKS.get(scheme)
    if form is None or not valid(value, scheme):
        return None
    plain = normalise(value, scheme)
    if scheme in ("arxiv", "ascl", "viaf"):
        plain = plain.partition(":")[2]
    return form.format(plain)


def orcid_problem(value: str) -> str | None:
    """What is wrong with an ORCID iD, in words for the person who typed it; None if nothing is."""
    value = value.strip()
    if not (match := _ORCID.fullmatch(value)):
        count = sum(c.isdigit() or c in "Xx" for c in value.rpartition("/")[2])
        return (
            f"'{value}' is not an ORCID iD: it has 16 digits in four groups, such as 0000-0002-1825-0097"
            + (f" (this has {count})." if count != 16 else ".")
        )
    digits = "".join(match.groups()).upper()
    if (expected := _mod11_2(digits[:15])) != digits[15]:
        return (
            f"'{value}' is mistyped: with these digits its last character would be {expected}, not {digits[15]}. "
            "Copy the iD from the person's page at https://orcid.org."
        )
    if not _is_orcid(value):
        return f"'{value}' is not an ORCID iD: no iD has been given out in this range. Look it up at https://orcid.org."
    return None
