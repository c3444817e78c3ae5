"""What history costs: every list of the site and of the API, with a million clips behind it, against a thousand.

    python -m benchmarks.history                            # a quarter of an hour, most of it for filling the tables
    python -m benchmarks.history --rows 50000 --rounds 3    # minutes

Two sites on one PostgreSQL and one Valkey, asked in turns, so that whatever else the machine does falls on both.
Counted is processor time, of the site's process, PostgreSQL and Valkey together, with the questions that one look asks.
Half of the clips are the member's own; each has its hold, its movement, its line of the audit log and its webhook.

The last line is ``ratio N.NN at ROWS``: the worst of the ratios, by the fastest quarter of the looks. It fails above
``MOST``, and where a page asks more on the one site than on the other.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import machine
from benchmarks.history_scene import PAGES
from benchmarks.queue import Site, fastest_quarter, two_databases
from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.local.valkey import Valkey

FEW, MANY = 1_000, 1_000_000
"""Of the few, every page is full too: what is compared is not how much a page shows."""
MOST = 1.2
LOOKS = 5
"""At a page, in a round."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=MANY)
    parser.add_argument("--rounds", type=int, default=8)
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
            for environment, rows in zip(environments, (FEW, asked.rows), strict=True):
                sites.append(Site("history_scene", rows, environment, servers))
                sites[-1].wait_until_ready()
            return run(*sites, rounds=asked.rounds, rows=asked.rows)
        finally:
            for site in sites:
                site.stop()
            valkey.stop()
            postgres.stop()


def run(short: Site, long: Site, *, rounds: int, rows: int) -> int:
    print(f"{machine.facts()}; load {os.getloadavg()[0]:.1f}\n\n{rows:,} clips, against {FEW:,}; {rounds} rounds\n")
    pages = [(who, page, words) for who, own in PAGES.items() for page, words in own.items()]
    took: dict[tuple[str, str], list[list[float]]] = {(who, page): [[], []] for who, page, _ in pages}
    queries: dict[tuple[str, str], list[int]] = {}
    for _ in range(rounds):
        for who, page, _words in pages:
            answers = [site.ask(json.dumps([who, page, LOOKS])) for site in (short, long)]
            queries[who, page] = [answer["queries"] for answer in answers]
            for found, answer in zip(took[who, page], answers, strict=True):
                found += [processor for _, processor in answer["took"]]
    print(f"| ms of processor time | {FEW:,} | {rows:,} | ratio | queries |\n|---|---|---|---|---|")
    worst, grown = 0.0, []
    for who, page, words in pages:
        few, many = map(fastest_quarter, took[who, page])
        before, after = queries[who, page]
        worst = max(worst, many / few)
        grown += [page] if after > before else []
        asked = str(after) if before == after else f"{before} and {after}"
        print(f"| {who}: {words} | {few:.1f} | {many:.1f} | {many / few:.2f} | {asked} |")
    print(f"\nAllowed: {MOST:g}, and as many queries.")
    if grown:
        print(f"More queries: {', '.join(grown)}")
    print(f"ratio {worst:.2f} at {rows}")
    return int(worst > MOST or bool(grown))


if __name__ == "__main__":
    sys.exit(main())
