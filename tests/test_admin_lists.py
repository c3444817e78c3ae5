"""Lists of the admin read no whole table, whatever is searched, filtered or in which order they come.

Each table is filled with rows, and every query of a list is explained: a plan must find its rows by an index, or walk
along one in the list's order until a page is full.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.messages.storage.cookie import CookieStorage
from django.db import connection, models, transaction
from django.http import HttpRequest
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from tests.accounts.factories import person
from tests.test_staff_site import FOR_SUPERUSERS

pytestmark = pytest.mark.django_db

ROWS = 1_000
MOST_CHOICES = 4
"""Of a filter that are tried."""
SMALL = {
    "auth.permission",
    "catalog.model",
    "catalog.modelversion",
    "catalog.alias",
    "moderation.policy",
    "moderation.planpolicy",
    "moderation.guard",
    "legal.legalpage",
    "shop.pack",
    "shop.plan",
    "shop.price",
}
"""Tables whose rows staff write by hand: they are as long as somebody's patience."""
WANTED = (
    "0190b3c8-7a1e-7000-8000-000000000001",
    "ada@example.org",
    "staff ada@example.org",
    "clip.deleted",
    "pi_123",
    "42",
)
"""What somebody types: an id, an address, who did it, what was done, an id at Stripe, a number."""


def label(model: type[models.Model]) -> str:
    return model._meta.label_lower


def lists() -> Iterator[tuple[type[models.Model], admin.ModelAdmin[Any]]]:
    """Those of ours that grow."""
    for model, model_admin in admin.site._registry.items():
        if label(model) not in FOR_SUPERUSERS and label(model) not in SMALL:
            yield model, model_admin


def grown() -> dict[str, type[models.Model]]:
    """Table → model, of every list and of what its rows are shown with."""
    found: dict[str, type[models.Model]] = {}
    waiting = [model for model, _ in lists()]
    while waiting:
        model = waiting.pop()
        if model._meta.db_table in found or label(model) in SMALL:
            continue
        found[model._meta.db_table] = model
        related = (field.related_model for field in model._meta.concrete_fields)
        waiting += [each for each in related if each is not None]
    return found


def expression(column: str, kind: str, length: int | None, choices: list[str], *, is_unique: bool) -> str:
    """A value for row ``g``: ids of all tables are made of ``g``, so that each row has those that it points to."""
    if choices and not is_unique:
        listed = ", ".join(f"'{choice}'" for choice in choices)
        return f"(ARRAY[{listed}])[1 + g % {len(choices)}]"
    values = {
        "uuid": "md5(g::text)::uuid",
        "timestamp with time zone": "now() - g * interval '1 minute'",
        "date": "current_date - g",
        "boolean": "g % 2 = 0",
        "jsonb": """'{"credits": 2}'""",
        "bytea": "''",
        "ARRAY": "'{}'",
        "tsvector": "''",
    }
    if kind in values:
        return values[kind]
    if kind in ("character varying", "text", "character"):
        return f"left(md5(g::text), {length or 32})"
    return "g % 30000" if kind == "smallint" else "g"


def fill(table: str, model: type[models.Model], count: int = ROWS) -> None:
    """Write rows past foreign keys and checks; all of it is undone with the test."""
    fields = {field.column: field for field in model._meta.concrete_fields}
    with connection.cursor() as cursor:
        cursor.execute("SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'", [table])
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        cursor.execute(
            "SELECT column_name, data_type, character_maximum_length FROM information_schema.columns"
            " WHERE table_name = %s AND is_generated = 'NEVER'",
            [table],
        )
        columns = [row for row in cursor.fetchall() if row[0] in fields]
        values = []
        for column, kind, length in columns:
            field = fields[column]
            choices = [str(value) for value, _ in field.flatchoices] if isinstance(field, models.CharField) else []
            values.append(expression(column, kind, length, choices, is_unique=field.unique))
        names = ", ".join(f'"{column}"' for column, _, _ in columns)
        rows = f"SELECT {', '.join(values)} FROM generate_series(1000, {count + 999}) g"  # noqa: S608 - names of columns
        cursor.execute(f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE {rows} ON CONFLICT DO NOTHING")
        cursor.execute(f"ANALYZE {table}")


@pytest.fixture
def full(db: None) -> Iterator[None]:
    tables = grown()
    with transaction.atomic():
        _fill(tables)
        yield
        transaction.set_rollback(True)


def _fill(tables: dict[str, type[models.Model]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table, model in tables.items():
            fill(table, model)
        cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute("SET LOCAL enable_seqscan = off")


def request_for(query: dict[str, str], user: Any) -> HttpRequest:
    """As the admin gets it, past the middleware: a list may have something to say above its rows."""
    request: Any = RequestFactory().get("/", query)
    request.user = user
    request._messages = CookieStorage(request)
    return cast(HttpRequest, request)


def queries_of(model_admin: admin.ModelAdmin[Any], query: dict[str, str], user: Any) -> tuple[list[str], list[str]]:
    """What can be chosen in the list's filters, and what the list with its filters asks the database."""
    with CaptureQueriesContext(connection) as asked:
        shown = model_admin.get_changelist_instance(request_for(query, user))
        list(shown.result_list)
        assert not model_admin.date_hierarchy  # it would ask the whole table which days have rows
        choices = [choice for each in shown.filter_specs for choice in filter_choices(each, shown)]
    return choices, [each["sql"] for each in asked if each["sql"].startswith("SELECT")]


def sorts_of(model_admin: admin.ModelAdmin[Any], user: Any) -> list[str]:
    """How the headings of a list's columns sort it."""
    shown = model_admin.get_changelist_instance(request_for({}, user))
    found = [at for at, name in enumerate(shown.list_display) if name in (shown.sortable_by or ())]
    return [f"{sign}{at}" for at in found for sign in ("", "-")]


def filter_choices(each: Any, shown: Any) -> list[str]:
    """What a filter offers, as its template asks for it: query strings."""
    offered = [choice["query_string"] for choice in list(each.choices(shown))[:MOST_CHOICES]]
    offered += [link.address for row in getattr(each, "periods", ()) for link in row[:1]]
    return [query.lstrip("?") for query in offered if query != "?"]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def complaints(sql: str, table: str, *, is_filtered: bool) -> Iterator[str]:
    """What is wrong with how ``table`` is read. A filter may walk along the list's order until its page is full."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql.replace("%", "%%"))
        (found,) = cursor.fetchone()
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    whole = {"Unique", "HashAggregate"} if is_filtered else {"Unique", "HashAggregate", "Sort"}
    is_sorted = any(node["Node Type"] in whole for node in nodes(plan))
    for node in nodes(plan):
        if node.get("Relation Name") != table:
            continue
        is_found = any(key in below for below in nodes(node) for key in ("Index Cond", "Recheck Cond", "TID Cond"))
        is_partial = any(below.get("Index Name") in partial_indexes() for below in nodes(node))
        is_walked = is_filtered and not is_sorted
        is_read = "Filter" in node or is_sorted or node["Node Type"] == "Seq Scan"
        if is_read and not (is_found or is_partial or is_walked):
            yield f"{node['Node Type']} of {table}, {node.get('Filter', 'sorted')}: {sql[:200]} … {sql[-260:]}"


def partial_indexes() -> set[str]:
    if not _partial:
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL")
            _partial.update(name.strip('"') for (name,) in cursor.fetchall())
    return _partial


_partial: set[str] = set()


@pytest.mark.usefixtures("full")
def test_no_list_reads_a_whole_table() -> None:
    user = person("staff@example.org", is_staff=True)
    found = []
    for model, model_admin in lists():
        choices, plain = queries_of(model_admin, {}, user)
        asked = dict.fromkeys(plain, False)
        for query in [dict(part.split("=", 1) for part in choice.split("&") if part) for choice in choices]:
            asked = dict.fromkeys(queries_of(model_admin, query, user)[1], True) | asked
        for order in sorts_of(model_admin, user):
            asked |= dict.fromkeys(queries_of(model_admin, {"o": order}, user)[1], False)
        for wanted in WANTED if model_admin.search_fields else ():
            asked |= dict.fromkeys(queries_of(model_admin, {"q": wanted}, user)[1], False)
        for sql, is_filtered in asked.items():
            found += [
                f"{label(model)}: {each}" for each in complaints(sql, model._meta.db_table, is_filtered=is_filtered)
            ]
    assert not found, "\n\n".join(dict.fromkeys(found))


def test_every_search_finds_or_says_that_it_found_nothing(db: None) -> None:
    """Those of libraries too: one asked for a name that no account of ours has."""
    user = person("staff@example.org", is_staff=True)
    for page in admin.site._registry.values():
        for wanted in ("ada@example.org", "42"):
            list(page.get_changelist_instance(request_for({"q": wanted}, user)).result_list)


def test_no_filter_has_its_values_looked_for_in_every_row(rf: RequestFactory) -> None:
    """Nor in lists that a library brings along, whose rows nobody fills here."""
    found = [
        f"{label(model)}: {each}"
        for model, model_admin in admin.site._registry.items()
        for each in model_admin.get_list_filter(rf.get("/"))
        if isinstance(each, str) and "__" not in each and is_looked_up(model._meta.get_field(each))
    ]
    assert not found


def is_looked_up(field: Any) -> bool:
    made = (kind for test, kind in admin.FieldListFilter._field_list_filters if test(field))  # type: ignore[attr-defined]
    return next(made) is admin.AllValuesFieldListFilter


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    ("label", "query", "field"),
    [("billing.lot", {"kind": "pack"}, "kind"), ("shop.subscription", {"status": "past_due"}, "status")],
)
def test_a_filter_of_known_values_shows_the_rows_that_have_one(label: str, query: dict[str, str], field: str) -> None:
    model = apps.get_model(label)
    (value,) = query.values()
    some = list(model._default_manager.order_by("pk").values_list("pk", flat=True)[:3])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
    model._default_manager.filter(pk__in=some).update(**{field: value})
    user = person("staff@example.org", is_staff=True)

    def found(chosen: dict[str, str]) -> list[Any]:
        request = request_for(chosen, user)
        (each,) = admin.site._registry[model].get_changelist_instance(request).filter_specs
        rows = each.queryset(request, model._default_manager.all())
        return [] if rows is None else sorted(row.pk for row in rows)

    assert found(query) == some
    assert len(found({field: "mistyped"})) == ROWS
