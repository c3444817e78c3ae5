"""Limits that a workspace sets itself: a cap on what a month may cost, and mail when credits run low."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.utils import timezone

from billing.shop.models import Budget
from loremotion.refusals import InsufficientCredits


class OverBudget(InsufficientCredits):
    """The workspace's own cap for the month would be passed."""

    def __init__(self, cap: int, spent: int) -> None:
        super().__init__(
            "over_budget",
            f"This workspace has a monthly limit of {cap:,} credits, and this clip would take it to {spent:,}.",
            next_step="Whoever handles billing can raise the limit on the Credits page.",
        )


def spent_this_month(account: UUID) -> int:
    """Credits charged or held for requests of this month (UTC), also in accounts that were merged into this one's:
    what is held there stays there."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE mine AS (
                SELECT %s::uuid AS id
                UNION SELECT merged.id FROM ledger_account merged JOIN mine ON merged.merged_into_id = mine.id
            )
            SELECT coalesce(sum(CASE hold.state WHEN 'open' THEN hold.amount ELSE hold.captured END), 0)
            FROM mine JOIN ledger_hold hold ON hold.account_id = mine.id AND hold.held_at >= %s
            """,
            [account, _month_of(timezone.now())],
        )
        return int(cursor.fetchone()[0])


ALERTED_PERCENT: Final = (50, 80, 100)
"""Of a cap: once so much is used, whoever set it is told."""


def refuse_beyond_cap(account: UUID, *, cap: int | None, credits: int) -> int:
    """Refuse what goes over the cap. Certain while the workspace's row is locked, so that two requests cannot both fit
    into what is left for one. Returns what the month costs with it; 0 without a cap.

    Args:
        cap: what the month may cost, as ``plans.entitlements`` says it; None for any amount.

    Raises:
        OverBudget: with ``credits`` more, the month costs more than the cap.
    """
    if cap is None:
        return 0
    if (spent := spent_this_month(account) + credits) > cap:
        raise OverBudget(cap, spent)
    return spent


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


def _month_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
