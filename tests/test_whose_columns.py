"""Lists of the admin say whose a row is, where the row itself knows an id alone."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.models import Workspace
from accounts.whose_column import WhoseColumn
from billing import ledger
from billing.shop.models import Payment, Price
from tests.accounts.factories import browser_of, person
from tests.test_staff_site import FOR_SUPERUSERS

pytestmark = pytest.mark.django_db

LISTS = ["billing_account", "billing_lot", "billing_hold", "shop_payment"]


@pytest.fixture
def ada() -> Workspace:
    """Somebody with credits, a hold, a payment and an entry in the audit log."""
    workspace = Workspace.objects.get(memberships__user=person("ada@example.org"), kind="personal")
    price = Price.objects.filter(pack__isnull=False)[0]
    Payment.objects.create(
        **{"source": "order:1", "workspace": workspace.id, "account": workspace.id, "price": price},
        **{"amount_minor": 500, "currency": "usd", "credits": 100, "paid_at": timezone.now()},
    )
    ledger.grant(account=workspace.id, reference="order:1", amount=100, kind=ledger.LotKind.PACK)
    ledger.hold(account=workspace.id, reference=uuid4(), amount=5, quote={"credits": 5}, expires_at=timezone.now())
    audit.record(workspace, "key.created", actor="somebody", subject="a key")
    return workspace


def shown(browser: Client, name: str) -> str:
    answer = browser.get(reverse(f"admin:{name}_changelist"))
    assert answer.status_code == 200
    return answer.text.split('id="result_list"')[1]


@pytest.mark.parametrize("name", LISTS)
def test_a_row_says_whose_it_is_and_leads_to_the_customer(name: str, ada: Workspace) -> None:
    rows = shown(browser_of(person("staff@example.com", is_staff=True)), name)
    assert f'<a href="/admin/customers/{ada.id}/">ada@example.org</a>' in rows


@pytest.mark.parametrize("name", LISTS)
def test_who_may_not_look_customers_up_reads_an_id(name: str, ada: Workspace) -> None:
    app, model = name.split("_")
    user = person("looks@example.com")
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=f"view_{model}"))
    rows = shown(browser_of(user), name)
    assert ">ada@example.org</a>" not in rows
    assert str(ada.id) in rows


def test_a_workspace_that_was_erased_is_named_by_its_id(db: None) -> None:
    gone = uuid4()
    ledger.grant(account=gone, reference="order:2", amount=1, kind=ledger.LotKind.PACK)
    rows = shown(browser_of(person("staff@example.com", is_staff=True)), "billing_lot")
    assert str(gone) in rows
    assert f"/customers/{gone}/" not in rows


def test_every_list_of_rows_that_name_a_workspace_says_whose_they_are() -> None:
    for model, shown_by in admin.site._registry.items():
        if model._meta.label_lower in FOR_SUPERUSERS:
            continue
        names = {field.name for field in model._meta.concrete_fields}
        columns = {str(column) for column in shown_by.list_display}
        if columns & {"workspace", "workspace_id", "account"} & names:
            assert isinstance(shown_by, WhoseColumn), model
            assert "whose" in columns, model
