"""What mails about requests say. English here, other languages in the catalogues (`make texts`)."""

from __future__ import annotations

from strongroom import mail
from strongroom.mail import N_

mail.define(
    "access-confirm",
    N_("Confirm your request for access to “%(title)s”"),
    N_(
        "Somebody, probably you, asks with this address for access to the restricted files of\n"
        "“%(title)s” at %(site)s.\n\n"
        "To send this request to the people who decide, open\n\n%(link)s\n\n"
        "within %(hours)d hours. If it was not you, do nothing: nothing will be sent.\n"
    ),
)
mail.define(
    "request-submitted",
    N_("Request: %(title)s"),
    N_(
        "%(who)s asks something of you at %(site)s (%(kind)s):\n\n%(title)s\n\n%(message)s\n\n"
        "Read and decide: %(link)s\n"
    ),
)
# To an address that nobody has confirmed: neither the requester's words nor the owner's, else anybody could mail
# anything to anyone.
mail.define(
    "request-contact",
    N_("A request for access at %(site)s"),
    N_(
        "Somebody asks for access to the restricted files of record %(number)s at %(site)s:\n\n%(link)s\n\n"
        "The owner of the record, who named this address for such requests, was told and decides. With an account\n"
        "that has this address you would be sent the whole request. If you have nothing to do with the record, write\n"
        "to %(contact)s.\n"
    ),
)
mail.define(
    "request-accepted",
    N_("Accepted: %(title)s"),
    N_("Your request at %(site)s (%(kind)s) was accepted:\n\n%(title)s\n\n%(message)s\n\n%(link)s\n"),
)
mail.define(
    "request-declined",
    N_("Declined: %(title)s"),
    N_("Your request at %(site)s (%(kind)s) was declined:\n\n%(title)s\n\n%(message)s\n\n%(link)s\n"),
)
mail.define(
    "request-comment",
    N_("New comment: %(title)s"),
    N_("%(who)s wrote about a request at %(site)s (%(kind)s):\n\n%(title)s\n\n%(message)s\n\n%(link)s\n"),
)
mail.define(
    "guest-access",
    N_("You have access to “%(title)s”"),
    N_(
        "Your request was accepted. This link opens the restricted files of “%(title)s”\n"
        "at %(site)s; whoever has it can use it, so keep it to yourself:\n\n%(link)s\n\n"
        "%(until)s\n\n%(message)s\n"
    ),
)
mail.define(
    "guest-declined",
    N_("No access to “%(title)s”"),
    N_("Your request for access to “%(title)s” at %(site)s was declined.\n\n%(message)s\n"),
)
mail.define(
    "grant-given",
    N_("“%(title)s” was shared with you"),
    N_("%(who)s shared “%(title)s” at %(site)s with you (%(permission)s).\n\n%(message)s\n\n%(link)s\n"),
)

# Names of types, for mails and lists.
LABELS = {
    "user-access-request": N_("User access"),
    "guest-access-request": N_("Guest access"),
    "record-deletion": N_("Record deletion"),
    "quota-increase": N_("Quota increase"),
}
