"""Many new visitors from one network: first freely, then for work, then not today."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import time_machine
from altcha.v1 import Payload, solve_challenge
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts import networks, newcomer_limits
from accounts.models import User, Visitor
from accounts.proofs import altcha
from catalog.models import Model
from tests.accounts.factories import browser_of

PROMPT = {"prompt": "a red circle"}


@pytest.fixture(autouse=True)
def four_a_day(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VISITORS_PER_NETWORK_PER_DAY = 4
    monkeypatch.setattr(altcha, "LEAST_WORK", 50)
    monkeypatch.setattr(altcha, "MOST_WORK", 500)


def come(**proof: str) -> int:
    """A newcomer makes a clip; the answer's status."""
    return Client().post("/generations/", PROMPT | proof).status_code


def solved(challenge: dict[str, Any]) -> str:
    found = solve_challenge(challenge["challenge"], challenge["salt"], challenge["algorithm"], challenge["maxnumber"])
    assert found is not None
    return Payload(
        challenge["algorithm"], challenge["challenge"], found.number, challenge["salt"], challenge["signature"]
    ).to_base64()


def a_challenge() -> dict[str, Any]:
    told: dict[str, Any] = Client().get("/challenge/").json()
    return told | {"maxnumber": told.get("maxnumber", told.get("maxNumber"))}


def test_a_newcomer_s_batch_brings_a_proof_too(toy: Model) -> None:
    assert [come(), come()] == [302, 302]
    browser = Client()
    assert 'name="altcha"' in browser.post("/batch/review/", {"prompts": "a fox"}).text
    rows = {"rows": "a fox", "sending": "one"}
    assert browser.post("/batch/make/", rows).status_code == 403
    assert browser.post("/batch/make/", rows | {"altcha": solved(a_challenge())}).status_code == 302


def test_it_works(toy: Model) -> None:
    assert [come(), come()] == [302, 302]
    assert come() == 403
    assert Visitor.objects.count() == 2
    assert [come(altcha=solved(a_challenge())), come(altcha=solved(a_challenge()))] == [302, 302]
    answer = Client().post("/generations/", PROMPT | {"altcha": solved(a_challenge())})
    assert answer.status_code == 429
    assert "Come back tomorrow" in answer.text
    assert Visitor.objects.count() == 4


def test_the_page_asks_only_whom_it_has_to(toy: Model, alice: User) -> None:
    assert "data-challenge" not in Client().get("/").text
    first = Client()
    first.post("/generations/", PROMPT)
    come()
    assert "data-challenge" in Client().get("/").text
    assert "data-challenge" not in first.get("/").text
    assert "data-challenge" not in browser_of(alice).get("/").text
    assert first.post("/generations/", PROMPT).status_code == 302  # known visitors go on


def test_a_proof_is_good_once_for_its_network_and_for_a_while(
    toy: Model, settings: Settings, valkey: redis.Redis
) -> None:
    settings.VISITORS_PER_NETWORK_PER_DAY = 100
    for _ in range(50):
        valkey.incr(f"crowds:newcomers:{_fingerprint()}")
    proof = solved(a_challenge())
    assert come(altcha=proof) == 302
    assert come(altcha=proof) == 403
    other = solved(a_challenge())
    settings.TRUSTED_PROXIES = 1
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    for _ in range(50):
        valkey.incr(f"crowds:newcomers:{_fingerprint(**elsewhere)}")
    assert Client(headers=elsewhere).post("/generations/", PROMPT | {"altcha": other}).status_code == 403
    settings.TRUSTED_PROXIES = 0
    with time_machine.travel(timezone.now() + altcha.CHALLENGE_LASTS * 1.1):
        valkey.set(f"crowds:newcomers:{_fingerprint()}", 50)
        assert come(altcha=other) == 403


def test_nonsense_proves_nothing(toy: Model, subtests: pytest.Subtests) -> None:
    come()
    come()
    for payload in ("x", "e30=", "W10=", "bnVsbA==", "eyJzYWx0IjogbnVsbH0=", "x" * 5_000):
        with subtests.test(payload=payload[:20]):
            assert come(altcha=payload) == 403
    assert come(altcha=solved(a_challenge())) == 302


def test_the_work_grows_with_the_crowd(settings: Settings, valkey: redis.Redis) -> None:
    settings.VISITORS_PER_NETWORK_PER_DAY = 100
    most = []
    for newcomers in (0, 50, 75, 100):
        valkey.set(f"crowds:newcomers:{_fingerprint()}", newcomers)
        most.append(a_challenge()["maxnumber"])
    assert most == [50, 50, 275, 500]


def test_without_valkey_newcomers_come_in(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(newcomer_limits, "connection", lambda: away)
    assert {come() for _ in range(6)} == {302}


def _fingerprint(**headers: str) -> str:
    return networks.fingerprint_of(RequestFactory().get("/", headers=headers))


def test_of_newcomers_who_come_at_once_no_more_are_let_in(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was counted before any of the others had come in."""
    monkeypatch.setattr(newcomer_limits, "newcomers_of", lambda _: 0)
    assert [come() for _ in range(6)] == [302] * 4 + [429] * 2
    assert Visitor.objects.count() == 4
