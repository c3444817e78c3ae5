"""What one member, or one API key, may spend of the shared credits in a day and in a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Case, F, Q, Sum, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.caller import Caller
from billing.models import Hold
from billing.shop.budgets import Period
from generation.models import Generation
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


CLOCKS_DIFFER: Final = timedelta(hours=1)
"""A clip has its row's time from this process, its hold's from the database: the hold's decides."""
_COUNTED: Final = Case(When(state=Hold.State.OPEN, then=F("amount")), default=F("captured"))


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
    if holder is None:
        return []
    limits = {Period.DAY: holder.daily_cap_credits, Period.MONTH: holder.monthly_cap_credits}
    begins = {period: period.began for period in Period}
    set_ones = {period: limit for period, limit in limits.items() if limit is not None}
    if not set_ones:
        return []
    earliest = min(begins[period] for period in set_ones) - CLOCKS_DIFFER
    own = Generation.objects.of(caller.workspace).filter(created_at__gte=earliest)
    own = own.filter(api_key=caller.key.line_id) if caller.key is not None else own.filter(made_by=caller.user)
    since = {period.value: Coalesce(Sum(_COUNTED, filter=Q(held_at__gte=begins[period])), 0) for period in set_ones}
    spent = Hold.objects.filter(id__in=own.values("id")).aggregate(**since)
    return [Cap(period, begins[period], limit, int(spent[period])) for period, limit in set_ones.items()]
