from __future__ import annotations

import pytest
import redis

from accounts.models import User, Visitor
from catalog.models import Model
from tests.accounts import factories
from tests.generation import factories as generations


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis) -> redis.Redis:
    """Limits count in Valkey: no test spends another's."""
    return valkey


@pytest.fixture
def toy(db: None) -> Model:
    return generations.model()


@pytest.fixture
def alice(db: None) -> User:
    return factories.person("alice@example.org")


@pytest.fixture
def bob(db: None) -> User:
    return factories.person("bob@example.org")


@pytest.fixture
def carol(db: None) -> User:
    return factories.person("carol@example.org")


@pytest.fixture
def visitor(db: None) -> Visitor:
    return generations.visitor(credits=1_000)
