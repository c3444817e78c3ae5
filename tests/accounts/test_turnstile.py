"""Turnstile instead of proof of work: shown and checked where its keys are set, and nobody new comes in on a guess."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from html import unescape

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import Visitor
from accounts.proofs import turnstile
from catalog.models import Model
from tests import fake_turnstile
from tests.fake_turnstile import SECRET, SITE_KEY, FakeTurnstile
from tests.patience import PATIENCE_SECONDS

PROMPT = {"prompt": "a red circle"}


@pytest.fixture
def cloudflare(settings: Settings) -> Iterator[FakeTurnstile]:
    """Two newcomers a day come freely, and the third brings a proof."""
    with fake_turnstile.serving() as server:
        settings.TURNSTILE_SITE_KEY, settings.TURNSTILE_SECRET_KEY = SITE_KEY, SECRET
        settings.TURNSTILE_API_BASE = server.url
        settings.VISITORS_PER_NETWORK_PER_DAY = 4
        yield server


@pytest.fixture
def crowd(toy: Model, cloudflare: FakeTurnstile) -> FakeTurnstile:
    for _ in range(2):
        assert come() == 302
    assert cloudflare.asked == []
    return cloudflare


def come(answer: str = "") -> int:
    """A newcomer makes a clip; the status."""
    return Client().post("/generations/", PROMPT | {"cf-turnstile-response": answer}).status_code


def test_it_works(crowd: FakeTurnstile) -> None:
    page = Client().get("/").text
    assert f'data-sitekey="{SITE_KEY}"' in page
    assert f'src="{crowd.url}/turnstile/v0/api.js"' in page
    assert "data-challenge" not in page
    assert Client().get("/challenge/").json() == {"turnstile_site_key": SITE_KEY}
    assert come() == 403
    assert come("bad") == 403
    assert come("good") == 302
    assert come("good") == 403  # each is good once
    assert Visitor.objects.count() == 3


def test_nobodys_address_is_told(crowd: FakeTurnstile) -> None:
    come("good")
    (said,) = crowd.asked
    assert set(said) == {"secret", "response", "idempotency_key"}


def test_a_verdict_that_says_nothing_lets_nobody_in(crowd: FakeTurnstile, subtests: pytest.Subtests) -> None:
    for verdict in (b"", b"<html>", b"[]", b"{}", b'{"success": "yes"}', b'{"success": false}', b'{"error-codes": 7}'):
        with subtests.test(verdict=verdict):
            crowd.says = verdict
            answer = Client().post("/generations/", PROMPT | {"cf-turnstile-response": "good"})
            assert answer.status_code == 503
            assert "We can't check right now" in unescape(answer.text)
            assert "sign in" in answer.text
            assert Visitor.objects.count() == 2
    crowd.says = None
    assert come("good, another time") == 302


def test_a_wrong_secret_is_ours_to_mend_and_not_the_visitors(crowd: FakeTurnstile, settings: Settings) -> None:
    settings.TURNSTILE_SECRET_KEY = "mistyped"
    assert come("good") == 503


def test_silence_lets_nobody_in_and_holds_nobody_up(crowd: FakeTurnstile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "TIMEOUT_SECONDS", 0.2)
    crowd.is_silent.set()
    assert come("good") == 503


def test_an_address_where_nobody_listens_lets_nobody_in(crowd: FakeTurnstile, settings: Settings) -> None:
    settings.TURNSTILE_API_BASE = "http://127.0.0.1:1"
    assert come("good") == 503


def test_the_page_may_load_it_only_where_it_is_set() -> None:
    """The policy is made when the process starts."""
    plain = policy({})
    assert "cloudflare" not in plain
    assert "script-src" not in plain
    both = {"TURNSTILE_SITE_KEY": "a", "TURNSTILE_SECRET_KEY": "b"}
    assert policy(both).count("https://challenges.cloudflare.com") == 2


@pytest.mark.parametrize("name", ["TURNSTILE_SITE_KEY", "TURNSTILE_SECRET_KEY"])
def test_one_key_without_the_other_refuses_to_start(name: str) -> None:
    ended = start({name: "x"})
    assert ended.returncode != 0
    assert "TURNSTILE_SITE_KEY and TURNSTILE_SECRET_KEY belong together" in ended.stderr


def policy(environment: dict[str, str]) -> str:
    ended = start(environment)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def start(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The settings in a process of their own; what it prints is the policy."""
    show = "from loremotion import settings; print(settings.CONTENT_SECURITY_POLICY)"
    return subprocess.run(
        [sys.executable, "-c", show],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
