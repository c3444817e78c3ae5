from __future__ import annotations

import pytest
import redis

from accounts.models import User
from tests.accounts import factories


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis) -> redis.Redis:
    return valkey


@pytest.fixture
def alice(db: None) -> User:
    return factories.person("alice@example.org")
