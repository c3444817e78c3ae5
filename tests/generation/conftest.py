from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from django.core import signing
from django.test import Client

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.scheduling import dispatch
from generation.settlement import settle
from tests.generation import factories

ClientOf = Callable[[Visitor], Client]


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis) -> redis.Redis:
    """No test sees another's jobs."""
    return valkey


@pytest.fixture
def client() -> Client:
    """A newcomer's browser, which has loaded a page."""
    browser = Client()
    browser.cookies["csrftoken"] = "c" * 32
    return browser


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
def running(toy: Model, alice: Visitor) -> Generation:
    """A clip that a worker has begun."""
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    assert settle.start(generation_id=generation.id, attempt=1, worker="gpu-test")
    generation.refresh_from_db()
    return generation


@pytest.fixture
def client_of() -> ClientOf:
    """A browser that carries a visitor's cookie."""

    def client(visitor: Visitor) -> Client:
        browser = Client()
        browser.cookies["visitor"] = signing.dumps(str(visitor.id), salt="accounts.visitors")
        return browser

    return client


@pytest.fixture
def dispatched(toy: Model, alice: Visitor) -> Generation:
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    generation.refresh_from_db()
    return generation
