from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_superuser("staff@example.com", "a password")


@pytest.fixture
def admin_browser(staff: User) -> Client:
    """Somebody who has signed in as staff."""
    client = Client()
    client.force_login(staff)
    return client
