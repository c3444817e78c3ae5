from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from django.core import signing
from django.test import Client

from accounts.models import Visitor
from billing import ledger
from catalog.models import Model
from tests.generation import factories

ClientOf = Callable[[Visitor], Client]


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis) -> redis.Redis:
    """No test sees another's jobs."""
    return valkey


@pytest.fixture(autouse=True)
def sound_books(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test that touches the database, the ledger must add up."""
    marker = request.node.get_closest_marker("django_db")
    if marker is None and "db" not in request.fixturenames:
        yield
        return
    is_transactional = marker is not None and marker.kwargs.get("transaction", False)
    request.getfixturevalue("transactional_db" if is_transactional else "db")  # outlives this fixture
    yield
    assert ledger.violations(limit=5) == []


@pytest.fixture
def toy(db: None) -> Model:
    return factories.model()


@pytest.fixture
def alice(db: None) -> Visitor:
    return factories.visitor(credits=1_000)


@pytest.fixture
def bob(db: None) -> Visitor:
    return factories.visitor(credits=1_000)


@pytest.fixture
def client_of() -> ClientOf:
    """A browser that carries a visitor's cookie."""

    def client(visitor: Visitor) -> Client:
        browser = Client()
        browser.cookies["visitor"] = signing.dumps(str(visitor.id), salt="accounts.visitors")
        return browser

    return client
