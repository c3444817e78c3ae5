"""What each part of the site can carry: measured costs of what happens, times how often it happens at so many GPUs.

Costs are measured beside real stores at two sizes of fleet; between and beyond them each is taken for a straight line,
since what grows with a fleet grows by its rows. A part is full where what it does in a second takes a second of what
it has. All cards are alike: what those ask that look past clips too large for them is not counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fleet_scene import Cost
from benchmarks.fleet_world import MEAN_SECONDS
from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.local.valkey import Valkey

SMALL, LARGE = 10, 1_000
HEARTBEAT_SECONDS, HOUSEKEEPING_SECONDS = 3.0, 5.0
WORKER_LOOKS_SECONDS = 5.0
"""A busy worker looks so often whether a short clip waits; taking one costs as much as a look."""
STEPS = 30
LOOKS_PER_CLIP = 4
"""Pages and looks through the API at each clip."""
WEB_PROCESSES = 16
"""Each asks once a second for all clips that somebody has on the screen."""
POSTGRES_CORES, REPORTS_CORES = 16, 8
BUSY = 0.9

Costs = Mapping[str, Cost]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that can be full. ``share`` returns what part of it is in use, from the costs at so many GPUs."""

    words: str
    share: Callable[[Costs, float], float]


def per_second(gpus: float) -> dict[str, float]:
    """How often a second each thing happens where so many GPUs are busy."""
    clips = BUSY * gpus / MEAN_SECONDS
    return {
        "request": clips,
        "look": LOOKS_PER_CLIP * clips,
        "tick of live events": WEB_PROCESSES,
        "report of a start": clips,
        "report of an end": clips,
        "step": STEPS * clips,
        "look of a worker": gpus / WORKER_LOOKS_SECONDS + 2 * clips,
        "heartbeat": gpus / HEARTBEAT_SECONDS,
        "round of the beat": 1 / HOUSEKEEPING_SECONDS,
    }


def _seconds(costs: Costs, gpus: float, of: Callable[[Cost], float], names: tuple[str, ...] = ()) -> float:
    often = per_second(gpus)
    return sum(of(costs[name]) * often[name] / 1000 for name in names or often)


_REPORTS = ("report of a start", "report of an end")
PARTS = (
    Part("Valkey, which has one core", lambda costs, gpus: _seconds(costs, gpus, lambda cost: cost.valkey)),
    Part(
        f"PostgreSQL of {POSTGRES_CORES} cores",
        lambda costs, gpus: _seconds(costs, gpus, lambda cost: cost.postgres) / POSTGRES_CORES,
    ),
    Part(
        "the clock of the fair queue, which one dispatch holds at a time",
        lambda costs, gpus: costs["clock held"].wall / 1000 * 2 * per_second(gpus)["request"],
    ),
    Part(
        "the round of the beat, within its five seconds",
        lambda costs, gpus: _seconds(costs, gpus, lambda cost: cost.wall, ("round of the beat",)),
    ),
    Part(
        f"{REPORTS_CORES} processes that settle",
        lambda costs, gpus: _seconds(costs, gpus, lambda cost: cost.wall, _REPORTS) / REPORTS_CORES,
    ),
)


def at(gpus: float, small: Costs, large: Costs) -> dict[str, Cost]:
    """What each thing costs at so many GPUs."""
    far = (gpus - SMALL) / (LARGE - SMALL)
    return {
        name: Cost(
            *(max(0.0, low + far * max(0.0, high - low)) for low, high in zip(small[name], large[name], strict=True))
        )
        for name in small
    }


def full_at(part: Part, small: Costs, large: Costs) -> float:
    """GPUs at which a part is full."""
    low, high = 1.0, 1e7
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if part.share(at(middle, small, large), middle) < 1 else (low, middle)
    return low


def measure(gpus: int, rounds: int) -> dict[str, Cost]:
    """Start a site of its own with so many GPUs, and say what things cost there."""
    with tempfile.TemporaryDirectory(prefix="loremotion-bench-") as scratch:
        folder = Path(scratch)
        postgres = Postgres(folder / "postgres", free_port(), is_durable=False)
        valkey = Valkey(folder / "valkey", free_port(), is_durable=False)
        try:
            postgres.start()
            valkey.start()
            import psycopg

            with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
                server.execute("CREATE DATABASE fleet")
            environment = os.environ | {
                "SECRET_KEY": "a key for a benchmark, long enough to be taken for a real one",
                "MEDIA_DIR": str(folder / "media"),
                "DEBUG": "1",
                "DATABASE_URL": postgres.url("fleet"),
                "REDIS_URL": valkey.url(1),
            }
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=environment, check=True)
            servers = [str(each.process.pid) for each in (postgres, valkey) if each.process is not None]
            command = [sys.executable, "-m", "benchmarks.fleet_scene", str(gpus), str(rounds), *servers]
            said = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
            return {name: Cost(*cost) for name, cost in json.loads(said.splitlines()[-1]).items()}
        finally:
            valkey.stop()
            postgres.stop()


def lines(rounds: int) -> Iterator[str]:
    """The table of costs, that of parts, and the last line."""
    small, large = measure(SMALL, rounds), measure(LARGE, rounds)
    yield f"| milliseconds at {SMALL} and {LARGE:,} GPUs | the site's process | PostgreSQL | Valkey | it took |"
    yield "|---|---|---|---|---|"
    for name in small:
        cells = " | ".join(f"{a:.2f}, {b:.2f}" for a, b in zip(small[name], large[name], strict=True))
        yield f"| {name} | {cells} |"
    yield "\n| part | in use at 100 GPUs | at 1,000 | full at |\n|---|---|---|---|"
    found = {part.words: full_at(part, small, large) for part in PARTS}
    for part in PARTS:
        shares = " | ".join(f"{100 * part.share(at(n, small, large), n):.1f} %" for n in (100, 1_000))
        yield f"| {part.words} | {shares} | {found[part.words]:,.0f} GPUs |"
    first = min(found, key=lambda words: found[words])
    yield f"\nfull at {found[first]:.0f} GPUs: {first}"
