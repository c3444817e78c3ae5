"""``loremotion login``, at a site that answers as it is told to, while time passes as it is told to."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from click.testing import Result

from loremotion import Client
from loremotion.cli import credentials, device_login
from tests.test_command import ME, Run, run

__all__ = ("run",)

KEPT = credentials.Credentials(site="https://clips.example", api_key="lm_live_new")
PENDING = {"status": "pending"}
APPROVED = {"status": "approved", "api_key": "lm_live_new"}
Login = Callable[..., Result]


class Clock:
    """Time that passes when somebody waits for it."""

    def __init__(self) -> None:
        self.waits = list[float]()

    def monotonic(self) -> float:
        return sum(self.waits)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(device_login, "time", clock)
    return clock


@pytest.fixture
def logging_in(run: Run, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Login:
    """Log in at a site that answers each claim in turn, the last answer again and again: a login as it stands, a
    status of HTTP with what to wait, or an error."""

    def begin(*claims: Any, typed: str = "", begins: int = 200, me: int = 200) -> Result:
        begun = {"object": "device_login", "device_code": "d", "user_code": "BCDF-GHJK", "interval": 5}
        begun["verification_uri_complete"] = "https://clips.example/workspace/keys/device/?code=BCDF-GHJK"
        left = list(claims)

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/v1/device_logins":
                return httpx.Response(begins, json={**begun, "expires_in": 600})
            if request.url.path == "/v1/me":
                return httpx.Response(me, json=ME)
            assert json.loads(request.content) == {"device_code": "d"}
            said = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(said, Exception):
                raise said
            if isinstance(said, tuple):
                return httpx.Response(said[0], headers={"Retry-After": said[1]} if said[1] else {})
            return httpx.Response(200, json={"object": "device_login", **said})

        transport = httpx.MockTransport(answer)
        plain = functools.partial(httpx.Client, transport=transport)
        monkeypatch.setattr("loremotion.cli.device_login.httpx.Client", plain)
        monkeypatch.setattr("loremotion.cli.commands.Client", functools.partial(Client, transport=transport))
        return run("login", "--site", "https://clips.example", typed=typed)

    return begin


def test_login_shows_a_code_and_keeps_the_key_that_somebody_agreed_to(logging_in: Login) -> None:
    said = logging_in({"status": "pending"}, {"status": "pending"}, {"status": "approved", "api_key": "lm_live_new"})
    assert said.exit_code == 0, said.output
    assert "BCDF-GHJK" in said.output
    assert "lm_live_new" not in said.output
    assert credentials.load() == credentials.Credentials(site="https://clips.example", api_key="lm_live_new")


@pytest.mark.parametrize(("status", "says"), [("denied", "denied"), ("expired", "expired"), ("odd", "expired")])
def test_a_login_that_nobody_agrees_to_keeps_nothing(logging_in: Login, status: str, says: str) -> None:
    said = logging_in({"status": status})
    assert (said.exit_code, says in said.output) == (1, True)
    assert credentials.load() is None


def test_a_site_without_such_logins_is_given_a_key(logging_in: Login) -> None:
    assert logging_in(begins=404, typed="lm_typed\n").exit_code == 0
    assert credentials.load() == credentials.Credentials(site="https://clips.example", api_key="lm_typed")


@pytest.mark.parametrize("hiccup", [httpx.ConnectError("away"), httpx.ReadTimeout("slow"), (503, ""), (502, "")])
def test_a_site_that_is_away_for_a_moment_is_asked_again(logging_in: Login, hiccup: Any) -> None:
    said = logging_in(PENDING, hiccup, hiccup, PENDING, APPROVED)
    assert said.exit_code == 0, said.output
    assert credentials.load() == KEPT


def test_a_site_that_is_asked_too_often_is_asked_less_from_then_on(logging_in: Login, clock: Clock) -> None:
    assert logging_in(PENDING, (429, "30"), PENDING, APPROVED).exit_code == 0
    assert clock.waits == [5, 5, 30, 10]


def test_a_site_that_says_when_it_is_back_is_not_asked_before(logging_in: Login, clock: Clock) -> None:
    assert logging_in((503, "40"), PENDING, APPROVED).exit_code == 0
    assert clock.waits == [5, 40, 5]


@pytest.mark.parametrize("ever", [PENDING, (503, ""), (429, "9999"), httpx.ConnectError("away")])
def test_it_asks_no_longer_than_the_code_lasts(logging_in: Login, clock: Clock, ever: Any) -> None:
    said = logging_in(ever)
    assert (said.exit_code, "expired" in said.output) == (1, True)
    assert 590 <= clock.monotonic() <= 600


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("slow"), (504, "")])
def test_a_key_whose_answer_was_lost_is_to_be_revoked(logging_in: Login, lost: Any) -> None:
    said = logging_in(PENDING, lost, {"status": "expired"})
    assert said.exit_code == 1
    assert "revoke" in said.output
    assert "https://clips.example/workspace/keys/" in said.output


def test_what_the_site_refuses_is_said_at_once(logging_in: Login, clock: Clock) -> None:
    assert logging_in(PENDING, (409, "")).exit_code == 1
    assert clock.waits == [5, 5]


def test_it_says_in_which_workspace_it_is_now(logging_in: Login) -> None:
    assert "Studio [b]" in logging_in(APPROVED).output


def test_a_key_that_came_is_kept_though_the_site_is_away_then(logging_in: Login) -> None:
    logging_in(APPROVED, me=400)
    assert credentials.load() == KEPT
