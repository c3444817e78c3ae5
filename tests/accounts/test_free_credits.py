"""What comes for nothing every day: to a visitor, to somebody with an account, and to all visitors of one network."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts import crowds
from accounts.models import User, Visitor
from billing import ledger
from catalog.models import Model
from tests.accounts.factories import browser_of, team
from tests.accounts.test_arrival import sign_up
from tests.generation import factories as generations

PROMPT = {"prompt": "a red circle"}


@pytest.fixture(autouse=True)
def behind_a_proxy(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1
    settings.FREE_DAILY_CREDITS, settings.SIGNED_IN_DAILY_CREDITS = 60, 30


def looks(browser: Client, network: str = "203.0.113") -> int:
    """Somebody opens the site from a network; what the page says is left."""
    left: int = browser.get("/", headers={"X-Forwarded-For": f"{network}.7"}).context["purse"]["available"]
    return left


def test_an_account_brings_more_a_day_at_once_and_every_day(toy: Model, db: None) -> None:
    visitor = generations.visitor()
    browser = browser_of(visitor)
    assert looks(browser) == 60
    sign_up(browser)
    assert [looks(browser), looks(browser)] == [90, 90]
    assert "90" in browser.get("/billing/").text
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        assert looks(browser) == 180  # today's lapse by the database's clock, which stands still here


def test_a_team_gets_nothing_for_nothing(alice: User) -> None:
    assert looks(browser_of(alice, team(alice))) == 0


def test_visitors_of_one_network_share_what_it_gets_in_a_day(toy: Model, settings: Settings) -> None:
    """Also those who came on earlier days, whom nobody counts as new any more."""
    settings.NETWORK_DAILY_CREDITS = 150
    crowd = [browser_of(generations.visitor()) for _ in range(4)]
    assert [looks(browser) for browser in crowd] == [60, 60, 0, 0]
    assert looks(crowd[0]) == 60  # given once
    refused = crowd[2].post("/generations/", PROMPT, headers={"X-Forwarded-For": "203.0.113.7"})
    assert refused.status_code == 402
    assert "sign in" in refused.text
    assert looks(crowd[3], "198.51.100") == 60  # from elsewhere there is some left
    assert looks(browser_of(generations.visitor()), "203.0.113") == 0
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        assert looks(crowd[2]) == 60


def test_people_and_bought_credits_are_not_bounded_by_their_network(
    toy: Model, alice: User, settings: Settings
) -> None:
    settings.NETWORK_DAILY_CREDITS = 0
    assert looks(browser_of(alice)) == 90
    assert looks(browser_of(generations.visitor(credits=500))) == 500


def test_the_count_outlives_the_web_process_and_lapses(visitor: Visitor, valkey: redis.Redis) -> None:
    assert crowds.take_free_credits("n", 60)
    assert valkey.get("crowds:free-credits:n") == b"60"
    assert 0 < valkey.ttl("crowds:free-credits:n") <= 24 * 3600


def test_without_valkey_everybody_has_the_daily_allowance(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(crowds, "connection", lambda: away)
    made = generations.visitor()
    assert looks(browser_of(made)) == 60
    assert ledger.balance(account=made.workspace_id).available == 60
