"""What one member, or one API key, may spend of the shared credits in a day and in a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _

from accounts.caller import Caller
from billing.shop.budgets import Period
from generation import spending
from loremotion.refusals import Forbidden


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit, and how much of it is used. What is open counts in full; what ended counts as far as it was charged."""

    period: Period
    began: datetime
    """First moment of the present period (UTC)."""
    credits: int
    spent: int

    @property
    def left(self) -> int:
        return max(0, self.credits - self.spent)


def refuse_beyond_cap(caller: Caller, *, credits: int) -> list[Cap]:
    """Refuse what would go beyond a cap of the caller's. Certain while the workspace's row is locked. Returns the caps
    as they stand without it.

    Raises:
        Forbidden: names the cap and what is left of it.
    """
    caps = caps_of(caller)
    for cap in caps:
        if credits > cap.left:
            is_of_day = cap.period == Period.DAY
            if caller.key is not None:
                words = (
                    "This key can spend %(credits)s credits a day here, with %(left)s left today."
                    if is_of_day
                    else "This key can spend %(credits)s credits a month here, with %(left)s left this month."
                )
            elif is_of_day:
                words = _("You can spend %(credits)s credits a day here, with %(left)s left today.")
            else:
                words = _("You can spend %(credits)s credits a month here, with %(left)s left this month.")
            raise Forbidden(
                "cap_reached",
                words % {"credits": intcomma(cap.credits), "left": intcomma(cap.left)},
                next_step=_("An owner or admin can raise the cap."),
            )
    return caps


def caps_of(caller: Caller) -> list[Cap]:
    """The caller's caps in this workspace, and what is used of each. One query; none where there is no cap.

    A rotated key has spent what those before it have.
    """
    holder = caller.holder
    if holder is None or caller.workspace is None:
        return []
    limits = {Period.DAY: holder.daily_cap_credits, Period.MONTH: holder.monthly_cap_credits}
    set_ones = {period: limit for period, limit in limits.items() if limit is not None}
    if not set_ones:
        return []
    spent = spending.credits_by_period(
        caller.workspace.id,
        key=caller.key.line_id if caller.key is not None else None,
        member=caller.user.id if caller.key is None and caller.user is not None else None,
    )
    return [Cap(period, period.began, limit, spent[period]) for period, limit in set_ones.items()]
