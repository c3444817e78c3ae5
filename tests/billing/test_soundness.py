"""Rows that cannot be: what ``ledger_is_sound``, the one CHECK of each table, refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

Row = dict[str, Any]

ACCOUNT = "00000000-0000-0000-0000-000000000001"
NOWHERE = dict.fromkeys(("remaining", "held", "consumed", "expired", "clawed", "adjusted", "moved", "repaid"), 0)
ROWS: dict[str, Row] = {
    "ledger_account": {"id": ACCOUNT, "available": 1, "held": 1, "debt": 0, "seq": 1},
    "ledger_lot": {"kind": "pack", "reference": "in_1", "issued": 5, "forgiven": 0, **NOWHERE, "remaining": 5},
    "ledger_transaction": {"seq": 1, "kind": "hold", "reference": "r"},
    "ledger_entry": {"lot_id": 1, "code": "held", "amount": 5},
    "ledger_hold": {"amount": 5, "state": "open", "captured": 0, "released": 0},
}
SETTLED = {"settled_at": "2026-01-01", "settled_seq": 2}
CODES = ("issued", "available", "held", "consumed", "expired", "clawed", "adjusted", "moved", "debt", "forgiven")
KINDS = ("grant", "hold", "settle", "expire", "clawback", "adjust", "merge", "writeoff")

SOUND: list[tuple[str, Row]] = [
    *((table, {}) for table in ROWS),
    ("ledger_account", {"available": 0, "held": 0, "debt": 0}),
    ("ledger_account", {"merged_into_id": ACCOUNT.replace("1", "2")}),
    *(("ledger_lot", {"remaining": 0, place: 5}) for place in NOWHERE),
    *(("ledger_lot", {"kind": kind}) for kind in ("free", "plan", "pack", "goodwill", "adjustment")),
    ("ledger_lot", {"reference": "x" * 250}),
    ("ledger_lot", {"remaining": 0, "clawed": 5, "repaid": 3, "forgiven": -3}),
    ("ledger_lot", {"remaining": 0, "consumed": 5, "clawed": 5, "repaid": 0, "forgiven": -5}),
    ("ledger_lot", {"remaining": 0, "consumed": 5, "clawed": 2, "repaid": -2}),
    *(("ledger_transaction", {"kind": kind}) for kind in KINDS),
    *(("ledger_entry", {"code": code, "amount": -5}) for code in CODES),
    *(("ledger_entry", {"code": code, "lot_id": None}) for code in ("debt", "moved")),
    ("ledger_hold", {"state": "captured", "captured": 5, **SETTLED}),
    ("ledger_hold", {"state": "captured", "captured": 1, "released": 4, **SETTLED}),
    ("ledger_hold", {"state": "released", "released": 5, **SETTLED}),
]
UNSOUND: list[tuple[str, Row]] = [
    *(("ledger_account", {column: -1}) for column in ("available", "held", "debt")),
    ("ledger_account", {"merged_into_id": ACCOUNT}),
    *(("ledger_lot", {"remaining": 6, place: -1}) for place in NOWHERE if place not in ("remaining", "repaid")),
    ("ledger_lot", {"remaining": -1, "held": 6}),
    *(("ledger_lot", {place: 1}) for place in NOWHERE if place != "remaining"),
    ("ledger_lot", {"remaining": 4}),
    ("ledger_lot", {"issued": -5, "remaining": 0, "repaid": -5}),
    ("ledger_lot", {"forgiven": 1, "repaid": -1}),
    ("ledger_lot", {"forgiven": -1, "repaid": 1}),
    ("ledger_lot", {"kind": "gift"}),
    ("ledger_lot", {"reference": ""}),
    ("ledger_lot", {"reference": "x" * 251}),
    ("ledger_transaction", {"seq": 0}),
    ("ledger_transaction", {"reference": ""}),
    ("ledger_transaction", {"kind": "gift"}),
    ("ledger_entry", {"amount": 0}),
    ("ledger_entry", {"code": "lost"}),
    *(("ledger_entry", {"code": code, "lot_id": None}) for code in CODES if code not in ("debt", "moved")),
    ("ledger_hold", {"amount": 0}),
    ("ledger_hold", {"captured": -1, "released": 1}),
    ("ledger_hold", {"captured": 1, "released": -1}),
    ("ledger_hold", {"state": "paused"}),
    ("ledger_hold", {"state": "captured", "captured": 5}),
    ("ledger_hold", {"captured": 5}),
    ("ledger_hold", SETTLED),
    ("ledger_hold", {"settled_at": "2026-01-01"}),
    ("ledger_hold", {"state": "captured", "captured": 5, "settled_seq": 2}),
    ("ledger_hold", {"state": "captured", "captured": 4, **SETTLED}),
    ("ledger_hold", {"state": "captured", "captured": 6, "released": -1, **SETTLED}),
    ("ledger_hold", {"state": "captured", "captured": -1, "released": 6, **SETTLED}),
    ("ledger_hold", {"state": "captured", "released": 5, **SETTLED}),
    ("ledger_hold", {"state": "released", "captured": 5, **SETTLED}),
    ("ledger_hold", {"amount": -5, "state": "released", "released": -5, **SETTLED}),
]


def is_sound(table: str, change: Row) -> bool:
    """What a CHECK makes of the answer: nothing known is good enough."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT ledger_is_sound(jsonb_populate_record(NULL::{table}, %s)) IS NOT FALSE",
            [json.dumps(ROWS[table] | change)],
        )
        (answer,) = cursor.fetchone()
    return bool(answer)


@pytest.mark.django_db
def test_rows_that_can_be_are_let_in() -> None:
    assert [row for row in SOUND if not is_sound(*row)] == []


@pytest.mark.django_db
def test_rows_that_cannot_be_are_refused() -> None:
    assert [row for row in UNSOUND if is_sound(*row)] == []


@pytest.mark.django_db
def test_every_table_asks() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype = 'c' AND conrelid::regclass::text LIKE 'ledger%'"
        )
        assert dict(cursor.fetchall()) == {table: f"CHECK (ledger_is_sound({table}.*))" for table in ROWS}
