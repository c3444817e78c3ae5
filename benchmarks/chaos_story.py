"""What ``benchmarks.chaos`` knows when its site is quiet again, and what a check of it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos_crowd import Acknowledged
from tests.fake_stripe.process import FakeStripeProcess
from tests.webhooks.receiver import Heard

SUCCEEDED, CANCELLED = "succeeded", "cancelled"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: how much it looked at, and what is wrong."""

    name: str
    looked_at: int
    wrong: list[str]


@dataclass(frozen=True, slots=True)
class Story:
    """What the people of the story know, beside what the site's tables say."""

    said: Acknowledged
    stripe: FakeStripeProcess
    heard: list[Heard]
    media: Path
    mail: Path


Check = Callable[[Story], tuple[int, Iterable[str]]]
