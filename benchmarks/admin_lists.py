"""What every list of the admin costs with 1,000 rows in each table and with 100,000: queries and milliseconds.

    python -m benchmarks.admin_lists                  # five minutes, most of them for writing the rows
    python -m benchmarks.admin_lists --rows 10000

Each figure is a whole page as a superuser gets it, with its cache empty, on stores of its own. A list that asks more
with more rows fails the benchmark. What staff writes by hand (models, plans, packs) stays at twenty rows.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine
from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.local.valkey import Valkey

if TYPE_CHECKING:
    from django.db.models import Model
    from django.test import Client

FEW, OF_SMALL, FIRST, TIMES = 1_000, 20, 1_000, 3
"""Rows at first; rows of tables that staff writes by hand; number of the first row; how often a page is asked for."""
SHOWN = 15
FOUND = hashlib.md5(str(FIRST).encode(), usedforsecurity=False).hexdigest()[:3]
"""Whom staff looks for: names begin like this from the first row on, and one in 4,096 more of them does."""
LIKE_LIFE = {
    ("generation_generation", "state"): "CASE WHEN g % 100 = 0 THEN 'queued' WHEN g % 2000 = 1 THEN 'running'"
    " ELSE (ARRAY['succeeded', 'failed', 'cancelled', 'blocked'])[1 + g % 4] END"
}
"""Table and column → a value that says how busy a site is: one clip in a hundred waits, and fifty GPUs render."""
CURRENCIES = "CASE WHEN g % 10 = 0 THEN 'eur' ELSE 'usd' END"
"""A site sells in a few. Three letters by chance would be thousands, and each has tiles and plots of its own."""
OF_DJANGO = {"contenttypes.contenttype", "auth.permission"}
"""Written by migrations."""


def set_up_django(database: str, valkey: str) -> None:
    os.environ |= {
        "DATABASE_URL": database,
        "REDIS_URL": valkey,
        "SECRET_KEY": "a key for a benchmark, long enough to be taken for a real one",
        "DJANGO_SETTINGS_MODULE": "loremotion.settings",
        "DEBUG": "1",
    }
    import django
    from django.core.management import call_command
    from django.test.utils import setup_test_environment
    from django.urls import reverse

    django.setup()
    setup_test_environment()
    call_command("migrate", verbosity=0)
    call_command("seed", stdout=io.StringIO())
    reverse("admin:index")  # registers every list: a process without pages imports none


def fill(rows: int) -> None:
    """Write rows up to ``rows`` into every table whose rows a list shows, past foreign keys and checks."""
    from django.db import connection

    from billing.shop import revenue
    from tests.test_admin_lists import SMALL, grown, label

    tables = {table: model for table, model in grown().items() if label(model) not in OF_DJANGO}
    small = {model for model in _pointed_to(tables.values()) if label(model) in SMALL - OF_DJANGO}
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for model in small:
            if not model._default_manager.exists():
                _write(cursor, model, OF_SMALL, {})
        keys = {model: list(model._default_manager.values_list("pk", flat=True)) for model in small}
        for model in tables.values():
            _write(cursor, model, rows, keys)
        cursor.execute("SET session_replication_role = origin")
        # As the triggers would have, and as a worker does every ten minutes.
        cursor.execute("INSERT INTO shop_changedday (day) SELECT (paid_at AT TIME ZONE 'UTC')::date FROM shop_payment")
        revenue.sum_up_days()
        cursor.execute("VACUUM ANALYZE")


def _pointed_to(models: Any) -> Iterator[Any]:
    found, waiting = set(), list(models)
    while waiting:
        model = waiting.pop()
        if model not in found:
            found.add(model)
            yield model
            waiting += [field.related_model for field in model._meta.concrete_fields if field.related_model]


def _write(cursor: Any, model: type[Model], rows: int, keys: dict[Any, list[Any]]) -> None:
    """Write rows; those of ``keys`` that they point to are real ones."""
    from django.db import models

    from tests.test_admin_lists import expression

    table, fields = model._meta.db_table, {field.column: field for field in model._meta.concrete_fields}
    cursor.execute("SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'", [table])
    for (name,) in cursor.fetchall():
        cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    cursor.execute(
        "SELECT column_name, data_type, character_maximum_length FROM information_schema.columns"
        " WHERE table_name = %s AND is_generated = 'NEVER'",
        [table],
    )
    values = {}
    for column, kind, length in cursor.fetchall():
        field = fields.get(column)
        if field is None:
            continue
        choices = [str(value) for value, _ in field.flatchoices] if isinstance(field, models.CharField) else []
        values[column] = expression(column, kind, length, choices, is_unique=field.unique)
        if column == "currency":
            values[column] = CURRENCIES
        if (table, column) in LIKE_LIFE:
            values[column] = LIKE_LIFE[table, column]
        if some := keys.get(field.related_model):
            listed = ", ".join(f"'{key}'" for key in some)
            values[column] = f"(ARRAY[{listed}]::{kind}[])[1 + g % {len(some)}]"
    names = ", ".join(f'"{column}"' for column in values)
    cursor.execute(
        f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {', '.join(values.values())}"  # noqa: S608 - names
        f" FROM generate_series({FIRST}, {FIRST + rows - 1}) g ON CONFLICT DO NOTHING"
    )


def pages() -> dict[str, str]:
    """Name → address of every list, and of our own pages that stand in the side bar."""
    from django.contrib import admin
    from django.urls import reverse
    from django.utils.text import capfirst

    from loremotion import staff_pages

    lists = {
        capfirst(str(kind.verbose_name_plural)): f"admin:{kind.app_label}_{kind.model_name}_changelist"
        for kind in (model._meta for model in admin.site._registry)
    }
    ours = {page.title: f"admin:{page.name}" for page in staff_pages.pages() if page.title}
    found = {name: reverse(address) for name, address in {"Today": "admin:index", **lists, **ours}.items()}
    return {**found, "Find a customer, by a name": f"{reverse('admin:customers')}?q={FOUND}"}


def measure(staff: Client, address: str) -> tuple[int, float]:
    """Queries and the median of milliseconds of a page."""
    from django.core.cache import cache
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    taken = []
    staff.get(address)
    for _ in range(TIMES):
        cache.clear()
        began = time.perf_counter()
        answer = staff.get(address)
        taken.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (address, answer.status_code, answer.headers.get("Location"))
    cache.clear()
    with CaptureQueriesContext(connection) as asked:
        staff.get(address)
    return len(asked), statistics.median(taken)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        database = Postgres(Path(folder) / "postgres", free_port(), is_durable=False)
        valkey = Valkey(Path(folder) / "valkey", free_port(), is_durable=False)
        database.start()
        valkey.start()
        try:
            set_up_django(database.url(), valkey.url())
            return compare(rows)
        finally:
            from django.db import connections

            connections.close_all()
            for handle in connections.all():
                handle.close_pool()  # type: ignore[attr-defined]
            valkey.stop()
            database.stop()


def compare(rows: int) -> int:
    from tests.accounts.factories import browser_of, person

    staff = browser_of(person("staff@example.org", is_staff=True))
    fill(FEW)
    few = {name: measure(staff, address) for name, address in pages().items()}
    fill(rows)
    many = {name: measure(staff, address) for name, address in pages().items()}
    slowest = sorted(many, key=lambda name: -many[name][1])
    print(f"{machine.facts()}\n")
    print(f"| page | queries at {FEW:,} | at {rows:,} | ms at {FEW:,} | at {rows:,} |\n|---|---|---|---|---|")
    for name in slowest[:SHOWN]:
        print(f"| {name} | {few[name][0]} | {many[name][0]} | {few[name][1]:.0f} | {many[name][1]:.0f} |")
    grew = [name for name in many if many[name][0] > few[name][0]]
    middle = statistics.median(taken for _, taken in many.values())
    print(f"\n{len(many)} pages; the median one takes {middle:.0f} ms at {rows:,} rows.")
    print("More queries with more rows: " + (", ".join(grew) or "none") + ".")
    return 1 if grew else 0


if __name__ == "__main__":
    sys.exit(main())
