"""What the ledger raises: errors of the caller's code, and the one refusal that a person can do something about."""

from __future__ import annotations

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loremotion.refusals import Conflict, InsufficientCredits


class LedgerError(Exception):
    """The ledger was asked for something that no correct caller asks: a bug upstream. The transaction is lost."""


class ReferenceReused(LedgerError):
    """The reference stands for another request already."""


class UnknownReference(LedgerError):
    """Nothing was granted or held under this reference."""


class InvalidAmount(LedgerError):
    """The amount is not one that can be granted, held, charged or taken back."""


class NotOwed(Conflict):
    """Less is owed for the grant than was to be written off. Nothing was written."""

    def __init__(self, *, owed: int, needed: int) -> None:
        super().__init__(
            "not_owed",
            f"{needed} credits were to be written off, and {owed} are owed for this grant.",
            next_step="Look at the account again: somebody has paid or written off meanwhile.",
        )
        self.owed = owed
        self.needed = needed


class LedgerProtected(LedgerError):
    """Something tried to write the ledger's tables past its functions."""


BY_SQLSTATE: dict[str, type[LedgerError]] = {
    "LM403": LedgerProtected,
    "LM404": UnknownReference,
    "LM409": ReferenceReused,
    "LM422": InvalidAmount,
}


class NotEnoughCredits(InsufficientCredits):
    """The account has ``available`` credits where ``needed`` were asked for. Nothing was written."""

    def __init__(self, *, available: int, needed: int) -> None:
        super().__init__(
            "insufficient_credits",
            ngettext(
                "This costs %(needed)s credit, and you have %(available)s.",
                "This costs %(needed)s credits, and you have %(available)s.",
                needed,
            )
            % {"needed": intcomma(needed), "available": intcomma(available)},
            next_step=_("Get more credits, or choose settings that cost less."),
        )
        self.available = available
        self.needed = needed
