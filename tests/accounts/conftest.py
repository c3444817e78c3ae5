from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from pytest_django import Settings

from accounts.models import User, Visitor
from catalog.models import Model
from tests import fake_openid
from tests.accounts import factories
from tests.accounts.openid import LOGIN
from tests.accounts.providers import offer_sign_in
from tests.fake_openid import FakeOpenID
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


@pytest.fixture
def provider() -> Iterator[FakeOpenID]:
    with fake_openid.serving(f"http://testserver{LOGIN}callback/") as serving:
        yield serving


@pytest.fixture
def offer(provider: FakeOpenID, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the site up with the provider, as its operator would."""

    def set_up(**more: str) -> None:
        offer_sign_in(settings, monkeypatch, provider, **more)

    return set_up


@pytest.fixture
def offered(offer: Callable[..., None]) -> None:
    """The provider is on the sign-in page."""
    offer()
