"""How often the API may be asked, and what it says about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import redis
import time_machine
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts import api_keys, limits
from accounts.models import User, Visitor, Workspace
from accounts.roles import BY_ROLE
from loremotion import valkey as stores
from tests.accounts.factories import browser_of, team

NOON = 1_800_000_000  # the beginning of a minute


@pytest.fixture(autouse=True)
def three_a_minute(settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    settings.API_CHANGES_PER_MINUTE = 2


def test_it_works(visitor: Visitor) -> None:
    browser = browser_of(visitor)
    with time_machine.travel(NOON + 10, tick=False):
        answers = [browser.get("/v1/videos") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0]["RateLimit-Policy"] == '"read";q=3;w=60, "change";q=2;w=60'
    assert [re.findall(r"r=(\d+);t=(\d+)", answer["RateLimit"])[0] for answer in answers] == [
        ("2", "60"),
        ("1", "60"),
        ("0", "60"),
        ("0", "60"),
    ]
    assert (answers[3]["Retry-After"], "x-should-retry" in answers[3]) == ("60", False)  # who polls waits, and goes on
    assert answers[3].json()["error"]["code"] == "rate_limited"
    with time_machine.travel(NOON + 70, tick=False):
        assert browser.get("/v1/videos").status_code == 200


def test_no_more_pass_round_the_end_of_a_minute(valkey: redis.Redis) -> None:
    def passed(now: float) -> int:
        return sum(not limits.count(limits.READ, caller="key:1", now=now).is_exceeded for _ in range(5))

    assert passed(NOON - 20) == 3
    assert passed(NOON + 1) == 0
    refused = limits.count(limits.READ, caller="key:1", now=NOON + 30.5)
    assert (refused.is_exceeded, refused.resets_in_seconds) == (True, 10)  # what is refused is not counted
    assert passed(NOON + 40.5) == 3


def test_a_restart_of_the_web_forgives_nothing(valkey: redis.Redis) -> None:
    for _ in range(3):
        assert not limits.count(limits.READ, caller="key:1", now=NOON).is_exceeded
    stores.connection().connection_pool.disconnect()  # what a new process finds is what Valkey kept
    assert limits.count(limits.READ, caller="key:1", now=NOON).is_exceeded
    assert not limits.count(limits.READ, caller="key:2", now=NOON).is_exceeded
    assert all(0 < valkey.ttl(key) <= 60 for key in valkey.keys("limits:*"))


def test_made_up_keys_count_with_their_network(db: None) -> None:
    with time_machine.travel(NOON, tick=False):
        answers = [
            Client().get("/v1/videos", headers={"Authorization": f"Bearer {'x' * number}"}) for number in range(1, 5)
        ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


def test_a_key_has_a_count_of_its_own(alice: User) -> None:
    studio = team(alice)
    programs = []
    for _ in range(2):
        _, text = api_keys.issue(workspace=studio, by=alice, allowed=BY_ROLE["owner"], name="x", scopes=["read"])
        programs.append(Client(headers={"Authorization": f"Bearer {text}"}))
    with time_machine.travel(NOON, tick=False):
        for _ in range(3):
            programs[0].get("/v1/videos")
        assert programs[0].get("/v1/videos").status_code == 429
        assert programs[1].get("/v1/videos").status_code == 200


def test_many_keys_of_a_workspace_ask_four_times_as_often_as_one_together(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "KEYS_TOGETHER", 2)
    studio, other = team(alice), team(alice, "Other")
    programs = [program_of(studio, alice) for _ in range(3)]
    with time_machine.travel(NOON, tick=False):
        first = [programs[0].get("/v1/videos") for _ in range(3)]
        second = [programs[1].get("/v1/videos") for _ in range(3)]
        refused = programs[2].get("/v1/videos")
        assert program_of(other, alice).get("/v1/videos").status_code == 200
        assert browser_of(alice, studio).get("/v1/videos").status_code == 200  # people have a count of their own
    assert {answer.status_code for answer in (*first, *second)} == {200}
    assert first[0]["RateLimit-Policy"] == (
        '"read";q=3;w=60, "change";q=2;w=60, "workspace-read";q=6;w=60, "workspace-change";q=4;w=60'
    )
    said = [answer["RateLimit"] for answer in (*first, *second)]
    assert said[:3] == [f'"read";r={left};t=60' for left in (2, 1, 0)]
    assert said[3:] == ['"read";r=2;t=60', '"read";r=1;t=60', '"read";r=0;t=60']
    assert (refused.status_code, refused["RateLimit"]) == (429, '"workspace-read";r=0;t=60')
    assert "All keys of this workspace together have sent more than 6 requests to read" in refused.json()["detail"]


def test_what_one_key_is_refused_takes_nothing_from_the_others(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEYS_TOGETHER", 2)
    studio = team(alice)
    greedy, other = program_of(studio, alice), program_of(studio, alice)
    with time_machine.travel(NOON, tick=False):
        assert [greedy.get("/v1/videos").status_code for _ in range(6)] == [200] * 3 + [429] * 3
        assert [other.get("/v1/videos").status_code for _ in range(3)] == [200] * 3


def program_of(workspace: Workspace, by: User) -> Client:
    """A program with a key of its own."""
    _, text = api_keys.issue(workspace=workspace, by=by, allowed=BY_ROLE["owner"], name="x", scopes=["read"])
    return Client(headers={"Authorization": f"Bearer {text}"})


def test_who_watches_may_go_on_making_and_the_other_way_round(alice: User) -> None:
    studio = team(alice)
    _, text = api_keys.issue(workspace=studio, by=alice, allowed=BY_ROLE["owner"], name="x", scopes=["generate"])
    program = Client(headers={"Authorization": f"Bearer {text}"})
    with time_machine.travel(NOON, tick=False):
        reads = [program.get("/v1/videos") for _ in range(4)]
        changes = [program.post("/v1/videos", {"nothing": 1}) for _ in range(3)]
    assert [answer.status_code for answer in reads] == [200, 200, 200, 429]
    assert [answer.status_code for answer in changes] == [422, 422, 429]
    assert [answer["RateLimit"] for answer in changes] == [f'"change";r={left};t=60' for left in (1, 0, 0)]
    assert reads[3]["RateLimit"] == '"read";r=0;t=60'
    assert "more than 2 requests to make or change something" in changes[2].json()["detail"]


def test_forms_that_ask_for_clips_count_too_refused_ones_as_well(visitor: Visitor) -> None:
    """A refused one has had its files read."""
    browser = browser_of(visitor)
    with time_machine.travel(NOON + 10, tick=False):
        answers = [browser.post("/generations/", {"prompt": "", "model": "unknown"}) for _ in range(3)]
        assert browser.post("/v1/videos", {"nothing": 1}).status_code == 429  # one count for both
    assert all(answer.status_code < 500 and answer.status_code != 429 for answer in answers[:2])
    assert (answers[2].status_code, answers[2]["Retry-After"]) == (429, "60")
    assert "more than 2 requests" in answers[2].text
    assert "<main" in answers[2].text


def test_asking_for_reviews_counts_too_whatever_becomes_of_it(visitor: Visitor) -> None:
    browser = browser_of(visitor)
    with time_machine.travel(NOON + 10, tick=False):
        answers = [browser.post("/reviews/ask/", {"prompt": "a red circle"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 429]


def test_every_form_counts_but_those_with_limits_of_their_own() -> None:
    routes = [f"/{route}" for route, _ in addresses()]
    uncounted = {route for route in routes if not limits._is_counted(RequestFactory().post(route))}
    asks_a_provider = {route for route in routes if route.startswith("/account/oidc/")}
    assert asks_a_provider
    assert {"/billing/buy/", "/workspace/webhooks/new/", "/batch/make/"} <= set(routes) - uncounted
    assert uncounted == {route for route in routes if route.startswith(limits.UNCOUNTED)} - asks_a_provider
    assert set(limits.UNCOUNTED) == {
        "/account/",
        "/admin/",
        "/report/",
        "/stripe/webhook/",
        "/worker/",
    }  # add with a reason


def test_buying_counts_for_each_page_of_stripe_is_a_row(visitor: Visitor) -> None:
    browser = browser_of(visitor)
    with time_machine.travel(NOON + 10, tick=False):
        answers = [browser.post("/billing/buy/", {"price": 1}) for _ in range(3)]
    assert [answer.status_code == 429 for answer in answers] == [False, False, True]


def test_how_long_a_prompt_is_counts_as_reading(visitor: Visitor) -> None:
    browser = browser_of(visitor)
    with time_machine.travel(NOON + 10, tick=False):
        answers = [browser.post("/generations/prompt-length/", {"prompt": "a"}) for _ in range(4)]
        assert browser.post("/generations/", {"prompt": ""}).status_code != 429
    assert [answer.status_code == 429 for answer in answers] == [False, False, False, True]


def addresses(patterns: Iterable[URLPattern | URLResolver] | None = None, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every route of the site, and its view."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        route = above + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, route)
        else:
            yield route, each.callback


def test_pages_are_not_counted(visitor: Visitor) -> None:
    browser = browser_of(visitor)
    assert {browser.get("/history/").status_code for _ in range(5)} == {200}
    assert "RateLimit" not in browser.get("/history/")


def test_without_valkey_nobody_is_limited(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(limits, "connection", lambda: away)
    assert {browser_of(visitor).get("/v1/videos").status_code for _ in range(5)} == {200}
