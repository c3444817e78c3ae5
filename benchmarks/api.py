"""What the API costs: POST /v1/videos against a bare view, lists at any depth, and the first byte of the main pages.

    python -m benchmarks.api            # two minutes
    python -m benchmarks.api --quick    # the same with fewer requests, within 50 s

Over HTTP, with one uvicorn each and stores of its own, in turns, so that whatever else the machine does falls on both.
The account is a person's who bought credits, the queue is as long as the run makes it, and no GPU worker is up.

The last line is ``ratio N.NN queries N``: the processor time that requests to the bare view take, over that of as many
POST /v1/videos right after them, each with what PostgreSQL and Valkey take for it; of many such short pairs the median,
since what else the machine does comes in bursts and falls on one of a pair. The ratio of the medians of the time until
the answer stands beside it: on a machine that has nothing else to do they agree, on a busy one the second is chance.

Queries are the most statements that PostgreSQL got for one POST, by its own log: all that the web process sends but
BEGIN and COMMIT, of a request whose key's use was noted within the minute. A change of what the request may see travels
in front of a statement, in the same message, and is one with it.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from urllib.error import HTTPError

import psutil

from benchmarks import machine
from loremotion.local.environment import ROOT, environment_of
from loremotion.local.ports import free_port
from loremotion.local.stores import Stores

LEAST_RATIO = 0.4
MOST_QUERIES = 12
MOST_DEEPER = 1.2
DEPTH = 60_000
COUNTED = 12
SITE = "loremotion.asgi:application"
BARE = "django.core.asgi:get_asgi_application"
SENT = json.dumps({"prompt": "a red circle moving right on a black background", "model": "preview", "seed": 7}).encode()
PAGES = ("/", "/models/", "/pricing/", "/developers/", "/history/", "/billing/", "/account/", "/v1/models")
STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): +\s*(.*)")
UNCOUNTED = ("BEGIN", "COMMIT", "SELECT set_config('role'")
START_SECONDS = 90
"""A process that takes longer than that to answer its first request, on a busy machine too, does not start."""
BLOCK = 5
"""Requests to one of both before the other has its turn."""
CLOCK_OF_PROCESS = 2
"""``CPUCLOCK_SCHED``, of which Linux makes the id of another process's clock (clock_getcpuclockid(3))."""

FILL = """
    INSERT INTO generation_generation
    SELECT filled.*
    FROM (SELECT to_jsonb(made) AS row FROM generation_generation AS made LIMIT 1) AS one,
        generate_series(1, %(rows)s) AS n,
        LATERAL jsonb_populate_record(null::generation_generation, one.row || jsonb_build_object(
            'id', lpad(to_hex(n), 32, '0'), 'workspace_id', %(workspace)s, 'state', 'failed', 'api_key_id', null,
            'created_at', now() - make_interval(secs => n))) AS filled;
    INSERT INTO ledger_hold (
        id, account_id, amount, quote, expires_at, held_at, held_seq, state, released, settled_at, settled_seq
    )
    SELECT lpad(to_hex(n), 32, '0')::uuid, %(workspace)s, 1, '{}', now(), now(), n, 'released', 1, now(), n
    FROM generate_series(1, %(rows)s) AS n;
"""
"""Clips that ended long ago. As the owner of the tables and with their triggers asleep: nobody reads these books."""


@dataclass
class Server:
    """One uvicorn, and one connection to it that is kept."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    pids: tuple[int, ...] = ()
    """Of its process and of the stores behind it."""

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[float, bytes]:
        """Milliseconds until the answer began, and the whole of it."""
        began = time.perf_counter()
        self.connection.request(method, path, body, self.headers)
        answer = self.connection.getresponse()
        took = 1000 * (time.perf_counter() - began)
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {said[:300]!r}")
        return took, said

    def processor_times(self) -> dict[int, float]:
        """Seconds that its process, the stores and their children have taken so far, by process.

        By Linux's own clock of each: psutil counts in hundredths of a second, and five requests take only a few.
        """
        roots = [psutil.Process(pid) for pid in self.pids]
        pids = [each.pid for root in roots for each in (root, *root.children(recursive=True))]
        return {pid: seconds for pid in pids if (seconds := processor_seconds(pid)) is not None}

    def again(self) -> Server:
        """The same server over another connection."""
        return Server(self.port, self.headers)


def processor_seconds(pid: int) -> float | None:
    """What a process has taken with all its threads, those that have ended among them; None where it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | CLOCK_OF_PROCESS)
    except OSError:
        return None


def spent(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """Seconds between two looks. What a process took that has ended since is left out."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


@contextmanager
def served(folder: Path, name: str, application: str, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """The port and the process of a uvicorn that has started."""
    port = free_port()
    options = ["--lifespan", "off", "--no-access-log", "--no-proxy-headers", "--log-level", "warning"]
    options += ["--timeout-keep-alive", "300"]  # a connection is kept while others are measured
    factory = ["--factory"] if application == BARE else []
    command = [sys.executable, "-m", "uvicorn", application, *factory, "--port", str(port), *options]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / f"{name}.log").read_text()[-1500:])
            time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5)
    except HTTPError:
        return True  # the bare site has no such page
    except OSError:
        return False
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--statements", action="store_true", help="print those of one POST")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that its servers end with it
    with tempfile.TemporaryDirectory(prefix="loremotion-bench-") as scratch:
        folder = Path(scratch)
        stores = Stores(folder, is_durable=False)
        stores.start()
        try:
            rows = DEPTH + (1_000 if asked.quick else 40_000)
            return run(folder, stores, rounds=60 if asked.quick else 400, rows=rows, is_shown=asked.statements)
        finally:
            stores.stop()


def run(folder: Path, stores: Stores, *, rounds: int, rows: int, is_shown: bool) -> int:
    environment = environment_of(
        {
            "DATABASE_URL": stores.database_url,
            "REDIS_URL": stores.redis_url,
            "SECRET_KEY": "a key for a benchmark, long enough to be taken for a real one",
            "MEDIA_DIR": str(folder / "media"),
            "MAIL_DIR": str(folder / "mail"),
            "API_REQUESTS_PER_MINUTE": "1000000",
            "API_CHANGES_PER_MINUTE": "1000000",
            "LOG_LEVEL": "WARNING",
        }
    )
    os.environ |= environment | {"DJANGO_SETTINGS_MODULE": "loremotion.settings"}
    people = prepare()
    bare_environment = environment | {"DJANGO_SETTINGS_MODULE": "benchmarks.bare_settings"}
    with (
        served(folder, "site", SITE, environment) as (site, site_pid),
        served(folder, "bare", BARE, bare_environment) as (bare, bare_pid),
    ):
        key = {"Authorization": f"Bearer {people.key}", "Content-Type": "application/json"}
        print(f"{machine.facts()}; load {os.getloadavg()[0]:.1f}\n", flush=True)
        behind = [store.process.pid for store in (stores.postgres, stores.valkey) if store and store.process]
        ratio = compare(Server(site, key, (site_pid, *behind)), Server(bare, key, (bare_pid, *behind)), rounds)
        said = statements_of_a_post(Server(site, key), stores)
        queries = len(said)
        if is_shown:
            print("", *(f"    {one[:300]}" for one in said), sep="\n")
        deeper = depth(people, site, (site_pid, *behind), rows, rounds)
        first_bytes(people, site, rounds // 20)
    is_good = ratio >= LEAST_RATIO and queries <= MOST_QUERIES and deeper <= MOST_DEEPER
    print(
        f"\nAllowed: at least {LEAST_RATIO}, at most {MOST_QUERIES} queries, deep pages {MOST_DEEPER} of the first.\n"
    )
    print(f"ratio {ratio:.2f} queries {queries}")
    return int(not is_good)


@dataclass(frozen=True)
class People:
    """Who asks: a program of somebody who bought credits, one of somebody with many clips, and a member's browser."""

    key: str
    archivist_key: str
    archive: str
    """The workspace of the many clips."""
    cookies: str


def prepare() -> People:
    """Tables, the catalogue, and people with credits and keys."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    from accounts import api_keys, workspaces
    from accounts.models import User
    from accounts.roles import BY_ROLE, Role
    from benchmarks.bare_view import TABLE
    from billing import ledger
    from loremotion.local.preparation import collect_static

    collect_static(Path(settings.STATIC_ROOT), [Path(folder) for folder in settings.STATICFILES_DIRS])
    call_command("migrate", interactive=False, verbosity=0)
    call_command("seed", stdout=io.StringIO())
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.execute("UPDATE shop_plan SET open_clips = 32000")
    keys = []
    for email in ("program@example.org", "archive@example.org"):
        user = User.objects.create_user(email, "correct horse battery staple")
        workspace = workspaces.personal_of(user)
        kind, amount = ledger.LotKind.PACK, 1_000_000
        ledger.grant(account=workspace.id, reference=f"bench:{email}", amount=amount, kind=kind)
        allowed = BY_ROLE[Role.OWNER]
        _, text = api_keys.issue(workspace=workspace, by=user, allowed=allowed, name="bench", scopes=["generate"])
        keys.append(text)
    browser = Client()
    browser.force_login(user)
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    connection.close()
    return People(keys[0], keys[1], str(workspace.id), cookies)


def compare(site: Server, bare: Server, rounds: int) -> float:
    """Print both, one at a time and with eight at once; return the ratio of what they take of the processor."""
    asked = {"/v1/bare": bare, "/v1/videos": site}
    took, processor = in_pairs("POST", asked, rounds, SENT)
    print("| POST | p50 | p95 | processor time | a second with 8 at once |\n|---|---|---|---|---|")
    for path, server in asked.items():
        each = 1000 * median(processor[path]) / BLOCK
        print(f"| {path} | {figures(took[path])} | {each:.1f} ms | {at_once(server, path, rounds):.0f} |", flush=True)
    print(f"\nratio of the medians {median(took['/v1/bare']) / median(took['/v1/videos']):.2f}", flush=True)
    pairs = zip(processor["/v1/bare"], processor["/v1/videos"], strict=True)
    return median(bare_took / site_took for bare_took, site_took in pairs)


def in_pairs(
    method: str, asked: Mapping[str, Server], rounds: int, body: bytes | None = None
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Ask for two paths by turns, ``BLOCK`` times each. Return by path the milliseconds of each request, and the
    seconds of the processor that each block took."""
    took: dict[str, list[float]] = {path: [] for path in asked}
    processor: dict[str, list[float]] = {path: [] for path in asked}
    for _ in range(4 * BLOCK):
        for path, server in asked.items():
            server.ask(method, path, body)
    for _ in range(rounds // BLOCK):
        for path, server in asked.items():
            before = server.processor_times()
            took[path] += [server.ask(method, path, body)[0] for _ in range(BLOCK)]
            processor[path].append(spent(before, server.processor_times()))
    return took, processor


def at_once(server: Server, path: str, rounds: int) -> float:
    """Requests a second of eight clients."""

    def ask() -> None:
        own = server.again()
        for _ in range(rounds // 10):
            own.ask("POST", path, SENT)

    clients = [threading.Thread(target=ask) for _ in range(8)]
    began = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return 8 * (rounds // 10) / (time.perf_counter() - began)


def statements_of_a_post(site: Server, stores: Stores) -> list[str]:
    """What PostgreSQL logs of the one POST among several that asks most."""
    assert stores.postgres is not None
    site.ask("POST", "/v1/videos", SENT)
    counts = []
    with logged_statements():
        for _ in range(COUNTED):
            before = stores.postgres.log.stat().st_size
            site.ask("POST", "/v1/videos", SENT)
            time.sleep(0.05)  # the answer is sent before the last line is written
            counts.append(statements(stores.postgres.log.read_text(errors="replace")[before:]))
    return max(counts, key=len)


@contextmanager
def logged_statements() -> Iterator[None]:
    from django.db import connection

    def set_to(what: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER SYSTEM SET log_statement = '{what}'")
            cursor.execute("SELECT pg_reload_conf()")
        connection.close()
        time.sleep(0.3)  # each backend reads it when it is next idle

    set_to("all")
    try:
        yield
    finally:
        set_to("none")


def statements(log: str) -> list[str]:
    found = [said[1] for said in STATEMENT.finditer(log)]
    return [said for said in found if said.strip() and not said.startswith(UNCOUNTED)]


def depth(people: People, port: int, pids: tuple[int, ...], rows: int, rounds: int) -> float:
    """Print what a list costs at its beginning and after ``DEPTH`` clips; return how much more of the processor it
    takes there, of short pairs the median."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(FILL, {"workspace": people.archive, "rows": rows})
        cursor.execute("VACUUM ANALYZE generation_generation")
        cursor.execute("VACUUM ANALYZE ledger_hold")
    connection.close()
    server = Server(port, {"Authorization": f"Bearer {people.archivist_key}"}, pids)
    first, deep = "/v1/videos", f"/v1/videos?after={DEPTH:032x}"
    took, processor = in_pairs("GET", {first: server, deep: server}, rounds)
    print(f"\n| {rows:,} clips, 20 a page | p50 | p95 | processor time |\n|---|---|---|---|")
    for name, path in (("first page", first), (f"after the {DEPTH:,}th", deep)):
        print(f"| {name} | {figures(took[path])} | {1000 * median(processor[path]) / BLOCK:.1f} ms |")
    deeper = median(after / before for before, after in zip(processor[first], processor[deep], strict=True))
    print(f"\ndeep/first {deeper:.2f}")
    return deeper


def first_bytes(people: People, port: int, rounds: int) -> None:
    """Print when the first byte of each page arrives, for a visitor and for a member."""
    visitor, member = Server(port), Server(port, {"Cookie": people.cookies})
    print("\n| first byte of | visitor p50 | p95 | member p50 | p95 |\n|---|---|---|---|---|")
    for page in PAGES:
        print(f"| {page} | {first_byte(visitor, page, rounds)} | {first_byte(member, page, rounds)} |", flush=True)


def first_byte(server: Server, page: str, rounds: int) -> str:
    try:
        return figures(in_turns({page: lambda: server.ask("GET", page)[0]}, rounds)[page])
    except RuntimeError:  # not theirs
        return "– | –"


def in_turns(asks: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    for ask in asks.values():
        ask()
    took: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(rounds):
        for name, ask in asks.items():
            took[name].append(ask())
    return took


def figures(took: list[float]) -> str:
    return f"{median(took):.1f} ms | {quantiles(took, n=20)[-1]:.1f} ms"


if __name__ == "__main__":
    raise SystemExit(main())
