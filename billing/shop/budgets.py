"""Limits that a workspace sets itself: caps on what a day and a month may cost, and mail when credits run low."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import connection
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from billing.shop.models import Budget
from loremotion.refusals import InsufficientCredits


class Period(StrEnum):
    DAY = "day"
    MONTH = "month"

    @property
    def began(self) -> datetime:
        """The first moment of the present one (UTC)."""
        midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self == Period.DAY else midnight.replace(day=1)


class OverBudget(InsufficientCredits):
    """The workspace's own cap for the day or the month would be passed."""

    def __init__(self, cap: int, spent: int, period: Period = Period.MONTH) -> None:
        words = (
            _("This workspace has a daily limit of %(cap)s credits, and this clip would take it to %(spent)s.")
            if period == Period.DAY
            else _("This workspace has a monthly limit of %(cap)s credits, and this clip would take it to %(spent)s.")
        )
        super().__init__(
            "over_budget",
            words % {"cap": intcomma(cap), "spent": intcomma(spent)},
            next_step=_("Whoever handles billing can raise the limit on the Credits page."),
        )


def spent_credits(account: UUID, period: Period = Period.MONTH) -> int:
    """Credits charged or held for requests of this period, also in accounts that were merged into this one's: what is
    held there stays there."""
    found: Mapping[Period, int] = import_string(settings.ACCOUNT_SPENDING)(account)
    return found[period]


def set_caps_by_item(account: UUID, caps: Mapping[str, Mapping[str, int]]) -> None:
    """Say what may be spent on each thing that is bought; what is not named has no cap."""
    Budget.objects.update_or_create(workspace=account, defaults={"caps_by_item": dict(caps) or None})


ALERTED_PERCENT: Final = (50, 80, 100)
"""Of a cap: once so much is used, whoever set it is told."""


def refuse_beyond_cap(account: UUID, *, cap: int | None, credits: int, period: Period = Period.MONTH) -> int:
    """Refuse what goes over the cap. Certain while the workspace's row is locked, so that two requests cannot both fit
    into what is left for one. Returns what the period costs with it; 0 without a cap.

    Args:
        cap: what the period may cost, as ``plans.entitlements`` says it; None for any amount.

    Raises:
        OverBudget: with ``credits`` more, the period costs more than the cap.
    """
    if cap is None:
        return 0
    if (with_it := spent_credits(account, period) + credits) > cap:
        raise OverBudget(cap, with_it, period)
    return with_it


def percent_passed(*, cap: int, spent: int, credits: int) -> int:
    """The highest of 50, 80 and 100 per cent of the cap that a request of ``credits`` was the first to reach; 0 where
    it reached none. ``spent`` is what is used with it."""
    reached = _percent_of(cap, spent)
    return reached if reached > _percent_of(cap, spent - credits) else 0


def _percent_of(cap: int, spent: int) -> int:
    return max((percent for percent in ALERTED_PERCENT if 100 * spent >= percent * cap), default=0)


def running_low(*, limit: int) -> list[int]:
    """Some of the budgets to warn about now, chosen by chance.

    Those whose account is full enough again can be warned about anew.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE shop_budget budget SET warned_at = NULL FROM ledger_account account
            WHERE account.id = budget.workspace AND budget.warned_at IS NOT NULL
                AND account.available >= budget.warn_below_credits
            """
        )
        cursor.execute(
            """
            SELECT budget.id FROM shop_budget budget JOIN ledger_account account ON account.id = budget.workspace
            WHERE budget.warn_below_credits IS NOT NULL AND budget.warned_at IS NULL
                AND account.available < budget.warn_below_credits
            ORDER BY random() LIMIT %s
            """,
            [limit],
        )
        return [budget for (budget,) in cursor.fetchall()]


def claim_warning(budget_id: int) -> Budget | None:
    """Note that a budget is warned about and return it; None if that is noted already."""
    if not Budget.objects.filter(id=budget_id, warned_at=None).update(warned_at=timezone.now()):
        return None
    return Budget.objects.get(id=budget_id)
