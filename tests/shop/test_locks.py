"""One thing at a time across processes, while no transaction is open and no connection is held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from billing.shop import gateway, locks
from billing.shop.errors import StripeIsAway
from billing.shop.models import Lock
from loremotion import database
from tests import watchful_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def watchful(settings: Settings) -> Iterator[Any]:
    with watchful_server.serving() as server:
        settings.STRIPE_API_BASE = server.url
        settings.STRIPE_SECRET_KEY = "sk_test_watchful"
        yield server


def test_who_is_alone_with_something_keeps_no_connection_and_lets_nobody_else_in() -> None:
    with locks.alone_with("a test"), locks.alone_with("another"):
        database.give_back()
        assert connection.connection is None
        with locks.alone_with("a test"):  # of one's own
            pass
        with pytest.raises(locks.Busy):
            _in_another_thread(lambda: _enter("a test"))
    _in_another_thread(lambda: _enter_patiently("a test"))
    assert not Lock.objects.exists()


def _enter(subject: str) -> None:
    with locks.alone_with(subject, is_patient=False):
        raise AssertionError("it was free")


def _in_another_thread(act: Callable[[], None]) -> None:
    """Do it there, and raise here what it raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for error in raised:
        raise error


def test_who_waits_for_a_lock_in_vain_hears_that_stripe_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.01)
    with locks.alone_with("one"), pytest.raises(StripeIsAway):
        _in_another_thread(lambda: _enter_patiently("one"))


def test_who_meets_a_lock_that_is_being_written_hears_that_it_is_taken() -> None:
    def enter() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10ms'")
            try:
                _enter("one")
            finally:  # the connection goes back to the pool, and to other tests
                cursor.execute("RESET lock_timeout")

    with locks.alone_with("one"), transaction.atomic():
        locks.renew()
        with pytest.raises(locks.Busy):
            _in_another_thread(enter)


def test_a_lock_of_a_process_that_died_lapses() -> None:
    Lock.objects.create(subject="one", holder=uuid4(), lapses_at=timezone.now() - timedelta(seconds=1))
    with locks.alone_with("one", is_patient=False):
        locks.renew()
    Lock.objects.create(subject="two", holder=uuid4(), lapses_at=timezone.now() - timedelta(hours=2))
    locks.forget_lapsed()
    assert not Lock.objects.exists()


def test_asking_stripe_makes_a_lock_last(watchful: Any) -> None:
    with locks.alone_with("one"):
        Lock.objects.update(lapses_at=timezone.now() - timedelta(seconds=1))
        ask_stripe()
        with pytest.raises(locks.Busy):
            _in_another_thread(lambda: _enter("one"))


def test_who_has_lost_a_lock_asks_stripe_nothing_more_and_takes_it_from_nobody(watchful: Any) -> None:
    another = uuid4()
    with locks.alone_with("one"):
        Lock.objects.update(holder=another)
        with pytest.raises(StripeIsAway):
            ask_stripe()
    assert watchful.had_connection == []
    assert Lock.objects.get().holder == another


def _enter_patiently(subject: str) -> None:
    with locks.alone_with(subject):
        return


def ask_stripe() -> None:
    gateway.client().v1.products.retrieve("x")
