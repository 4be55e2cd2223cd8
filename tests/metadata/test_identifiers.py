"""Identifiers: recognised as the library `idutils` (which Zenodo uses) does, checked, normalised, linked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.metadata import identifiers
from tests.metadata.zenodo_documents import SHARED


@pytest.mark.parametrize(
    ("value", "scheme", "normal", "link"),
    [
        ("https://doi.org/10.1234/ABC.d", "doi", "10.1234/ABC.d", "https://doi.org/10.1234/ABC.d"),
        ("doi: 10.1234/x", "doi", "10.1234/x", "https://doi.org/10.1234/x"),
        ("https://doi.org/10.1890/0012%282006%29", "doi", "10.1890/0012(2006)", "https://doi.org/10.1890/0012(2006)"),
        ("10.1/x", "doi", "10.1/x", "https://doi.org/10.1/x"),
        ("https://hdl.handle.net/20.500.12345/7", "handle", "20.500.12345/7", "https://hdl.handle.net/20.500.12345/7"),
        ("11245/1.2345", "handle", "11245/1.2345", "https://hdl.handle.net/11245/1.2345"),
        ("ark:/12148/btv1b8449691v", "ark", "ark:/12148/btv1b8449691v", "https://n2t.net/ark:/12148/btv1b8449691v"),
        ("arXiv:1501.00001v1", "arxiv", "arXiv:1501.00001v1", "https://arxiv.org/abs/1501.00001v1"),
        ("math.GT/0309136", "arxiv", "arXiv:math/0309136", "https://arxiv.org/abs/math/0309136"),
        ("978-3-16-148410-0", "isbn", "978-3-16-148410-0", None),
        ("ISBN 0-306-40615-2", "isbn", "0-306-40615-2", None),
        ("25815997", "issn", "2581-5997", None),
        ("0000-0002-1825-0097", "orcid", "0000-0002-1825-0097", "https://orcid.org/0000-0002-1825-0097"),
        ("http://orcid.org/000000021694233x", "orcid", "0000-0002-1694-233X", "https://orcid.org/0000-0002-1694-233X"),
        ("0000 0001 2156 142X", "isni", "000000012156142X", "https://isni.org/isni/000000012156142X"),
        ("gnd:118604740", "gnd", "118604740", "https://d-nb.info/gnd/118604740"),
        ("https://ror.org/01ggx4157", "ror", "01ggx4157", "https://ror.org/01ggx4157"),
        ("pmid:12082125", "pmid", "12082125", "https://pubmed.ncbi.nlm.nih.gov/12082125/"),
        ("PMC2631623", "pmcid", "PMC2631623", "https://pmc.ncbi.nlm.nih.gov/articles/PMC2631623/"),
        ("urn:nbn:de:101:1-201102033592", "urn", "urn:nbn:de:101:1-201102033592", "https://nbn-resolving.org/urn:nbn:de:101:1-201102033592"),
        ("urn:lsid:ubio.org:namebank:11815", "lsid", "urn:lsid:ubio.org:namebank:11815", None),
        ("http://purl.org/dc/terms", "purl", "http://purl.org/dc/terms", "http://purl.org/dc/terms"),
        ("https://example.org/a?b=ü", "url", "https://example.org/a?b=ü", "https://example.org/a?b=ü"),
        ("hash://md5/2d9ef974add28bfe8f02b868736b147a", "url", "hash://md5/2d9ef974add28bfe8f02b868736b147a", None),
        ("swh:1:rev:309cf2674ee7a0749978cf8265ab91a60aea0f7d", "swh", "swh:1:rev:309cf2674ee7a0749978cf8265ab91a60aea0f7d", "https://archive.softwareheritage.org/swh:1:rev:309cf2674ee7a0749978cf8265ab91a60aea0f7d"),
        ("ascl:1908.011", "ascl", "ascl:1908.011", "https://ascl.net/1908.011"),
        ("GSE2553", "geo", "GSE2553", "https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc=GSE2553"),
        ("PRJNA224116", "bioproject", "PRJNA224116", "https://www.ebi.ac.uk/ena/browser/view/PRJNA224116"),
        ("hal-00814808", "hal", "hal-00814808", "https://hal.science/hal-00814808"),
        ("Q937", "wikidata", "Q937", "https://www.wikidata.org/entity/Q937"),
    ],
)  # fmt: skip
def test_known_schemes(value: str, scheme: str, normal: str, link: str | None) -> None:
    assert identifiers.detect(value) == scheme
    assert identifiers.valid(value, scheme)
    assert identifiers.normalise(value, scheme) == normal
    assert identifiers.normalise(normal, scheme) == normal
    assert identifiers.url(value, scheme) == link


@pytest.mark.parametrize(
    "value", ["", "  ", "??", "foo", "foo/bar", "https://a b", "http://[::1", "10.1234", "x:y"]
)
def test_not_recognised(value: str) -> None:
    assert identifiers.detect(value) is None


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("0000-0002-1825-0098", "orcid"),
        ("0000-0001-2345-6789", "orcid"),  # an ISNI, out of ORCID's ranges
        ("978-3-16-148410-1", "isbn"),
        ("977-3-16-148410-0", "isbn"),
        ("1234-5678", "issn"),
        ("nope", "doi"),
        ("10.1234/abc", "url"),
        ("", "other"),
        ("x", "no-such-scheme"),
    ],
)
def test_invalid(value: str, scheme: str) -> None:
    assert not identifiers.valid(value, scheme)
    assert identifiers.normalise(value, scheme) == value


@pytest.mark.parametrize(
    "value", ["javascript:alert(1)", "javascript://x.org/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "ssh://x.org"]
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["url", "purl", "w3id", "ark", "cstr", "other", "doi", None])
def test_no_link_that_runs_anything(value: str, scheme: str | None) -> None:
    assert identifiers.url(value, scheme) is None


def test_orcid_problems_help() -> None:
    assert identifiers.orcid_problem("https://orcid.org/0000-0002-1825-0097") is None
    assert "last character would be 7, not 8" in (identifiers.orcid_problem("0000-0002-1825-0098") or "")
    assert "this has 4" in (identifiers.orcid_problem("1234") or "")
    assert "range" in (identifiers.orcid_problem("0000-0001-2345-6789") or "")


def _real() -> Iterator[str]:
    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                names = (
                    "identifier",
                    "orcid",
                    "doi",
                    "relatedIdentifier",
                    "alternateIdentifier",
                    "nameIdentifier",
                )
                if isinstance(inner, str) and key in names and inner.strip():
                    yield inner
                else:
                    yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    with (SHARED / "data" / "real-records.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield from walk(json.loads(line)["document"])


def test_agrees_with_idutils_on_real_identifiers() -> None:
    """On all 3,300 of them but these."""
    idutils = pytest.importorskip("idutils")
    otherwise = {
        "123456789999": None,  # GND to idutils, which does not look at the end
        "937-0-4523-12357-6": None,
        "172147764": "pmid",  # and GND
        "http://www.isni.org/0000000121227317": "isni",
        # one more part than an LSID has, with a slash: a handle to idutils, as anything with a slash
        "urn:lsid:globalbioticinteractions.org:dataset:globalbioticinteractions/ucsb-izc": "lsid",
    }
    differing, seen = {}, set(_real())
    assert len(seen) > 3000
    for value in seen:
        theirs = idutils.detect_identifier_schemes(value)
        ours = identifiers.detect(value)
        if (theirs[0] if theirs else None) != ours and not value.startswith("info:ddc/"):
            differing[value] = ours
        elif ours and ours not in ("isbn", "gnd", "isni"):  # whose normal forms differ on purpose
            assert identifiers.normalise(value, ours) == idutils.normalize_pid(value, ours)
    assert differing == otherwise


@given(st.one_of(st.text(max_size=30), st.from_regex(r"[a-zA-Z:/.0-9x%-]{1,40}", fullmatch=True)), st.sampled_from(sorted(identifiers.SCHEMES)))  # fmt: skip
def test_normal_form_is_stable_and_valid(value: str, scheme: str) -> None:
    normal = identifiers.normalise(value, scheme)
    assert identifiers.normalise(normal, scheme) == normal
    assert identifiers.valid(normal, scheme) == identifiers.valid(value, scheme)
    link = identifiers.url(value, scheme)
    assert link is None or link.lower().startswith(("http://", "https://", "ftp://"))
    identifiers.orcid_problem(value)
    if found := identifiers.detect(value):
        assert identifiers.valid(value, found)
