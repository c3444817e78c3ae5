"""A process that writes to the ledger until the database goes away, and says what it was told is done.

    LEDGER_URL=postgres://… python -m tests.billing.writer NAME

Each line of its output is one thing that the database acknowledged: "grant REFERENCE" or "settle REQUEST CAPTURED".
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid5

ACCOUNT = UUID(int=1)  # all writers use the same account
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)


def write(name: str) -> None:
    from billing import ledger

    for number in count():
        reference, request = f"order {name} {number}", uuid5(ACCOUNT, f"{name} {number}")
        ledger.grant(account=ACCOUNT, reference=reference, amount=10, kind=ledger.LotKind.PACK)
        acknowledge("grant", reference)
        ledger.hold(account=ACCOUNT, reference=request, amount=7, expires_at=FAR_AWAY, quote={})
        settled = ledger.capture(reference=request, amount=number % 8)
        acknowledge("settle", request, settled.captured)


def acknowledge(*what: object) -> None:
    sys.stdout.write(" ".join(map(str, what)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    from tests.billing.ledger_database import set_up_django

    set_up_django()
    write(sys.argv[1])
