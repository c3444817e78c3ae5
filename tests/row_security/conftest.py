from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.test import Client
from pytest_django import Settings

from tests.generation import factories as generations
from tests.row_security import tenants
from tests.row_security.probe import Curiosity, Question
from tests.row_security.tenants import Tenant

Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def probing(settings: Settings, valkey: redis.Redis) -> None:
    """The site with the probe's pages, and nothing counted against anybody."""
    settings.ROOT_URLCONF = "tests.row_security.probe"


@pytest.fixture
def ours(db: None) -> Tenant:
    generations.model()
    return tenants.tenant("ours")


@pytest.fixture
def theirs(ours: Tenant) -> Tenant:
    return tenants.tenant("theirs")


@pytest.fixture
def ask() -> Ask:
    """Have a question answered inside a request of ``who``'s."""

    def asked(who: Client, question: Question, address: str = "/v1/probe") -> Any:
        Curiosity.question = staticmethod(question)
        answer = who.get(address)
        assert answer.status_code == 200, answer.content
        return answer.json()["answer"]

    return asked
