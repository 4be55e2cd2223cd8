"""What other vocabularies call our terms: schema.org's and DataCite's words for ids of the model.

DataCite's own lists (kernel 4.6) are the source: our ids are its words in lower case, so a list of
its words is the map. What a kernel does not know becomes its `Other` (or is left out where it has none).
"""

from __future__ import annotations

from strongroom.metadata import vocabularies

# Types that DataCite knows from kernel 4.7 on; until its API takes them they are its Text with their name.
_NEWER = {"Poster": "Poster", "Presentation": "Presentation"}


def schema_type(resource_type: str | None) -> str:
    """The schema.org class of a resource type: `Dataset`, `SoftwareSourceCode`, …; `CreativeWork` if unknown."""
    known = vocabularies.resource_type(resource_type or "")
    name = known.schema_org.rpartition("/")[2] if known else "CreativeWork"
    return name if name[:1].isupper() else "CreativeWork"  # InvenioRDM has `schema.org/other` for two types


def datacite_type(resource_type: str | None) -> tuple[str, str]:
    """DataCite's (resourceTypeGeneral, resourceType)."""
    known = vocabularies.resource_type(resource_type or "")
    if known is None:
        return "Other", ""
    if known.datacite in _NEWER:
        return "Text", _NEWER[known.datacite]
    return known.datacite, known.datacite_type or ""


def _by_id(words: str) -> dict[str, str]:
    return {word.lower(): word for word in words.split()}


CONTRIBUTOR_TYPES = _by_id(
    "ContactPerson DataCollector DataCurator DataManager Distributor Editor HostingInstitution Producer "
    "ProjectLeader ProjectManager ProjectMember RegistrationAgency RegistrationAuthority RelatedPerson "
    "Researcher ResearchGroup RightsHolder Sponsor Supervisor WorkPackageLeader Other"
)
RELATION_TYPES = _by_id(
    "IsCitedBy Cites IsCollectedBy Collects IsSupplementTo IsSupplementedBy IsContinuedBy Continues "
    "IsDescribedBy Describes HasMetadata IsMetadataFor HasVersion IsVersionOf IsNewVersionOf IsPartOf "
    "IsPreviousVersionOf IsPublishedIn HasPart IsReferencedBy References IsDocumentedBy Documents "
    "IsCompiledBy Compiles IsVariantFormOf IsOriginalFormOf IsIdenticalTo IsReviewedBy Reviews "
    "IsDerivedFrom IsSourceOf IsRequiredBy Requires IsObsoletedBy Obsoletes"
)
DATE_TYPES = _by_id(
    "Accepted Available Copyrighted Collected Created Issued Submitted Updated Valid Withdrawn Other"
)
TITLE_TYPES = _by_id("AlternativeTitle Subtitle TranslatedTitle Other")
DESCRIPTION_TYPES = _by_id("Abstract Methods SeriesInformation TableOfContents TechnicalInfo Other")
# Our schemes are those of idutils; DataCite calls some of them otherwise and knows only these.
IDENTIFIER_TYPES = _by_id(
    "ARK arXiv bibcode DOI EAN13 EISSN Handle IGSN ISBN ISSN ISTC LISSN LSID PMID PURL UPC URL URN w3id"
) | {"ads": "bibcode", "hdl": "Handle", "eissn": "EISSN"}


def contributor_type(role: str | None) -> str:
    return CONTRIBUTOR_TYPES.get((role or "").lower(), "Other")


def title_type(id: str | None) -> str:
    return TITLE_TYPES.get((id or "").replace("-", ""), "Other")


def description_type(id: str) -> str:
    return DESCRIPTION_TYPES.get(id.replace("-", ""), "Other")


# schema.org properties that say what a relation says; others have none and stay out.
SCHEMA_RELATIONS = {
    "cites": "citation",
    "references": "citation",
    "ispartof": "isPartOf",
    "haspart": "hasPart",
    "isderivedfrom": "isBasedOn",
    "issupplementto": "citation",  # Google: the article to cite in addition to the data
    "isidenticalto": "sameAs",
    "isdescribedby": "subjectOf",
    "isdocumentedby": "subjectOf",
    "isreviewedby": "subjectOf",
    "iscitedby": "subjectOf",
    "isreferencedby": "subjectOf",
}
