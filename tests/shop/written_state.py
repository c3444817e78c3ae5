"""What the shop and the ledger have in their tables, so that two ways to the same rows are known as one."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import count

from django.db import connection

TABLES = ("ledger_", "billing_", "shop_", "outbox_")
"""Beginnings of the tables' names."""
LEFT_OUT = ("shop_stripeevent", "shop_changedday")
"""Which events have been heard, whoever compares two states knows; which days are to be summed up is no state."""

_NUMBER = re.compile(r'"(\w*_id|id|lot)": ?(\d+)')
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T[\d:.+]+")
_HASH = re.compile(r'"\\\\x[0-9a-f]+"')


def written_state() -> str:
    """Every row, first written first. Rows are known by the order in which they were written and not by their numbers,
    which no rollback gives back; moments are kept to the day, and the hashes over them left out."""
    tables = [
        name for name in connection.introspection.table_names() if name.startswith(TABLES) and name not in LEFT_OUT
    ]
    asked = " UNION ALL ".join(
        f"SELECT '{table}', coalesce(json_agg(r ORDER BY r)::text, '') FROM {table} r"  # noqa: S608 - our own names
        for table in sorted(tables)
    )
    with connection.cursor() as cursor:
        cursor.execute(asked)
        rows = dict(cursor.fetchall())
    places: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(count(1).__next__))

    def placed(table: str, text: str) -> str:
        def place(found: re.Match[str]) -> str:
            kind = {"id": table, "parent_id": "lot"}.get(found[1], found[1].removesuffix("_id"))
            return f'"{found[1]}": {places[kind.rpartition("_")[2]][found[2]]}'

        return _NUMBER.sub(place, _MOMENT.sub(r"\1", _HASH.sub('""', text)))

    return "\n".join(f"{table} {placed(table, text)}" for table, text in rows.items() if text)
