"""One of several processes that fight over the same references; prints what it was answered as JSON.

LEDGER_URL=postgres://… python -m tests.billing.racer SEED
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

ACCOUNTS = [UUID(int=number) for number in range(1, 4)]
REQUESTS = [UUID(int=1000 + number) for number in range(80)]
SETTLED = 30
"""So many of the requests are settled; what the others hold never comes back."""
HELD_BEFORE = [UUID(int=2000 + number) for number in range(10)]
"""Requests that hold one credit each before the race begins, so that there is something to settle whoever is quick."""
GRANTS = 18


def _held(requests: int) -> int:
    """Credits that the first so many requests hold together."""
    return sum(1 + which % 7 for which in range(requests))


MOST_CREDITS = sum(2 + which % 5 for which in range(GRANTS)) + _held(SETTLED) + len(HELD_BEFORE)
"""That any hold of the race can be made of: what is granted, and what a settlement gives back."""
CERTAINLY_REFUSED = (_held(len(REQUESTS)) - MOST_CREDITS) // 7
"""Requests, at seven credits at most, for which that does not suffice, in whatever order everything comes."""
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)


def race(seed: int) -> dict[str, Any]:
    """Do everything once, in an order of one's own, on references that every racer uses.

    An answer to the same reference must be the same.
    """
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
        reference = (REQUESTS[:SETTLED] + HELD_BEFORE)[which]
        if random.random() < 0.5:
            settled = ledger.capture(reference=reference, amount=random.randint(0, 1 + which % 7 * (which < SETTLED)))
        else:
            settled = ledger.release(reference=reference)
        return [settled.captured, settled.released]

    def clawback(which: int) -> None:
        ledger.clawback(reference=f"order {which}", target=random.choice([0, 1, 2]))

    def merge(which: int) -> None:
        ledger.merge(source=ACCOUNTS[which % 2], into=ACCOUNTS[2], reference=f"signed up {which % 2}")

    once = {grant: GRANTS, hold: len(REQUESTS), settle: SETTLED + len(HELD_BEFORE), clawback: GRANTS}
    asked: list[tuple[Callable[[int], Any], int]] = [(what, which) for what in once for which in range(once[what])]
    random.shuffle(asked)
    late = len(asked) * 2 // 3  # what is not there cannot be fought over
    asked.insert(late, (merge, 0))
    asked.append((merge, 1))
    for what, which in asked:
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
    from tests.billing.ledger_database import set_up_django

    set_up_django()
    sys.stdout.write(json.dumps(race(int(sys.argv[1]))))
