"""What a long queue costs whoever is in it: 100,000 clips that wait and 2,000 watchers, against 10 clips.

    python -m benchmarks.queue            # two minutes
    python -m benchmarks.queue --quick    # the same with fewer rounds, within 50 s

Two sites on one PostgreSQL and one Valkey, each with a queue of its own, measured in turns, so that whatever else the
machine does falls on both. A quarter of each queue fits no machine that is on. Everything is the site's own code: the
page and the API by Django's test client, a tick of the live events, dispatch to an empty window and a round of the
beat. A tick is for 10 watched clips in both; that for 2,000 is shown beside it. ``EXPLAIN`` says what PostgreSQL does.

Counted is processor time, of the site's process, PostgreSQL and Valkey together: that is what somebody pays for, and a
machine that does other things besides says the same. How long it took stands beside it.

The last line is ``ratio N.NN at 100000``: the worst of the ratios between the two queues, by the fastest quarter.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks import machine
from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.local.valkey import Valkey

SHORT, LONG = 10, 100_000
MOST = 1.2
MEASURED = {
    "page": ("a clip's page", 10),
    "api": ("a look through the API", 10),
    "tick": ("a tick of live events, 10 clips", 10),
    "dispatch": ("dispatch, one machine", 10),
    "dispatch_unequal": ("dispatch, unequal machines", 10),
    "housekeeping": ("a round of the beat", 4),
}
"""Name → in words, and how often in a round."""


class Site:
    """A process of ``scene`` with so many ``rows``: of a queue, or of history."""

    def __init__(self, scene: str, rows: int, environment: dict[str, str], servers: Sequence[int]) -> None:
        command = [sys.executable, "-m", f"benchmarks.{scene}", *map(str, (rows, *servers))]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait_until_ready(self) -> None:
        if self._line() != "ready":
            raise RuntimeError("the site did not start")

    def ask(self, what: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=int, default=LONG)
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that its servers end with it
    with tempfile.TemporaryDirectory(prefix="loremotion-bench-") as scratch:
        folder = Path(scratch)
        postgres = Postgres(folder / "postgres", free_port(), is_durable=False)
        valkey = Valkey(folder / "valkey", free_port(), is_durable=False)
        sites: list[Site] = []
        try:
            postgres.start()
            valkey.start()
            environments = two_databases(postgres, valkey, folder)
            servers = [each.process.pid for each in (postgres, valkey) if each.process is not None]
            sites = [
                Site("queue_scene", rows, environments[place], servers)
                for place, rows in enumerate((SHORT, asked.rows))
            ]
            for site in sites:
                site.wait_until_ready()
            return run(*sites, rounds=4 if asked.quick else 25, rows=asked.rows)
        finally:
            for site in sites:
                site.stop()
            valkey.stop()
            postgres.stop()


def two_databases(postgres: Postgres, valkey: Valkey, folder: Path) -> list[dict[str, str]]:
    """Environments of two sites that are migrated and empty."""
    import psycopg

    common = os.environ | {"SECRET_KEY": "a key for a benchmark, long enough to be taken for a real one"}
    common |= {"MEDIA_DIR": str(folder / "media"), "DEBUG": "1"}
    first = common | {"DATABASE_URL": postgres.url("short"), "REDIS_URL": valkey.url(1)}
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute("CREATE DATABASE short")
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=first, check=True)
        server.execute("CREATE DATABASE long TEMPLATE short")
    return [first, first | {"DATABASE_URL": postgres.url("long"), "REDIS_URL": valkey.url(2)}]


def run(short: Site, long: Site, *, rounds: int, rows: int) -> int:
    print(f"{machine.facts()}\n\n{rows:,} clips wait, against {SHORT}; {rounds} rounds\n")
    times: dict[str, tuple[list[list[float]], list[list[float]]]] = {name: ([], []) for name in MEASURED}
    for name in MEASURED:
        for site in (short, long):
            site.ask(f"{name} 2")
    for _ in range(rounds):
        for name, (_, count) in MEASURED.items():
            for site, found in zip((short, long), times[name], strict=True):
                found += site.ask(f"{name} {count}")
    print(f"| ms of processor time | {SHORT} wait | {rows:,} wait | ratio | it took |\n|---|---|---|---|---|")
    ratios = {}
    for name, (words, _) in MEASURED.items():
        (few_took, few), (many_took, many) = (map(fastest_quarter, zip(*found, strict=True)) for found in times[name])
        ratios[name] = many / few
        print(f"| {words} | {few:.2f} | {many:.2f} | {many / few:.2f} | {few_took:.1f} and {many_took:.1f} ms |")
    print(f"\nA tick for 2,000 watched clips takes {min(wall for wall, _ in long.ask('watchers 3')):.0f} ms\n")
    print("\n".join(long.ask("explain")))
    print(f"\nAllowed: {MOST:g}.\nratio {max(ratios.values()):.2f} at {rows}")
    return int(max(ratios.values()) > MOST)


def fastest_quarter(found: Sequence[float]) -> float:
    return quantiles(found, n=4)[0]


if __name__ == "__main__":
    sys.exit(main())
