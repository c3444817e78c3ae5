"""How fast the ledger is, on a PostgreSQL of its own that writes through to the disk.

    python -m benchmarks.ledger                 # all figures, about three minutes
    python -m benchmarks.ledger --seconds 2 --rounds 1 --entries 10 10000

Cycles: a hold and its capture, two commits, by 8 clients at once; on one account that all share, and on 5,000. The ORM
version (ledger_orm.py), Django calling the kernel, and pgbench calling the kernel take turns; medians of the rounds.
Reading: balance, lots and the newest page of history of an account with so many entries.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres, binaries

CLIENTS = 8
ACCOUNTS = {"one hot account": 1, "5,000 accounts": 5_000}
LOTS = [3, 1_000_000_000]
AMOUNT = 5
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
QUOTE = {"credits": AMOUNT}
ROOT = Path(__file__).resolve().parent.parent
PAGE = 50

PGBENCH = r"""
\set account random(1, :accounts)
\set request random(1, 281474976710655)
SELECT ledger_hold(lpad(to_hex(:account), 32, '0')::uuid, lpad(to_hex(:request), 32, '0')::uuid, 5,
    '2100-01-01', '{"credits": 5}');
SELECT ledger_settle(lpad(to_hex(:request), 32, '0')::uuid, NULL, false);
"""

# A long history, written past the kernel since only reading it is measured: one transaction of four entries a cycle.
HISTORY = """
    SET session_replication_role = replica;
    INSERT INTO ledger_transaction (account_id, seq, kind, reference, request, response, actor, reason, available, held,
        debt, previous_hash, hash, created_at)
    SELECT %(account)s, n, 'settle', gen_random_uuid(), '{}', '{}', '', '', 1, 0, 0, sha256('a'), sha256('b'), now()
    FROM generate_series(1, %(entries)s / 4) AS n;
    INSERT INTO ledger_entry (account_id, seq, leg, lot_id, code, amount)
    SELECT %(account)s, n, leg, %(lot)s, CASE WHEN leg %% 2 = 0 THEN 'available' ELSE 'held' END, 1
    FROM generate_series(1, %(entries)s / 4) AS n, generate_series(1, 4) AS leg;
    SET session_replication_role = origin;
    ANALYZE ledger_transaction, ledger_entry, ledger_lot, ledger_account;
"""


def set_up_django(url: str) -> None:
    import dj_database_url
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": dj_database_url.parse(url)}, INSTALLED_APPS=["billing", "benchmarks"], USE_TZ=True
    )
    django.setup()


def account(number: int) -> UUID:
    return UUID(int=number)


# --- one client, in a process of its own -------------------------------------------------------------------------


def run_client(kind: str, accounts: int, seconds: float) -> None:
    """Print "ready", wait for a line, cycle for so long, print how often."""
    set_up_django(os.environ["LEDGER_URL"])
    cycle = CYCLES[kind]()
    random = Random(os.getpid())
    cycle(account(random.randint(1, accounts)))
    print("ready", flush=True)
    sys.stdin.readline()
    cycles, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        cycle(account(random.randint(1, accounts)))
        cycles += 1
    print(cycles, flush=True)


def orm_cycle() -> Callable[[UUID], None]:
    from benchmarks import ledger_orm

    def cycle(account: UUID) -> None:
        reference = uuid4()
        ledger_orm.hold(account, reference, AMOUNT, QUOTE)
        ledger_orm.capture(reference)

    return cycle


def kernel_cycle() -> Callable[[UUID], None]:
    from billing import ledger

    def cycle(account: UUID) -> None:
        reference = uuid4()
        ledger.hold(account=account, reference=reference, amount=AMOUNT, expires_at=FAR_AWAY, quote=QUOTE)
        ledger.capture(reference=reference)

    return cycle


CYCLES = {"orm": orm_cycle, "kernel": kernel_cycle}


# --- the measurements --------------------------------------------------------------------------------------------


def through_django(kind: str, url: str, accounts: int, seconds: float) -> float:
    """Cycles a second of all clients together."""
    command = [sys.executable, "-m", "benchmarks.ledger", "client", kind, str(accounts), str(seconds)]
    clients = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"LEDGER_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(CLIENTS)
    ]
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n", "a client died; its complaint is above"
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("go\n")
        client.stdin.flush()
    return sum(int(client.communicate()[0]) for client in clients) / seconds


def through_pgbench(url: str, accounts: int, seconds: float, script: Path) -> float:
    script.write_text(PGBENCH)
    command = [str(binaries() / "pgbench"), "-n", "-c", str(CLIENTS), "-j", "2", "-T", str(max(1, round(seconds)))]
    answer = subprocess.run(
        [*command, "-D", f"accounts={accounts}", "-f", str(script), url],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = (line for line in answer.stdout.splitlines() if line.startswith("tps"))
    return float(line.split()[2])


def measure_cycles(url: str, folder: Path, seconds: float, rounds: int) -> None:
    for name, accounts in ACCOUNTS.items():
        figures: dict[str, list[float]] = {"orm": [], "kernel": [], "pgbench": []}
        for _ in range(rounds):
            for kind in ("orm", "kernel"):
                figures[kind].append(through_django(kind, url, accounts, seconds))
            figures["pgbench"].append(through_pgbench(url, accounts, seconds, folder / "cycle.sql"))
        orm, kernel, pgbench = (statistics.median(each) for each in figures.values())
        print(f"{name}, {CLIENTS} clients, hold-and-capture cycles a second (median of {rounds}):")
        print(f"    the ORM with select_for_update   {orm:8.0f}")
        print(f"    Django calling the kernel        {kernel:8.0f}    {kernel / orm:5.1f} x the ORM")
        print(f"    pgbench calling the kernel       {pgbench:8.0f}    Django reaches {kernel / pgbench:.2f} of it")


def measure_reading(entries: int) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from billing import ledger

    account = uuid4()
    lot = ledger.grant(account=account, reference=f"history {account}", amount=100, kind=ledger.LotKind.PACK).lot
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM ledger_entry WHERE account_id = %s", [account])
        cursor.execute("DELETE FROM ledger_transaction WHERE account_id = %s", [account])
        cursor.execute(HISTORY, {"account": account, "lot": lot, "entries": max(4, entries)})

    def page() -> None:
        ledger.balance(account=account)
        ledger.lots(account=account)
        ledger.movements(account=account, limit=PAGE)

    with CaptureQueriesContext(connection) as queries:
        page()
    times = []
    for _ in range(200):
        began = time.perf_counter()
        page()
        times.append(time.perf_counter() - began)
    print(
        f"    {entries:>9,} entries: {len(queries)} queries, {statistics.median(times) * 1000:.2f} ms "
        f"(95th percentile {statistics.quantiles(times, n=20)[-1] * 1000:.2f} ms)"
    )


def prepare(url: str) -> None:
    """Tables of both versions, and credits on every account."""
    set_up_django(url)
    from django.db import connection

    from benchmarks import ledger_orm
    from billing.sql import KERNEL

    with connection.cursor() as cursor:
        for part in KERNEL:
            cursor.execute(part)
        for number, amount in enumerate(LOTS):
            cursor.execute(
                "SELECT count(ledger_grant(lpad(to_hex(n), 32, '0')::uuid, n || ' ' || %s, %s, 'pack', 50::smallint, "
                "NULL, '', '')) FROM generate_series(1, %s) AS n",
                [number, amount, max(ACCOUNTS.values())],
            )
    ledger_orm.create_tables()
    ledger_orm.fill([account(number) for number in range(1, max(ACCOUNTS.values()) + 1)], LOTS)


def violations() -> tuple[int, int]:
    """How many there are, and among how many entries."""
    from billing import ledger
    from billing.models import Entry

    return len(ledger.violations()), Entry.objects.count()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each measurement (default 6)")
    parser.add_argument("--rounds", type=int, default=3, help="turns that each version takes (default 3)")
    parser.add_argument("--entries", type=int, nargs="*", default=[10, 10_000, 1_000_000])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ledger-benchmark-") as folder:
        postgres = Postgres(Path(folder) / "postgres", free_port(), is_durable=True)
        postgres.start()
        try:
            prepare(postgres.url())
            measure_cycles(postgres.url(), Path(folder), arguments.seconds, arguments.rounds)
            began = time.perf_counter()
            found, entries = violations()
            print(f"all {entries:,} entries checked in {time.perf_counter() - began:.1f} s: {found} violations")
            print(f"balance, lots and the newest {PAGE} movements of an account with")
            for history in arguments.entries:
                measure_reading(history)
        finally:
            postgres.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        run_client(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
