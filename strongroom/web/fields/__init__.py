"""The deposit form's fields ⇄ what a draft says (decision 0012). Pure: no request, no database.

A field is named by the JSON path of the records API (`metadata.creators.0.person_or_org.family_name`); `read` makes a form
into the body of `PUT /api/records/{id}/draft`, which `metadata.rdm.load` reads as it reads programs', and `fill` is the way
back. Names of their own have only what people write otherwise than programs:

    type, type.<group>           the upload type: its group as a pictured button, its kind within the group
    doi                          `new` (one of ours) or `own` (`pids.doi.identifier` is typed)
    access.choice                `open`, `embargoed`, `restricted`, `closed`; access.conditions
    keywords                     free keywords, one a line (commas and semicolons part them too)
    references.text              one reference a line
    …creators.0.orcid, .ror      the identifier of that scheme
    …languages.0.title           name or code of a language, beside the hidden `id`
    …rights.0.title, .own        name of a licence beside its `id`; with `own`, a licence in own words
    …features.0.lat, .lon        of a point
    contact.name, .email         the first contributor of role contactperson; the address stays on the server
    metadata_only                no files, and none to come

What a row has and the form does not show travels in a hidden field of the row, `@rest` (JSON): rows can be moved, and nothing
is lost. `@was` beside a name that has a hidden id says which id and name the page showed: a changed name drops the id.
`<list>.@rows` says that the form shows this list, so that no rows at all mean an empty list. What the form does not
have stays as it is.
"""

from strongroom.web.fields.comparing import Difference, arrange, choose, differences
from strongroom.web.fields.filling import fill
from strongroom.web.fields.findings import field_of, placed, whys
from strongroom.web.fields.names import LISTS, Said, counts, has, label, was
from strongroom.web.fields.reading import finish, read

__all__ = [
    "LISTS",
    "Difference",
    "Said",
    "arrange",
    "choose",
    "counts",
    "differences",
    "field_of",
    "fill",
    "finish",
    "has",
    "label",
    "placed",
    "read",
    "was",
    "whys",
]
