"""Whoever may look at rows of one kind, and at nothing else, opens a row's page, and no link on it turns them away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urljoin

import pytest
import redis
from django.apps import apps
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.accounts.factories import browser_of, person
from tests.test_admin_list_queries import undone, write

pytestmark = pytest.mark.django_db

__all__ = ["undone"]
LABELS = (
    *("accounts.user", "billing.account", "billing.hold", "billing.lot", "generation.generation"),
    *("notices.notice", "outbox.mailmessage", "shop.order", "shop.budget"),
)
"""Those whose pages lead to other kinds of rows."""


def viewer(label: str) -> Client:
    app, _, name = label.partition(".")
    user = person("looker@example.org")
    User.objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=f"view_{name}"))
    return browser_of(User.objects.get(id=user.id))


def links_of(address: str, page: str) -> Iterator[str]:
    """Addresses in the admin to which the page itself leads."""
    found = page.split('id="content-main"')[-1]
    for link in re.findall(r'(?:href|src)="([^"#]+)', found):
        if (to := urljoin(address, unescape(link))).startswith("/admin/"):
            yield to


@pytest.mark.parametrize("label", LABELS)
def test_a_row_opens_for_whoever_may_see_its_kind_and_leads_nowhere_they_may_not_go(
    label: str, undone: None, valkey: redis.Redis
) -> None:
    model = apps.get_model(label)
    write(model, 1)
    browser, row = viewer(label), model._default_manager.order_by("pk").last()
    assert row is not None
    if label == "shop.budget":
        model._default_manager.update(caps_by_item={"preview": {"day": 5}})
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
    page = browser.get(address)
    assert page.status_code == 200
    for link in set(links_of(address, page.text)):
        assert browser.get(link).status_code in (200, 301, 302, 404), link
