"""Fixtures that every room of the test suite shares."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis
import time_machine
from django.conf import settings as django_settings
from django.contrib import admin
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation
from playwright.sync_api import Browser, BrowserContext
from pytest_django import DjangoDbBlocker, Settings

from tests import chromium, properties, stores
from tests.database_reset import DatabaseReset
from tests.patience import PATIENCE_SECONDS

pytest_plugins = ["tests.prepared_site", "tests.object_store.stores", "tests.shared_rewriting", "tests.collector"]

properties.load_profile()
admin.autodiscover()  # as in a process with pages

SOUND_BOOKS = """
CREATE SCHEMA IF NOT EXISTS tests;
CREATE OR REPLACE FUNCTION tests.violations() RETURNS TABLE (rule text, account_id uuid, subject text, detail text)
LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT v.* FROM public.ledger_violations v LIMIT 5; END $$
"""
"""What ``ledger.violations`` asks, planned once a connection: planning it takes 20 times as long as answering it."""


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """A server of the run's own comes with the database (``tests.migrated_cluster``), and goes as a whole."""
    return django_db_keepdb or stores.has_own_database()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The run's database. After a test with real transactions it holds again what our migrations brought and nothing
    else, so the order of tests is free."""
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute(SOUND_BOOKS)
        reset = DatabaseReset.taken_now()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: reset.restore())
        yield


@pytest.fixture(autouse=True)
def sound_books(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test that touches the database, the ledger must add up."""
    is_marked = request.node.get_closest_marker("django_db") is not None
    has_database = is_marked or not {"db", "transactional_db"}.isdisjoint(request.fixturenames)
    if has_database:
        request.getfixturevalue("db")  # before this one, so that it ends after
    yield
    if has_database and not connection.needs_rollback:  # what a failed statement leaves can only be thrown away
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM tests.violations()")
            assert cursor.fetchall() == []


@pytest.fixture(autouse=True)
def unbounded_process() -> Iterator[None]:
    """Commands that serve somebody bound the statements of the whole process; the next test has no such limits."""
    options = connection.settings_dict["OPTIONS"]
    before = dict(options)
    yield
    options.clear()
    options.update(before)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """What a request was answered in holds in its thread until the next one, or until the next test."""
    yield
    translation.activate("en")


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Argon2 is slow on purpose; tests that log somebody in do not have to wait for it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS[1:]]


@pytest.fixture
def stopped_clock() -> Iterator[None]:
    """This process's clock stands still, so no day or hour ends within the test. Those of the stores go on."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


@pytest.fixture
def valkey() -> Iterator[redis.Redis]:
    """The run's Valkey, emptied before and after."""
    connection = redis.Redis.from_url(django_settings.REDIS_URL)
    connection.flushdb()
    yield connection
    connection.flushdb()
    connection.close()


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
    context.set_default_timeout(1000 * PATIENCE_SECONDS)
    yield context
    context.close()


@pytest.fixture
def desktop(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile with the screen of a desktop."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(1000 * PATIENCE_SECONDS)
    yield context
    context.close()
