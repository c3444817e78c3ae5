"""The fleet on paper: what 1 to 10,000 GPUs make of a day, where the stores saturate, and which rule scales best.

    python -m benchmarks.fleet            # about a quarter of an hour
    python -m benchmarks.fleet --quick    # a part of each day, within 50 s

Three parts. A day with a peak is played for each size of fleet by SimPy, under the site's own rules (``fleet_world``);
the largest fleets are given its busiest hours only. What a clip costs PostgreSQL, Valkey and the site's processes is
measured on real ones at two sizes of fleet (``fleet_costs``), and the two together say at how many GPUs each is full.
And a day with a fleet that is scaled: by how many wait, by how long they wait, and by how many are being made.

The last line is ``full at NNNN GPUs: WHAT``: the first part of the site that saturates, by the measured costs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import quantiles

from benchmarks import machine
from benchmarks.tenancy import set_up_django

if __name__ == "__main__":
    set_up_django("postgres://nobody@127.0.0.1:1/none")  # the fair queue's rule stands beside its tables

from benchmarks import fleet_costs
from benchmarks.fleet_scaling import RULES, scaled
from benchmarks.fleet_world import DAY_SECONDS, MEAN_SECONDS, SWING, Fleet, Tally, rate_of_day
from benchmarks.forecast_world import FREE, PAID

SIZES = (1, 10, 100, 1_000, 10_000)
LOAD = 0.7
"""Of all GPUs over the day, by what clips take without loading. At the peak it is half as much again: a queue grows."""
NOON = DAY_SECONDS / 2
MOST_CLIPS, QUICK_CLIPS = 1_000_000, 20_000
"""Of one fleet. A larger one is given so many hours around its peak."""


def day(gpus: int, most_clips: int) -> tuple[Tally, float]:
    """What a day of a fleet comes to, and how many hours of it were played."""
    mean = LOAD * gpus / MEAN_SECONDS
    seconds = min(DAY_SECONDS, most_clips / mean)
    begins = 0.0 if seconds == DAY_SECONDS else NOON
    fleet = Fleet(
        seed=gpus, gpus=gpus, rate_at=lambda now: rate_of_day(mean, begins + now), most_rate=mean * (1 + SWING)
    )
    return fleet.run(seconds), seconds


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1] if len(values) > 1 else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--gpu-hour", type=float, default=2.0, help="what an hour of a GPU costs")
    asked = parser.parse_args()
    print(f"{machine.facts()}\n\n## A day\n")
    print(
        "| GPUs | played | clips | paid: p50, p95 until they start | free: p50, p95 | busy | loading | a clip costs |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for gpus in SIZES:
        tally, seconds = day(gpus, QUICK_CLIPS if asked.quick else MOST_CLIPS)
        print(row(gpus, tally, seconds, asked.gpu_hour), flush=True)
    print("\n## A fleet that is scaled\n")
    print(
        "| scaled by | GPU hours | busy | paid: p95 until they start | free: p95 | GPUs started |\n"
        "|---|---|---|---|---|---|"
    )
    for rule in RULES:
        tally = scaled(rule, DAY_SECONDS / (4 if asked.quick else 1))
        waits = " | ".join(f"{p95(tally.waits(tier)):.0f} s" for tier in (PAID, FREE))
        busy = tally.busy_seconds / tally.on_seconds
        print(
            f"| {rule.words} | {tally.on_seconds / 3600:.0f} | {100 * busy:.0f} % | {waits} | {tally.started} |",
            flush=True,
        )
    print("\n## What is full first\n")
    for line in fleet_costs.lines(rounds=4 if asked.quick else 20):
        print(line, flush=True)


def row(gpus: int, tally: Tally, seconds: float, gpu_hour: float) -> str:
    paid, free = (f"{quantiles(waits, n=2)[0]:.0f} s, {p95(waits):.0f} s" for waits in map(tally.waits, (PAID, FREE)))
    cost = tally.on_seconds / 3600 * gpu_hour / len(tally.made)
    return (
        f"| {gpus:,} | {seconds / 3600:.1f} h | {len(tally.made):,} | {paid} | {free} "
        f"| {100 * tally.busy_seconds / tally.on_seconds:.0f} % "
        f"| {100 * tally.loading_seconds / tally.busy_seconds:.1f} % | {cost:.3f} |"
    )


if __name__ == "__main__":
    main()
