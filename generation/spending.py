"""What accounts spent, read from sums by day that triggers keep: however much history there is, a span costs its days.

The rows of a day add up to its holds, to the credit and at every moment: whoever changes a hold, or the clip that says
whose spending it is, writes the difference in the same transaction (migration ``0061_spent_days``). Accounts that were
merged into another are read as part of it. The beat adds up rows of before (``sum_up``), so that few are left to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from accounts.models import Workspace
from billing.shop.budgets import Period

MINE: Final = """
    WITH RECURSIVE mine AS (
        SELECT %(account)s::uuid AS id
        UNION SELECT merged.id FROM ledger_account merged JOIN mine ON merged.merged_into_id = mine.id
    )
"""
_CREDITS: Final = f"""
    {MINE}
    SELECT coalesce(sum(spent.held + spent.charged) FILTER (WHERE spent.day >= %(day)s), 0)::bigint,
        coalesce(sum(spent.held + spent.charged), 0)::bigint
    FROM mine JOIN generation_spentday spent ON spent.account_id = mine.id AND spent.day >= %(month)s
    WHERE (%(key)s::bigint IS NULL OR spent.api_key_id = %(key)s)
        AND (%(member)s::bigint IS NULL OR spent.made_by_id = %(member)s)
        AND (%(model)s::bigint IS NULL
            OR spent.version_id IN (SELECT id FROM catalog_modelversion WHERE model_id = %(model)s))
"""  # noqa: S608 - constants
_COLUMNS: Final = {
    "day": "to_char(spent.day, 'YYYY-MM-DD')",
    "model": "model.slug",
    "key": "apikey.prefix",
    "member": "person.email",
}
GROUPS: Final = tuple(_COLUMNS)
"""By what spending can be told apart, in the order of the columns."""
_GROUPED: Final = """
    {mine}
    SELECT {groups}, max(apikey.name), max(model.name), sum(spent.clips)::bigint, sum(spent.seconds)::float8,
        sum(spent.held)::bigint, sum(spent.charged)::bigint, sum(spent.given_back)::bigint
    FROM mine JOIN generation_spentday spent
        ON spent.account_id = mine.id AND spent.day BETWEEN %(since)s AND %(until)s
    LEFT JOIN catalog_modelversion version ON version.id = spent.version_id
    LEFT JOIN catalog_model model ON model.id = version.model_id
    LEFT JOIN accounts_apikey apikey ON apikey.id = spent.api_key_id
    LEFT JOIN accounts_user person ON person.id = spent.made_by_id
    WHERE (%(key)s::bigint IS NULL OR spent.api_key_id = %(key)s)
        AND (%(member)s::bigint IS NULL OR spent.made_by_id = %(member)s)
    GROUP BY {numbers} HAVING sum(spent.clips) > 0 ORDER BY {numbers} LIMIT %(limit)s
"""
KEYS_SPENT_DAYS: Final = 30
_BY_KEYS: Final = f"""
    {MINE}
    SELECT spent.api_key_id,
        coalesce(sum(spent.held + spent.charged) FILTER (WHERE spent.day >= %(days)s), 0)::bigint,
        coalesce(sum(spent.held + spent.charged) FILTER (WHERE spent.day >= %(month)s), 0)::bigint,
        coalesce(sum(spent.held + spent.charged) FILTER (WHERE spent.day >= %(day)s), 0)::bigint
    FROM mine JOIN generation_spentday spent ON spent.account_id = mine.id AND spent.day >= %(since)s
    WHERE spent.api_key_id IS NOT NULL
    GROUP BY spent.api_key_id HAVING sum(spent.clips) > 0
"""  # noqa: S608 - constants
SUMMED_AT_ONCE: Final = 5_000
_KEY: Final = "account_id, day, version_id, api_key_id, made_by_id"
_SUMS: Final = "clips, seconds, held, charged, given_back"
_SUM_UP: Final = f"""
    -- Arrays are worked out once. A subquery with a limit may be run for each row, and takes more than the limit then.
    WITH new AS (
        DELETE FROM generation_spentday WHERE id = ANY (ARRAY(
            SELECT id FROM generation_spentday WHERE NOT is_summed ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        )) RETURNING {_KEY}, {_SUMS}
    ), old AS (
        DELETE FROM generation_spentday WHERE is_summed AND id = ANY (ARRAY(
            -- Grouped, not joined: so a day of many groups is read once, and not once for each of them.
            SELECT unnest(array_agg(id) FILTER (WHERE id IS NOT NULL))
            FROM (
                SELECT {_KEY}, NULL::bigint AS id FROM new
                UNION ALL SELECT {_KEY}, id
                FROM (SELECT DISTINCT account_id, day FROM new) AS touched
                JOIN generation_spentday summed USING (account_id, day) WHERE summed.is_summed
            ) AS known
            GROUP BY {_KEY} HAVING bool_or(id IS NULL)
        )) RETURNING {_KEY}, {_SUMS}
    )
    INSERT INTO generation_spentday ({_KEY}, {_SUMS}, is_summed)
    SELECT {_KEY}, sum(clips), sum(seconds), sum(held), sum(charged), sum(given_back), true
    FROM (SELECT * FROM new UNION ALL SELECT * FROM old) AS told
    GROUP BY {_KEY}
    HAVING (sum(clips), sum(seconds), sum(held), sum(charged), sum(given_back)) <> (0, 0, 0, 0, 0)
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class KeySpent:
    """Credits that clips of an API key cost, what is held for them in full: in the last ``KEYS_SPENT_DAYS`` days, and
    in the month and the day that its limits are for (UTC)."""

    lately: int = 0
    month: int = 0
    day: int = 0


def credits_by_period(
    account: UUID, *, key: int | None = None, member: int | None = None, model: int | None = None
) -> dict[Period, int]:
    """Return the credits charged or held for requests of the present day and month (UTC). One query.

    Certain while the workspace's row is locked.

    Args:
        key: the first of an API key's line, whose requests alone are counted.
        member: the user whose requests alone are counted.
        model: the model whose clips alone are counted.
    """
    began = {period.value: period.began.date() for period in Period}
    asked = {"account": account, "key": key, "member": member, "model": model, **began}
    with connection.cursor() as cursor:
        cursor.execute(_CREDITS, asked)
        day, month = cursor.fetchone()
    return {Period.DAY: day, Period.MONTH: month}


def sums_by_group(
    account: UUID, since: date, until: date, by: Sequence[str], *, key: int | None, member: int | None, limit: int
) -> list[tuple[Any, ...]]:
    """Return what was spent from ``since`` to ``until``, a row a group of ``by``: what it is of, a name of the key and
    the model, clips, seconds, and credits held, charged and given back. One query."""
    numbers = ", ".join(str(number) for number in range(1, len(by) + 1))
    sql = _GROUPED.format(mine=MINE, groups=", ".join(_COLUMNS[name] for name in by), numbers=numbers)
    asked: dict[str, Any] = {"account": account, "since": since, "until": until, "key": key, "member": member}
    with connection.cursor() as cursor:
        cursor.execute(sql, {**asked, "limit": limit})
        return list(cursor.fetchall())


def spending_by_key(workspace: Workspace) -> dict[int, KeySpent]:
    """Return what each line of the workspace's API keys spent lately, by the id of its first key. One query."""
    day, month = Period.DAY.began.date(), Period.MONTH.began.date()
    began = {"days": day - timedelta(days=KEYS_SPENT_DAYS - 1), "month": month, "day": day}
    with connection.cursor() as cursor:
        cursor.execute(_BY_KEYS, {"account": workspace.id, "since": min(began.values()), **began})
        return {line: KeySpent(*spent) for line, *spent in cursor.fetchall()}


def sum_up(*, limit: int = SUMMED_AT_ONCE) -> None:
    """Put one row in the place of those that triggers wrote for the same day, model, key and member."""
    with connection.cursor() as cursor:
        cursor.execute(_SUM_UP, {"limit": limit})


def recount(account: UUID) -> int:
    """Write down what the rows of an account are short of, and return how many groups that were: none, but for rows
    that were changed past the triggers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT generation_recount_spent(%s)", [account])
        return int(cursor.fetchone()[0])
