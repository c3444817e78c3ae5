"""Fixtures that every room of the test suite shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings as django_settings
from pytest_django import Settings


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Argon2 is slow on purpose; tests that log somebody in do not have to wait for it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def valkey() -> Iterator[redis.Redis]:
    """The run's Valkey, emptied before and after."""
    connection = redis.Redis.from_url(django_settings.REDIS_URL)
    connection.flushdb()
    yield connection
    connection.flushdb()
    connection.close()
