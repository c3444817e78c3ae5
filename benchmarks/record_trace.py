"""Records a trace for ``benchmarks.forecast --trace`` from a site on this machine: the whole of it, with real clips.

    python -m benchmarks.record_trace --minutes 10 > benchmarks/traces/preview.json

Visitors come at random and ask for clips of the built-in model, quick and slow ones, some for several at once, somewhat
more than its one worker makes; what the site then knows of its queue is exported as by ``manage.py queue_trace``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from random import Random

from loremotion.local.environment import ROOT
from loremotion.local.stack import Stack
from loremotion.local.visitor import Refused, Visitor

STEPS = (2, 4, 8, 16, 30)
"""What is asked for, the quick ones more often."""
WEIGHTS = (8, 6, 4, 2, 1)
FEW, MANY = 1, 5
"""Clips of somebody who asks; one in twelve asks for many."""


def ask(stack: Stack, minutes: float, mean_gap_seconds: float, people: int, drain_minutes: float) -> None:
    """Have people ask for so long, and wait for the last clip as long as that may take."""
    random, number = Random(1), 0
    visitors = [Visitor(stack.url) for _ in range(people)]
    ends_at, last = time.monotonic() + 60 * minutes, None
    while time.monotonic() < ends_at:
        visitor = random.choice(visitors)
        for _ in range(MANY if random.random() < 1 / 12 else FEW):
            steps = random.choices(STEPS, WEIGHTS)[0]
            with suppress(Refused):  # who has three under way waits for one of them
                made = visitor.create(f"a red circle moving right, take {number}", seed=number, steps=steps)
                last, number = (visitor, made["id"]), number + 1
        time.sleep(random.expovariate(1 / mean_gap_seconds))
    for _ in last[0].events(last[1]) if last else ():
        if time.monotonic() > ends_at + 60 * drain_minutes:
            break
    for visitor in visitors:
        visitor.client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--gap", type=float, default=3.0, help="mean seconds between two who ask")
    parser.add_argument("--visitors", type=int, default=12, help="who ask; each has three clips under way at most")
    parser.add_argument("--drain", type=float, default=30.0, help="minutes after which what still waits is left out")
    asked = parser.parse_args()
    settings = {
        "FREE_DAILY_CREDITS": "1000000",
        "ALLOWANCES_PER_NETWORK_PER_DAY": "1000",
        "VISITORS_PER_NETWORK_PER_DAY": "1000",
    }
    with (
        tempfile.TemporaryDirectory(prefix="loremotion-trace-") as folder,
        Stack(Path(folder), settings=settings) as stack,
    ):
        stack.wait_for_worker()
        ask(stack, asked.minutes, asked.gap, asked.visitors, asked.drain)
        subprocess.run([sys.executable, "manage.py", "queue_trace"], env=stack.environment, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
