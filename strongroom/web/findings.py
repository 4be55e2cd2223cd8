"""What findings and errors say, in the reader's language.

Nouns and readers of metadata say what is wrong in English, with the values in it, as the APIs answer it; a page
tells its reader the same in his own words. `told` finds a sentence in the table below, takes its values out and puts
them into the translation. What the table does not know is shown as it is: an English sentence is better than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from strongroom.errors import Invalid, StrongroomError
from strongroom.web.render import LANGUAGES, Texts
from strongroom.web.words import N_

LONGEST: Final = 2_000
"""Characters; nothing longer is searched for values. No sentence comes near, and the search takes its time."""

_MOST_SENTENCES: Final = 5

# Sentences without values are looked up as they are; of those with values the first that fits is taken, so
# that what is more particular stands first. `%(num…)s` takes digits only.
SENTENCES: Final = (
    # metadata.checks
    N_("Missing data for required field."),
    N_("Say what this is: dataset, software, publication, image, …"),
    N_("Name at least one creator."),
    N_("Give the deposit a title."),
    N_("Give a date as YYYY-MM-DD."),
    N_("Give the name as 'Family name, Given names', or the organisation's."),
    N_("Say what this contributor did: DataCollector, Editor, ProjectMember, …, or Other."),
    N_("Shorter than minimum length %(num)s."),
    N_("Longer than maximum length %(num)s."),
    N_("It has %(num)s characters: shorten it."),
    N_("Give a longer title."),
    N_("Name the licence by its id, or give a title."),
    N_("Not a valid URL."),
    N_("Invalid DOI"),
    N_("'%(value)s' is not a DOI, which looks like 10.1234/abc. Leave it out to get one from here."),
    N_("No valid scheme recognized for identifier."),
    N_("'%(value)s' is no DOI, URL, ISBN or the like: send a whole one, or its scheme."),
    N_("Only one identifier of each scheme is allowed: %(scheme)s is there already."),
    N_("'%(value)s' is not a %(scheme)s identifier: correct it or leave it out."),
    N_("Invalid %(scheme)s identifier."),
    N_("Invalid date provided."),
    N_("Give start, end or both (the same day twice for a single day), or remove the item."),
    N_("The end (%(end)s) lies before the start (%(start)s)."),
    N_("Must be between -%(num)s and %(num2)s degrees, not %(value)s."),
    N_("Give both lat and lon, or none."),
    N_("Name the place, or give lat and lon."),
    N_("Not a valid ISBN."),
    N_(
        "'%(value)s' does not have 10 or 13 digits of which the last fits the others: correct it or leave it out."
    ),
    N_("'%(value)s' is not a web address: it starts with https:// or http://."),
    N_("Embargo end date must be set to a future date."),
    N_("%(value)s is over: choose a later day, or set access_right to open."),
    N_("'%(value)s' is not a date: write YYYY-MM-DD, YYYY-MM or YYYY."),
    N_("'%(value)s' is not a day of the calendar."),
    # metadata.identifiers
    N_(
        "'%(value)s' is not an ORCID iD: it has 16 digits in four groups, such as 0000-0002-1825-0097 (this has %(num)s)."
    ),
    N_("'%(value)s' is not an ORCID iD: it has 16 digits in four groups, such as 0000-0002-1825-0097."),
    N_(
        "'%(value)s' is mistyped: with these digits its last character would be %(expected)s, not %(last)s. Copy the iD from the person's page at https://orcid.org."
    ),
    N_(
        "'%(value)s' is not an ORCID iD: no iD has been given out in this range. Look it up at https://orcid.org."
    ),
    # metadata.rdm, metadata.reading, vocabularies
    N_("Family name cannot be blank."),
    N_("Please provide a valid date or interval."),
    N_("'%(value)s' is not in the vocabulary loaded here; kept as given."),
    N_("Invalid input type."),
    N_("Not a valid string."),
    N_("Not a valid list."),
    N_("Not a valid boolean."),
    N_("Not a valid integer."),
    N_("Not a valid number."),
    N_("Not a valid date."),
    N_("Unknown field."),
    N_("Unknown field: ignored."),
    N_("Control characters were removed."),
    N_("HTML that is not allowed was removed: %(names)s."),
    N_("Not a string: the number was read as '%(value)s'."),
    N_("An existing id or a free text name must be present."),
    N_("An existing id or a free text subject must be present."),
    N_("This affiliation is there twice."),
    N_("Name the funder by its id, or give a name."),
    N_("Embargo end date must be unset or in the past."),
    N_("Missing DOI for required field."),
    N_("Invalid value %(value)s."),
    N_("Did you mean '%(value)s'?"),
    N_("Choose one of: %(names)s."),
    N_("Must be one of: %(names)s."),
    # metadata.legacy and metadata.prefill: what was left out of a file with a description
    N_("Unknown access type."),
    N_("Embargoed: say until when, as YYYY-MM-DD."),
    N_("Invalid license provided: %(value)s"),
    N_("Language must be either ISO-639-1 or 639-2 compatible."),
    N_("'%(value)s' does not have two or three letters, as en or eng."),
    N_("'%(value)s' is not a day: write YYYY-MM-DD."),
    N_("'%(value)s' is not a number of degrees."),
    N_("It is no language code of ISO 639."),
    N_("Use an SPDX id, such as CC-BY-4.0 or MIT."),
    N_("Expected an object."),
    N_("Blank: ignored."),
    N_("Kept, but of no known vocabulary."),
    N_("no licence has the id %(value)s."),
    N_("identifiers: %(value)s is no %(scheme)s."),
    N_("A CITATION.cff may have 100 KB at most."),
    N_("It is no CITATION.cff: that is a list of fields, each as `name: value`."),
    N_("It can't be read as YAML in line %(num)s."),
    N_("It can't be read as YAML."),
    N_("It is no description: a .zenodo.json holds one JSON object."),
    N_("It is no JSON: line %(num)s, column %(num2)s: %(why)s."),
    N_("It does not describe a deposit."),
    N_("A file with a description may have 1 MB at most."),
    N_("Write the new name of the file."),
    # records.publish, records.drafts, pids
    N_("Missing uploaded files. To disable files for this record please mark it as metadata-only."),
    N_("Upload at least one file, or say in the records API that there are none: files.enabled false."),
    N_("Marked as metadata-only, but it has %(num)s file(s): delete them, or enable files."),
    N_("One or more files have not completed their transfer, please wait."),
    N_("Not complete: %(names)s"),
    N_("The DOI can't be changed once published: it is %(doi)s."),
    N_(
        "%(doi)s has this repository's own prefix but is not this record's DOI. Leave the field out to get %(own)s."
    ),
    N_("DOI %(doi)s already names another record here."),
    N_("A PID already exists for type doi"),
    N_("The persistent identifier does not exist."),
    N_("The persistent identifier is not registered."),
    N_("Publish this draft first."),
    N_("Discard the draft instead."),
    N_("This record was withdrawn: it can't be edited."),
    N_("All versions of this record were withdrawn: start a new deposit."),
    N_("This record has a DOI of another repository, which names one version only: start a new deposit."),
    N_("Bucket is locked for modifications."),
    N_("Files of a published version never change: make a new version."),
    N_("The draft was published or discarded while the file was on its way. The file was not stored."),
    N_("There is no file '%(name)s' in this draft."),
    N_("Revision id provided(%(value)s) doesn't match record's one(%(num)s)"),
    N_(
        "Revision id provided(%(value)s) doesn't match record's one(%(num)s). Somebody changed it since you read it: read it again, then repeat."
    ),
    # files
    N_("A file needs a name."),
    N_("A file name must be valid UTF-8."),
    N_("A file name, folders included, may have %(num)s bytes at most."),
    N_("A file name can't hold the control character U+%(code)s."),
    N_("A file name can't be an absolute path: leave out the first '/'."),
    N_("A path can't have an empty part: remove the doubled or last '/'."),
    N_("A path can't have the part %(value)s."),
    N_("%(name)s can't be stored: %(other)s is a file here, so it can't be a folder."),
    N_("%(name)s can't be stored: it is a folder here, holding %(other)s."),
    N_("%(name)s can't be stored: %(other)s is the same name in another Unicode normal form."),
    N_("%(name)s and %(other)s differ only in case: some systems can't keep both."),
    N_("File with key %(name)s already exists."),
    N_("Delete that file first, or choose another name."),
    N_("File does not exist."),
    N_("File size limit exceeded."),
    N_("The limit is exceeded."),
    N_("%(num)s bytes are left here, the file has %(num2)s bytes."),
    N_("%(num)s bytes are left here, the file has more."),
    N_("%(num)s bytes are left here, the files have %(num2)s."),
    N_("A record may have %(num)s bytes."),
    N_("A file may have %(num)s bytes here."),
    N_("A user may have %(num)s bytes."),
    N_("A record may have %(num)s files here."),
    N_("Uploading selected files will result in exceeding the max amount per record: %(num)s files."),
    N_("Pack several files into one archive."),
    N_("The upload was given up after a long silence: send it again."),
    N_("The upload did not arrive whole. Nothing was stored: send it again."),
    N_("The connection broke before the end. Nothing was stored: send it again."),
    N_("No byte came for %(num)s seconds. Nothing was stored: send it again."),
    N_("The record has no files."),
    N_("This record has no files."),
    N_("This record has no folder of this name."),
    N_("Please remove all files first."),
    N_("The server's storage is full. Nothing was stored. Try again later or tell its operator."),
    # uploads: files.transfers, storage.receive and their doors, asked by the form's script
    N_("File is smaller than expected."),
    N_("File is bigger than expected."),
    N_("Empty files are not accepted."),
    N_("Bucket does not exist."),
    N_("This draft has no files."),
    N_("Record '%(num)s' has no file '%(name)s'."),
    N_("The file %(name)s is not complete yet."),
    N_("The file %(name)s is completed: delete it first to send another."),
    N_("The file %(name)s has no content yet: PUT it, then commit."),
    N_("The file %(name)s is being verified: its parts can't be sent any more."),
    N_("The file %(name)s is still being fetched: it completes by itself."),
    N_("The file %(name)s has %(num)s parts, no part %(num2)s."),
    N_("The file %(name)s was announced with %(num)s bytes and has %(num2)s: send it again."),
    N_("The file %(name)s was announced with the %(scheme)s %(value)s and has %(other)s: send it again."),
    N_("The file %(name)s was not announced as a local transfer: its content comes otherwise."),
    N_("The file %(name)s was not announced as a multipart transfer: PUT its content whole."),
    N_("The file was deleted while it was fetched."),
    N_("The file was deleted or completed while its content was on its way. Nothing was stored."),
    N_("The file upload transfer failed, please try again."),
    N_("The transfer of %(name)s failed: delete the file, then announce it again."),
    N_("The transfer was ended meanwhile: its parts can't be sent again."),
    N_("The transfer was ended while the part was on its way."),
    N_("The stored parts are shorter than announced."),
    N_("%(num)s of %(num2)s parts of %(name)s are missing: send %(value)s."),
    N_("Part %(num)s of %(name)s must have %(num2)s bytes, not %(num3)s: nothing was stored."),
    N_("Part %(num)s of %(name)s has %(num2)s bytes, not what was announced: send it again."),
    N_("A file can have 1 to %(num)s parts."),
    N_("Parts need %(num)s bytes at least here (but the last)."),
    N_("%(num)s parts of %(num2)s bytes do not make %(num3)s bytes."),
    N_("Multipart file transfer requires file size."),
    N_("Must be a whole number, 1 or more."),
    N_(
        "The bytes that arrived have the %(scheme)s %(value)s, not %(other)s as announced. Nothing was stored: send the file again."
    ),
    N_(
        "The server could not verify that you are authorized to access the URL requested. Send a valid token as 'Authorization: Bearer <token>' or '?access_token=<token>'."
    ),
    # accounts
    N_("Your name is missing: it has 1 to 200 characters."),
    N_("A password needs at least 8 characters."),
    N_("This is your address already."),
    N_("There is an account with the address %(address)s already."),
    N_("%(value)s is no e-mail address."),
    N_("A token needs a name of 1 to 200 characters: say what it is for."),
    N_("A name has no null characters."),
    N_("The time lies in the past."),
    N_("You have %(num)s tokens already: revoke some that you no longer use."),
    N_("Unknown scope %(value)s: known are %(names)s."),
    N_("An application needs a name of 1 to 200 characters."),
    N_("Longer than 2,000 characters."),
    N_("Must begin with https:// or http://."),
    N_("Give 1 to 20 addresses, one a line."),
    N_("You have %(num)s applications already: delete some."),
    N_("A public application has no secret."),
    N_("%(value)s is no address: write it in ASCII, without blanks, as your program sends it."),
    N_("%(value)s is no address."),
    N_("%(value)s has a fragment (#), which an address for codes must not have."),
    N_("%(value)s has a user name or password in it."),
    N_("%(value)s begins with http:, which is for programs on the user's own machine only: use https."),
    N_(
        "%(value)s must begin with https://, with http://127.0.0.1 or, for a public application, with a scheme such as org.example.app:/"
    ),
    N_("This log-in belongs to an account already: log in again."),
    N_("Your account has an ORCID iD already: unlink it first."),
    N_("This is your only way to log in: set a password or link another one first."),
    N_("This identity is linked to another account here. Log in to that one and unlink it first."),
    N_("This link was used already, or is too old."),
    N_("The account of an administrator can't be switched off here: take the role away first."),
    N_("This account is not blocked."),
    N_("This account is blocked: restore it."),
    N_("This account was closed: all it had is in another one of the same person."),
    # sharing, requests
    N_("Expiration date must be set to the future"),
    N_("Cannot postpone expiration of links"),
    N_("Could not find the specified subject."),
    N_("Grant for this user/role already exists within this record."),
    N_("You already have access to this record."),
    N_("Not a valid email address."),
    N_("The conversation was closed."),
    N_("Invalid removal reason"),
    N_("Must be a number of gigabytes between 1 and %(num)s."),
    N_("There is no limit on the size of this record: nothing is to be raised."),
    N_("This record may have %(value)s GB already: ask for more."),
    # errors and http, as error pages say them
    N_("Something went wrong."),
    N_("A validation error occurred."),
    N_("The request could not be read."),
    N_("Permission denied."),
    N_("Not found."),
    N_("The resource was changed by somebody else meanwhile: read it again, then repeat."),
    N_("If-Match names an older revision: read the resource again, then repeat."),
    N_("The method is not allowed for the requested URL."),
    N_("The server cannot provide the requested range. It lies outside the file."),
    N_("Too many requests."),
    N_("%(num)s per 1 minute"),
    N_("The server is busy. Nothing was changed: try again in a few seconds."),
    N_("A service this server depends on does not answer."),
    N_("The server's storage holds another number of bytes than it should."),
    N_("The server made a mistake and wrote it down. Nothing of what you sent was changed half."),
    N_("This request came from another site."),
    N_("The form is out of date: load the page again, then repeat."),
    N_("The form is too large."),
    N_("A form may have %(num)s fields at most."),
    N_("The form has more than 50 fields."),
    N_("The body is larger than %(num)s bytes."),
    N_("Invalid querystring parameters."),
    N_("Must be greater than or equal to 1."),
    N_("Only the first %(num)s results can be paged through: narrow the search."),
    N_("There is no citation style of this name."),
    N_("Citation string style not found."),
)

_HOLE: Final = re.compile(r"%\((\w+)\)s")


def pattern_of(sentence: str) -> re.Pattern[str]:
    """A msgid with `%(name)s` in it, as the pattern of the messages that are made after it."""
    parts = _HOLE.split(sentence)  # text, name, text, …, text
    found = re.escape(parts[0])
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        found += (
            rf"(?P<{name}>{r'[0-9]+(?:,[0-9]{3})*' if name.startswith('num') else '.*?'}){re.escape(text)}"
        )
    return re.compile(found, re.DOTALL)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((s, pattern_of(s)) for s in SENTENCES if _HOLE.search(s))


def told(message: str, t: Texts) -> str:
    """A finding's sentence for a reader of `t`'s language; one that is not known comes back as it is."""
    if t.language == LANGUAGES[0]:
        return message
    known = _known(message, t, _MOST_SENTENCES)
    return message if known is None else known


def _known(message: str, t: Texts, sentences: int) -> str | None:
    """The translation; None if there is none of a part of it."""
    if not message or len(message) > LONGEST or sentences < 1:
        return None  # the empty msgid is the catalogue's header
    if (said := t.gettext(message)) != message:
        return said
    for sentence, pattern in _patterns():
        if found := pattern.fullmatch(message):
            values = {name: _value(name, value, t) for name, value in found.groupdict().items()}
            return t.gettext(sentence) % values
    # "metadata.title: …", "name of a file: …"
    place, colon, rest = message.partition(": ")
    if colon and (after := _known(rest, t, sentences - 1)) is not None:
        return f"{place}: {after}"
    return _one_by_one(message, t, sentences)


def _one_by_one(message: str, t: Texts, sentences: int) -> str | None:
    """Several sentences in one message, each of which is known."""
    first, stop, rest = message.partition(". ")
    if not stop:
        return None
    said = _known(f"{first}.", t, 1)
    further = _known(rest, t, sentences - 1) if said is not None else None
    return None if further is None else f"{said} {further}"


def _value(name: str, value: str, t: Texts) -> str:
    """A value as it stands in the message, but numbers in groups as the language writes them."""
    return t.number(int(value.replace(",", ""))) if name.startswith("num") and "," in value else value


def told_all(error: StrongroomError, t: Texts) -> list[str]:
    """All that an error says, sentence by sentence: of its findings, else its own message."""
    if isinstance(error, Invalid) and error.findings:
        return [told(message, t) for finding in error.findings for message in finding.messages]
    return [told(error.message, t)]


def told_json(body: Mapping[str, Any], t: Texts) -> dict[str, Any]:
    """An answer of `http.problems.as_json` for the script of a page, which shows it to its reader."""
    said = dict(body, message=told(str(body["message"]), t))
    if "errors" in body:
        said["errors"] = [
            dict(one, messages=messages, message=" ".join(messages))
            for one in body["errors"]
            for messages in ([told(m, t) for m in one["messages"]],)
        ]
    return said
