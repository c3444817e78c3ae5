"""An account's history: every movement, or one line for all movements of one request. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of an account's history: what changed, and the balances after it.

    ``available`` counts lapsed credits until their expiry is written down, which is a line of its own.
    """

    seq: int
    kind: str
    reference: str
    available_change: int
    held_change: int
    debt_change: int
    available: int
    held: int
    debt: int
    actor: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A movement, and of what was held and is settled the one that held it: together what a request took.

    ``captured`` and ``released`` are what a settlement charged and gave back, and 0 of anything else.
    """

    movement: Movement
    held: Movement | None
    captured: int
    released: int


_CHANGES = """
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount) FILTER (WHERE code = 'available'), 0)::bigint AS available,
            coalesce(sum(amount) FILTER (WHERE code = 'held'), 0)::bigint AS held,
            -coalesce(sum(amount) FILTER (WHERE code = 'debt'), 0)::bigint AS debt
        FROM ledger_entry entry WHERE entry.account_id = line.account_id AND entry.seq = line.seq
    ) change
"""
_COLUMNS = """
    line.seq, line.kind, line.reference,
    change.available, change.held, change.debt, line.available, line.held, line.debt,
    line.actor, line.reason, line.created_at
"""


def movements(*, account: UUID, before: int | None = None, limit: int = 50) -> list[Movement]:
    """The account's history, newest first, ``limit`` lines of it.

    Args:
        before: only lines whose ``seq`` is lower: the last one of the page before.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {_COLUMNS} FROM (
                SELECT * FROM ledger_transaction WHERE account_id = %s AND seq < coalesce(%s, 9223372036854775807)
                ORDER BY seq DESC LIMIT %s
            ) line {_CHANGES} ORDER BY line.seq DESC
            """,  # noqa: S608 - both are constants
            [account, before, limit],
        )
        return [Movement(*line) for line in cursor.fetchall()]


def statement(*, account: UUID, before: int | None = None, limit: int = 50) -> list[StatementLine]:
    """The account's history with one line for each request, where its last movement stands: ``limit`` of them, newest
    first.

    Only holds that are settled by now are passed over, so a page reads what it shows and what was open at one time.

    Args:
        before: only lines whose movement's ``seq`` is lower: that of the last one of the page before.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH last AS MATERIALIZED (
                SELECT * FROM ledger_transaction line
                WHERE account_id = %s AND seq < coalesce(%s, 9223372036854775807)
                    AND (kind <> 'hold' OR (  -- one look by its id, which no plan can turn into a list of all holds
                        SELECT hold.state = 'open' FROM ledger_hold hold
                        WHERE hold.id = CASE WHEN line.kind = 'hold' THEN line.reference::uuid END))
                ORDER BY seq DESC LIMIT %s
            )
            SELECT coalesce((line.response ->> 'captured')::bigint, 0),
                coalesce((line.response ->> 'released')::bigint, 0), {_COLUMNS}
            FROM (
                SELECT * FROM last UNION ALL
                SELECT began.* FROM last JOIN ledger_transaction began
                    ON began.account_id = last.account_id AND began.kind = 'hold' AND began.reference = last.reference
                WHERE last.kind = 'settle'
            ) line {_CHANGES} ORDER BY line.seq DESC
            """,  # noqa: S608 - both are constants
            [account, before, limit],
        )
        lines = [(captured, released, Movement(*line)) for captured, released, *line in cursor.fetchall()]
    settled = {one.reference for _, _, one in lines if one.kind == "settle"}
    held = {one.reference: one for _, _, one in lines if one.kind == "hold" and one.reference in settled}
    return [
        StatementLine(one, held.get(one.reference) if one.kind == "settle" else None, captured, released)
        for captured, released, one in lines
        if one.kind != "hold" or one.reference not in settled
    ]
