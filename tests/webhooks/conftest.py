from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest
import redis
from pytest_django import Settings

from accounts.models import User, Workspace
from billing import ledger
from catalog.models import Model
from generation.webhooks import endpoints
from generation.webhooks.models import Endpoint
from tests.accounts import factories
from tests.generation import factories as generations
from tests.webhooks.receiver import Receiver


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis) -> redis.Redis:
    return valkey


@pytest.fixture
def toy(db: None) -> Model:
    return generations.model()


@pytest.fixture
def alice(db: None) -> User:
    return factories.person("alice@example.org")


@pytest.fixture
def studio(alice: User, toy: Model) -> Workspace:
    """A team that can pay for clips."""
    made = factories.team(alice, "Studio")
    ledger.grant(account=made.id, reference=f"test:{made.id}", amount=10_000, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def loopback_is_permitted(settings: Settings) -> None:
    """As whoever tries webhooks on one machine sets it."""
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def receiver(loopback_is_permitted: None) -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def endpoint_and_secret(studio: Workspace, receiver: Receiver) -> tuple[Endpoint, str]:
    return endpoints.create(
        workspace=studio,
        actor="alice@example.org",
        name="Ours",
        url=receiver.url,
        event_types=["video.completed", "video.failed", "video.cancelled", "video.blocked"],
    )


@pytest.fixture
def endpoint(endpoint_and_secret: tuple[Endpoint, str]) -> Endpoint:
    """Listens to everything."""
    return endpoint_and_secret[0]


@pytest.fixture
def secret(endpoint_and_secret: tuple[Endpoint, str]) -> str:
    """What ``endpoint`` signs with."""
    return endpoint_and_secret[1]
