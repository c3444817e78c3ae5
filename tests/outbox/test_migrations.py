"""The outbox's tables go back to what they were, with rows in them too."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import User
from generation.outbox.models import Letter
from tests.accounts import factories as people


@pytest.mark.django_db(transaction=True)
def test_letters_to_an_address_go_when_there_is_no_column_for_it(alice: User) -> None:
    place = people.team(alice, "Studio")
    written = {"workspace": place, "kind": "low_balance", "about": place.id, "expires_at": timezone.now()}
    Letter.objects.create(**written, address="books@example.org", occasion="to an address")
    Letter.objects.create(**written, user=alice, occasion="to somebody")
    try:
        call_command("migrate", "outbox", "0003", verbosity=0)
    finally:
        call_command("migrate", "outbox", verbosity=0)
    assert Letter.objects.get().occasion == "to somebody"
