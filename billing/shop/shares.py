"""What a balance is made of: the kinds of credits in it, beside each other as parts of one bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from billing.ledger import LotKind
from billing.models import Lot

COLOURS: Final = {LotKind.PLAN: 0, LotKind.ADJUSTMENT: 1, LotKind.FREE: 2, LotKind.GOODWILL: 3, LotKind.PACK: 4}
"""Kind of credits → colour of its part, as static/plots.css has them."""
SOON: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Share:
    """Credits of one kind. The part begins at ``begins`` per cent of the bar and is ``percent`` per cent of it."""

    kind: str
    colour: int
    credits: int
    begins: float
    percent: float


def shares_of(lots: Sequence[Lot]) -> list[Share]:
    """The kinds in the order in which they are spent."""
    amounts: dict[str, int] = {}
    for lot in lots:
        amounts[lot.kind] = amounts.get(lot.kind, 0) + lot.remaining
    total, found, begins = sum(amounts.values()), [], 0.0
    for kind, credits in amounts.items():
        percent = 100 * credits / total
        found.append(Share(kind, COLOURS[LotKind(kind)], credits, begins, percent))
        begins += percent
    return found


def expiring(lots: Sequence[Lot], now: datetime) -> list[Lot]:
    """Lots that expire soon, the next first; not the day's free credits, which do every night and come anew."""
    soon = [lot for lot in lots if lot.expires_at and lot.expires_at < now + SOON and lot.kind != LotKind.FREE]
    return sorted(soon, key=lambda lot: (lot.expires_at or now, lot.pk))
