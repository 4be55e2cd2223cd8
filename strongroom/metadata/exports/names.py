"""Names of people taken apart: what citations, schema.org and DataCite need and depositors seldom send."""

from __future__ import annotations

from strongroom.metadata.model import Person

# Words that belong to the family name when they stand before it.
_PARTICLES = frozenset(
    {"af", "al", "av", "bin", "da", "de", "del", "della", "den", "der", "di", "dos", "du", "el", "ibn"}
    | {"la", "le", "ten", "ter", "van", "von", "zu", "zum"}
)


def parts(person: Person) -> tuple[str, str]:
    """(family name, given names); given is empty for organisations and for names that can't be parted.

    "Family, Given" is parted at the comma. A name in natural order is parted at its last word only
    when an ORCID proves that it is a person: "European Commission" must never become "Commission, E.".
    """
    if person.type == "organizational":
        return person.name or person.family_name or "", ""
    if person.family_name:
        return person.family_name, person.given_name or ""
    family, comma, given = person.name.partition(",")
    if comma:
        return family.strip(), given.strip()
    words = person.name.split()
    if len(words) < 2 or person.identifier("orcid") is None:
        return person.name.strip(), ""
    start = len(words) - 1
    while start > 1 and words[start - 1].lower() in _PARTICLES:
        start -= 1
    return " ".join(words[start:]), " ".join(words[:start])


def natural(person: Person) -> str:
    """The name as it is spoken: "Given Family"."""
    return spoken(person.type, person.name, person.family_name, person.given_name)


def spoken(kind: str, name: str, family_name: str | None, given_name: str | None) -> str:
    """`natural` of a person's parts."""
    if kind == "organizational":
        return name
    if family_name:
        return f"{given_name} {family_name}" if given_name else family_name
    family, comma, given = name.partition(",")
    given = given.strip()
    return f"{given} {family.strip()}" if comma and given else name


def initials(given: str) -> str:
    """ "Jean-Luc Marie" → "J.-L. M."; letters that are initials already stay."""
    return " ".join(
        "-".join(f"{piece[0].upper()}." for piece in word.split("-") if piece and piece[0].isalpha())
        for word in given.replace(".", ". ").split()
        if word[0].isalpha()
    )
