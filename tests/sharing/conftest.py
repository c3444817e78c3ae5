from __future__ import annotations

import pytest
import redis
from django.test import Client

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.sharing.models import Share
from tests.generation import factories
from tests.generation.test_pages import finished

PROMPT = "a fox by the sea"


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis) -> redis.Redis:
    return valkey


@pytest.fixture
def toy(db: None) -> Model:
    return factories.model()


@pytest.fixture
def alice(db: None) -> Visitor:
    return factories.visitor(credits=1_000)


@pytest.fixture
def made(toy: Model, alice: Visitor) -> Generation:
    return finished(alice, prompt=PROMPT, seconds=3, size="192x128", seed=77)


@pytest.fixture
def link(made: Generation) -> Share:
    return Share.objects.create(clip=made.clip, shows_prompt=True)


@pytest.fixture
def stranger() -> Client:
    return Client()
