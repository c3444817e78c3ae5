"""How much a whole site on this machine bears, and whether it stays as it is for as long as it bears that.

    python -m benchmarks.load --minutes 5
    python -m benchmarks.load --minutes 60    # by hand, on a machine with nothing else to do

The number of clients is doubled, ten seconds each, until that makes hardly any more requests a second: that is the
knee, and there the site is held. Clients look at pages and lists, watch their clip over the API, have another made when
it has ended, and fetch it; a GPU worker renders on the same cores. Printed are the time of each route until its answer
is there, the memory of each process with its slope over the run, and how PostgreSQL's tables bore their updates.

It fails where anybody was answered 5xx; from ten minutes on also where a process grew by more than ``MOST_GROWTH``.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import linear_regression, median, quantiles

import httpx
import psutil
import psycopg

from benchmarks import machine
from loremotion.local.stack import Stack, procfile

LEVELS = (1, 2, 4, 8, 16, 32)
LEVEL_SECONDS = 10.0
KNEE = 1.1
"""Twice the clients make less than so many times the requests: more only wait longer."""
SAMPLE_SECONDS = 5.0
JUDGED_FROM_MINUTES = 10.0
MOST_GROWTH, UNCOUNTED_MIB = 0.05, 8
"""Of a process's memory, over the whole run but its first fifth; and growth that is none, of one that is small."""
SETTINGS = {
    "OMP_NUM_THREADS": "1",  # renders leave a core to the others
    "FREE_DAILY_CREDITS": "1000000",
    "API_REQUESTS_PER_MINUTE": "1000000",
    "API_CHANGES_PER_MINUTE": "1000000",
    "VISITORS_PER_NETWORK_PER_DAY": "100000",
    "ALLOWANCES_PER_NETWORK_PER_DAY": "100000",
    "LOG_LEVEL": "WARNING",
}
ROUTES = {
    "GET /": 8,
    "GET /history/": 8,
    "GET /models/": 4,
    "GET /pricing/": 4,
    "GET /status/": 4,
    "GET /billing/": 4,
    "GET /v1/videos": 10,
    "GET /v1/videos/{id}": 30,
    "GET /v1/me": 6,
    "GET /v1/videos/{id}/content": 6,
    "POST /v1/videos": 10,
}
"""Route → how often. A clip is asked for only where the last one has ended."""


@dataclass
class Tally:
    """What one stretch of time came to."""

    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Route → seconds of each answer."""
    statuses: Counter[int] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    """Requests without an answer, by what happened."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def answers(self) -> int:
        return sum(self.statuses.values())

    @property
    def faults(self) -> int:
        return sum(count for status, count in self.statuses.items() if status >= 500) + sum(self.lost.values())


class Client:
    """A visitor, with a cookie of their own, who has one clip under way at most."""

    def __init__(self, url: str, number: int) -> None:
        self.http = httpx.Client(base_url=url, timeout=60.0)
        self.random = Random(number)
        self.number, self.asked = number, 0
        self.open, self.ended = "", ""
        """Ids of the clip under way and of the last one that was made."""
        self.http.get("/").raise_for_status()

    def step(self, tally: Tally) -> None:
        """Ask for one thing."""
        [route] = self.random.choices(list(ROUTES), list(ROUTES.values()))
        if route == "POST /v1/videos" and self.open:
            route = "GET /v1/videos/{id}"
        clip = self.ended if route.endswith("/content") else self.open or self.ended
        if "{id}" in route and not clip:
            route = "GET /v1/videos"
        method, path = route.format(id=clip).split(" ")
        began = time.perf_counter()
        try:
            answer = self._post() if method == "POST" else self.http.get(path)
        except httpx.HTTPError as problem:
            with tally.lock:
                tally.lost[f"{route}: {type(problem).__name__}"] += 1
            return
        with tally.lock:
            tally.took[route].append(time.perf_counter() - began)
            tally.statuses[answer.status_code] += 1
        if route in ("POST /v1/videos", "GET /v1/videos/{id}") and answer.status_code == 200:
            self._note(answer.json())

    def _post(self) -> httpx.Response:
        self.asked += 1
        body = {"prompt": f"a red circle moving right, {self.number} take {self.asked}", "model": "preview"}
        return self.http.post("/v1/videos", json=body, headers={"X-CSRFToken": self.http.cookies["csrftoken"]})

    def _note(self, video: dict[str, str]) -> None:
        if video["status"] in ("queued", "in_progress"):
            self.open = video["id"]
        else:
            self.open = ""
            self.ended = video["id"] if video["status"] == "completed" else self.ended


def drive(clients: Sequence[Client], seconds: float) -> Tally:
    """Have all of them ask, one thing after the other, for so long."""
    tally, ends_at = Tally(), time.monotonic() + seconds

    def ask(client: Client) -> None:
        while time.monotonic() < ends_at:
            client.step(tally)

    threads = [threading.Thread(target=ask, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def knee(stack: Stack, clients: list[Client]) -> int:
    """The number of clients from which more make hardly any more requests a second. Makes those that it needs."""
    best, rate = LEVELS[0], 0.0
    print("| clients | answers/s | p95 |\n|---|---|---|")
    for level in LEVELS:
        clients += [Client(stack.url, number) for number in range(len(clients), level)]
        tally = drive(clients, LEVEL_SECONDS)
        now = tally.answers / LEVEL_SECONDS
        everything = [seconds for each in tally.took.values() for seconds in each]
        print(f"| {level} | {now:.0f} | {1000 * quantiles(everything, n=20)[-1]:.0f} ms |", flush=True)
        if now < KNEE * rate:
            break
        best, rate = level, now
    return best


class Memory:
    """Samples what each process has in memory, with its children, until it is ended."""

    def __init__(self, stack: Stack) -> None:
        assert stack.stores.valkey is not None
        assert stack.stores.valkey.process is not None
        self.roots = {name: stack.pid(name) for name in procfile()} | {"valkey": stack.stores.valkey.process.pid}
        self.samples: dict[str, list[tuple[float, float]]] = {name: [] for name in self.roots}
        """Process → seconds since the beginning, MiB."""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _sample(self) -> None:
        began = time.monotonic()
        while True:
            for name, pid in self.roots.items():
                self.samples[name].append((time.monotonic() - began, resident_mib(pid)))
            if self._is_over.wait(SAMPLE_SECONDS):
                return


def resident_mib(pid: int) -> float:
    root = psutil.Process(pid)
    total = 0
    for each in (root, *root.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def growth(samples: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """MiB at the beginning and at the end, by the line through all but the first fifth, and MiB an hour."""
    settled = samples[len(samples) // 5 :]
    times, sizes = zip(*settled, strict=True)
    slope, at_zero = linear_regression(times, sizes)
    return at_zero + slope * times[0], at_zero + slope * times[-1], 3600 * slope


def report_updates(url: str) -> None:
    """How many updates found room in their page and touched no index (HOT), by table."""
    with psycopg.connect(url) as database:
        rows = database.execute(
            "SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_dead_tup FROM pg_stat_user_tables"
            " WHERE n_tup_upd > 0 ORDER BY n_tup_upd DESC LIMIT 12"
        ).fetchall()
    print("\n| table | inserted | updated | HOT | dead now |\n|---|---|---|---|---|")
    for table, inserted, updated, hot, dead in rows:
        print(f"| {table} | {inserted:,} | {updated:,} | {hot / updated:.0%} | {dead:,} |")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--clients", type=int, help="instead of looking for the knee")
    parser.add_argument("--site", type=Path, help="a folder that a stack has prepared (tests.prepared_site)")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that its servers end with it
    with ExitStack() as held:
        folder = asked.site or Path(held.enter_context(tempfile.TemporaryDirectory(prefix="loremotion-load-")))
        stack = held.enter_context(
            Stack(folder, is_durable=True, is_prepared=asked.site is not None, settings=SETTINGS)
        )
        stack.wait_for_worker()
        print(f"{machine.facts()}; load at the beginning {os.getloadavg()[0]:.1f}\n")
        clients: list[Client] = []
        if asked.clients:
            clients += [Client(stack.url, number) for number in range(asked.clients)]
        held_at = asked.clients or knee(stack, clients)
        return hold(stack, clients[:held_at], asked.minutes)


def hold(stack: Stack, clients: Sequence[Client], minutes: float) -> int:
    """Load the site for so long and print what it bore. Returns 1 where it did not."""
    with Memory(stack) as memory:
        tally = drive(clients, 60 * minutes)
    print(
        f"\n{len(clients)} clients for {minutes:g} min: {tally.answers / 60 / minutes:.1f} answers a second, ", end=""
    )
    print(", ".join(f"{count:,} × {status}" for status, count in sorted(tally.statuses.items())))
    for words, count in tally.lost.items():
        print(f"  {count} × no answer, {words}")
    print("\n| route | answers | p50 | p95 |\n|---|---|---|---|")
    for route in ROUTES:
        if len(took := tally.took[route]) > 1:
            p50, p95 = 1000 * median(took), 1000 * quantiles(took, n=20)[-1]
            print(f"| {route} | {len(took):,} | {p50:.0f} ms | {p95:.0f} ms |")
    print("\n| process | MiB at first | at the end | MiB an hour |\n|---|---|---|---|")
    grown = []
    for name, samples in memory.samples.items():
        before, after, an_hour = growth(samples)
        grown += [name] if after - before > max(UNCOUNTED_MIB, MOST_GROWTH * before) else []
        print(f"| {name} | {before:.0f} | {after:.0f} | {an_hour:+.1f} |")
    report_updates(stack.stores.database_url)
    is_judged = minutes >= JUDGED_FROM_MINUTES
    print(f"\nGrown by more than {MOST_GROWTH:.0%}: {', '.join(grown) or 'none'}", end="")
    print("." if is_judged else f"; it counts from {JUDGED_FROM_MINUTES:g} minutes on.")
    return int(bool(tally.faults) or (is_judged and bool(grown)))


if __name__ == "__main__":
    sys.exit(main())
