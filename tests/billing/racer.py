"""One of several processes that fight over the same references; prints what it was answered as JSON.

LEDGER_URL=postgres://… python -m tests.billing.racer SEED STEPS
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

ACCOUNTS = [UUID(int=number) for number in range(1, 4)]
REQUESTS = [UUID(int=1000 + number) for number in range(120)]
GRANTS = 18
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)


def race(seed: int, steps: int) -> dict[str, Any]:
    """Do ``steps`` things on references that every racer uses. An answer to the same reference must be the same."""
    from billing import ledger

    random = Random(seed)
    answers: dict[str, list[Any]] = {}
    outcomes: Counter[str] = Counter()

    def grant(which: int) -> list[int]:
        granted = ledger.grant(
            account=ACCOUNTS[which % 3], reference=f"order {which}", amount=2 + which % 5, kind=ledger.LotKind.PACK
        )
        return [granted.lot, granted.amount, granted.paid_debt]

    def hold(which: int) -> list[int]:
        held = ledger.hold(
            account=ACCOUNTS[which % 3],
            reference=REQUESTS[which],
            amount=1 + which % 7,
            expires_at=FAR_AWAY,
            quote={"which": which},
        )
        return [held.amount]

    def settle(which: int) -> list[int]:
        if random.random() < 0.5:
            settled = ledger.capture(reference=REQUESTS[which], amount=random.randint(0, 1 + which % 7))
        else:
            settled = ledger.release(reference=REQUESTS[which])
        return [settled.captured, settled.released]

    def clawback(which: int) -> None:
        ledger.clawback(reference=f"order {which}", target=random.choice([0, 1, 2]))

    def merge(which: int) -> None:
        ledger.merge(source=ACCOUNTS[which % 2], into=ACCOUNTS[2], reference=f"signed up {which % 2}")

    for step in range(steps):
        merges_now = 0.3 * (step > steps * 2 // 3)  # late: what is not there cannot be fought over
        what = random.choices((grant, hold, settle, clawback, merge), weights=(2, 6, 5, 2, merges_now))[0]
        which = random.randrange(len(REQUESTS) if what in (hold, settle) else GRANTS)
        try:
            answer = what(which)
        except (ledger.NotEnoughCredits, ledger.UnknownReference) as refused:
            outcomes[type(refused).__name__] += 1
            continue
        outcomes[what.__name__] += 1
        if answer is not None:
            answers.setdefault(f"{what.__name__} {which}", []).append(answer)
    return {"answers": answers, "outcomes": outcomes}


if __name__ == "__main__":
    from tests.billing.scratch import set_up_django

    set_up_django()
    sys.stdout.write(json.dumps(race(int(sys.argv[1]), int(sys.argv[2]))))
