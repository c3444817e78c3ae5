"""Every list of the admin takes as many queries for many rows as for a few."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.cache import cache
from django.db import connection, models, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.accounts.factories import browser_of, person
from tests.test_admin_lists import fill
from tests.test_staff_site import FOR_SUPERUSERS

pytestmark = pytest.mark.django_db

OF_A_FORM_A_ROW = {"catalog.alias"}
"""Its rows are edited in the list, each with the choice of models; a site has a handful."""
ELSEWHERE = {"catalog.model"}
"""Listed by a page of ours: generation/test_catalogue_page.py."""
LISTED = {model._meta.label_lower for model in admin.site._registry} - set(FOR_SUPERUSERS)
LABELS = sorted(LISTED - OF_A_FORM_A_ROW - ELSEWHERE)
ALL = {"billing.proposal": "?standing=all"}
"""What a list is asked for that shows some of its rows alone, of which none of those written here is one."""
FEW, MANY = 6, 24
"""Of the few, each list shows one at least, in whatever states the rows are."""


def needed_by(model: type[models.Model]) -> dict[str, type[models.Model]]:
    """Table → model, of the rows of ``model`` and all that they point to."""
    found: dict[str, type[models.Model]] = {}
    waiting = [model]
    while waiting:
        each = waiting.pop()
        if each._meta.db_table in found or each._meta.label_lower in ("contenttypes.contenttype", "auth.permission"):
            continue
        found[each._meta.db_table] = each
        related = (field.related_model for field in each._meta.concrete_fields)
        waiting += [one for one in related if isinstance(one, type)]
    return found


def write(model: type[models.Model], rows: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table, each in needed_by(model).items():
            fill(table, each, rows)
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.fixture
def undone(db: None) -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def staff(undone: None) -> Client:
    return browser_of(person("staff@example.org", is_staff=True))


@pytest.mark.parametrize("label", LABELS)
def test_a_list_takes_as_many_queries_however_many_rows_it_shows(label: str, staff: Client) -> None:
    model = apps.get_model(label)
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") + ALL.get(label, "")
    asked, shown = [], []
    for rows in (FEW, MANY):
        write(model, rows)
        staff.get(address)
        cache.clear()
        with CaptureQueriesContext(connection) as found:
            page = staff.get(address)
        asked.append([each["sql"] for each in found])
        shown.append(len(page.context["cl"].result_list))
    assert shown[1] > shown[0] > 0, "the list shows none of the new rows: this would prove nothing"
    assert len(asked[1]) == len(asked[0]), "\n".join(sql[:300] for sql in asked[1])
