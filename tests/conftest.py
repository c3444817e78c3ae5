"""Fixtures that every room of the test suite shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings as django_settings
from hypothesis import settings as properties
from playwright.sync_api import Browser, BrowserContext
from pytest_django import Settings

from tests import chromium
from tests.accounts import factories

properties.register_profile("patient", deadline=None)  # a busy machine makes no property untrue
properties.load_profile("patient")


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


@pytest.fixture
def offers(transactional_db: None) -> None:
    """Plans and packs for a test with real transactions, before which the tables are empty."""
    factories.offer_plans()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, one a test module."""
    if chromium.executable() is None:
        pytest.skip("no Chromium on this machine; 'make test' installs it where it may")
    with chromium.launched() as running:
        yield running


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile with the screen of a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield context
    context.close()


@pytest.fixture
def desktop(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile with the screen of a desktop."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()
