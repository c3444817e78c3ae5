"""With Valkey away nothing is lost and nobody is told that it was: what needs it waits, the rest works."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from accounts.models import Visitor
from accounts.proofs.altcha import LEAST_WORK
from catalog.models import Model
from generation.api import events
from generation.models import Generation, State
from generation.settlement import housekeeping
from loremotion import valkey
from tests.accounts.factories import PASSWORD, person
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def valkey_away(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
    """Every connection is refused, as on the day when it is restarted."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def leave() -> None:
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": settings.REDIS_URL}}
        valkey.connection.cache_clear()

    yield leave
    valkey.connection.cache_clear()


def test_a_clip_is_taken_once_and_shown(toy: Model, alice: Visitor, client_of: ClientOf, valkey_away: Any) -> None:
    valkey_away()
    browser = client_of(alice)
    answer = browser.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    assert answer.status_code == 200, answer.text
    assert "place is saved" in answer.json()["lm"]["queue"]["reason"]
    assert browser.post("/generations/", {"prompt": "a fox"}).status_code == 302
    assert Generation.objects.filter(state=State.QUEUED).count() == 2
    for generation in Generation.objects.all():
        assert browser.get(f"/generations/{generation.id}/").status_code == 200
        assert browser.get(f"/v1/videos/{generation.id}").status_code == 200
    assert browser.get("/").status_code == browser.get("/history/").status_code == 200


def test_a_clip_is_cancelled(toy: Model, alice: Visitor, client_of: ClientOf, valkey_away: Any) -> None:
    generation = factories.submitted(alice.workspace)
    valkey_away()
    answer = client_of(alice).post(f"/v1/videos/{generation.id}/cancel")
    assert answer.json()["lm"]["cost"]["given_back"] == generation.credits_quoted


def test_the_beat_goes_on(toy: Model, alice: Visitor, valkey_away: Any) -> None:
    factories.submitted(alice.workspace)
    valkey_away()
    assert housekeeping.beat()


def test_who_watches_still_hears_the_end(toy: Model, alice: Visitor, valkey_away: Any) -> None:
    generation = finished(alice)
    valkey_away()

    async def heard() -> str:
        return "".join([chunk async for chunk in events._follow(generation.id, "0-0")])

    assert "event: done" in async_to_sync(heard)()


def test_signing_in_is_refused_for_a_moment_and_says_so(alice: Visitor, valkey_away: Any) -> None:
    """It is counted there how often somebody guesses, so nobody guesses uncounted."""
    person("person@example.org")
    valkey_away()
    browser = Client()
    said = {"login": "person@example.org", "password": PASSWORD}
    for address, form in (
        ("/account/login/", said),
        ("/account/login/code/", {"email": "person@example.org"}),
        ("/account/signup/", {"email": "new@example.org", "password1": PASSWORD}),
    ):
        assert browser.get(address).status_code == 200
        answer = browser.post(address, form)
        assert (answer.status_code, "Try again in a minute" in answer.text) == (503, True)
    assert "_auth_user_id" not in browser.session


def test_a_newcomer_is_given_work_and_let_in(toy: Model, valkey_away: Any) -> None:
    valkey_away()
    assert Client().get("/challenge/").json()["maxNumber"] == LEAST_WORK
    assert Client().post("/generations/", {"prompt": "a fox"}).status_code == 302
