"""What staff does to chosen rows is in the log, also where no workspace is concerned whose audit log could hold it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts import bans
from accounts.models import User
from billing.shop.models import StripeEvent

pytestmark = pytest.mark.django_db


def act(client: Client, row: Any, action: str) -> None:
    address = f"/admin/{row._meta.label_lower.replace('.', '/')}/"
    answer = client.post(address, {"action": action, "_selected_action": [row.pk]})
    assert answer.status_code == 302


def test_a_ban_of_a_network_that_is_lifted(admin_client: Client, admin_user: User) -> None:
    ban = bans.ban_network("a" * 32, by=admin_user, reason="Too many.", until=None)
    act(admin_client, ban, "lift_selected")
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_id, entry.change_message) == (admin_user.pk, str(ban.pk), "Lifted.")


def test_an_event_of_stripe_that_is_done_again(admin_client: Client, admin_user: User) -> None:
    event = StripeEvent.objects.create(event_id="evt_1", type="charge.refunded", object_id="ch_1")
    act(admin_client, event, "replay")
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_id, entry.change_message) == (admin_user.pk, str(event.pk), "Done again.")
