"""What others will see of a draft, in a sentence."""

from __future__ import annotations

from strongroom.ids import today
from strongroom.web.deposit.seen import Seen
from strongroom.web.render import Texts


def seen_of(choice: str, dated: bool, hidden: bool, t: Texts) -> str:
    """What others see of a record with this access. `dated`: its embargo ends on a day that can be; `hidden`: its page too."""
    _ = t.gettext
    if choice == "open":
        return _("The page, its description and its files are public at once.")
    if choice == "embargoed" and not dated:
        return _("Say when the files open: without a date after today it can't be published.")
    if hidden:
        return _("Nobody but you and those you share it with sees the page.")
    return {
        "embargoed": _(
            "The page and its description are public at once. The files open when the embargo ends."
        ),
        "restricted": _("The page and its description are public at once. You decide who gets the files."),
        "closed": _("The page and its description are public at once. Nobody gets the files."),
    }[choice]


def _sees(seen: Seen, choice: str, t: Texts) -> str:
    """`_seen_of` this draft with another choice, or its own."""
    data = seen.view.data
    if data.metadata_only and choice == "open":
        return t.gettext("The page and its description are public at once.")
    until = data.access.embargo_until
    if choice == "embargoed" and until is not None and until <= today() and seen.view.published:
        choice = "open"  # it has ended
    dated = until is not None and until > today() and "access.embargo.until" not in seen.beside.typed
    return seen_of(choice, dated, data.access.record == "restricted", t)


def visible_of(seen: Seen, t: Texts) -> str:
    """What others see of the draft once it is published."""
    return _sees(seen, seen.values.get("access.choice", "open"), t)
