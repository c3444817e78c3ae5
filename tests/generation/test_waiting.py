"""``Prefer: wait=n``: one request that is answered with the finished clip."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core import signing
from django.db import OperationalError
from django.test import AsyncClient, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from accounts import api_keys
from accounts.models import ApiKey, Visitor
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.api import presentation, waiting
from generation.live.broadcast import Entry, Subscription
from generation.models import Generation
from generation.settlement import deletion, settle
from loremotion import preferences
from tests.accounts.factories import person, team
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

Answer = Any


def browser_of(visitor: Visitor) -> AsyncClient:
    browser = AsyncClient()
    browser.cookies["visitor"] = signing.dumps(str(visitor.id), salt="accounts.visitors")
    return browser


async def read(answer: Answer, after_the_first: Callable[[], None] = lambda: None) -> tuple[bytes, dict[str, Any]]:
    """All that is sent before the last part, and the last part; ``after_the_first`` is called after the head."""
    parts: AsyncIterator[bytes] = aiter(answer.streaming_content)
    sent = [await anext(parts)]
    await sync_to_async(after_the_first)()
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for part in parts:
            sent.append(part)
    return b"".join(sent[:-1]), json.loads(sent[-1])


def made(generation: Generation) -> None:
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))


def test_one_who_asks_for_a_clip_and_waits_is_given_it_finished(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    def finish() -> None:
        made(Generation.objects.get())

    async def ask() -> tuple[Answer, bytes, dict[str, Any]]:
        answer = await browser_of(alice).post(
            "/v1/videos", {"prompt": "a fox"}, content_type="application/json", headers={"Prefer": "wait=50"}
        )
        return answer, *await read(answer, finish)

    answer, before, video = async_to_sync(ask)()
    assert (answer.status_code, answer["Preference-Applied"]) == (200, "wait=50")
    assert answer["Content-Type"] == "application/json"
    assert before.strip() == b"", "JSON begins with spaces at most"
    assert video["status"] == "completed"
    again: Any = {"headers": {"Prefer": "wait=50", "x-stainless-retry-count": "1"}}
    other = client_of(alice).post("/v1/videos", {"prompt": "a fox"}, content_type="application/json", **again)
    assert other.streaming, "who has the clip asks for another one"
    assert video == client_of(alice).get(f"/v1/videos/{video['id']}").json()


def test_one_who_looks_at_a_clip_and_waits_hears_of_its_end(toy: Model, alice: Visitor) -> None:
    generation = factories.submitted(alice.workspace)

    async def look() -> dict[str, Any]:
        answer = await browser_of(alice).get(f"/v1/videos/{generation.id}", headers={"Prefer": "wait"})
        return (await read(answer, lambda: settle.cancel(generation)))[1]

    assert async_to_sync(look)()["lm"]["state"] == "cancelled"


def test_what_has_not_ended_in_time_is_told_as_it_stands(
    toy: Model, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preferences, "MOST_SECONDS", 0.01)
    monkeypatch.setattr(waiting, "LOOKED_EVERY_SECONDS", 0.01)
    generation = factories.submitted(alice.workspace)

    async def look() -> dict[str, Any]:
        answer = await browser_of(alice).get(f"/v1/videos/{generation.id}", headers={"Prefer": "wait=60"})
        return (await read(answer))[1]

    video = async_to_sync(look)()
    assert (video["status"], "queue" in video["lm"]) == ("queued", True)


def test_news_without_a_pause_keeps_nobody_waiting_for_longer(
    toy: Model, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip that is made tells of each step, also while whoever is in between has to hear something."""

    now = 0.0

    async def chatter(self: Subscription, timeout_seconds: float) -> Entry:
        nonlocal now
        now += 0.5
        await asyncio.sleep(0)
        return Entry("1-1", "step", "{}")

    monkeypatch.setattr(Subscription, "next", chatter)
    monkeypatch.setattr(waiting, "_now", lambda: now)
    generation = factories.submitted(alice.workspace)

    async def look() -> tuple[bytes, dict[str, Any]]:
        answer = await browser_of(alice).get(f"/v1/videos/{generation.id}", headers={"Prefer": "wait=12"})
        return await read(answer)

    before, video = async_to_sync(look)()
    assert (before, video["status"]) == (b" " * 3, "queued"), "one at once, and after 5 and 10 of 12 seconds"


@pytest.mark.parametrize("away", ["database", "progress"])
def test_an_answer_that_has_begun_says_what_was_taken_whatever_breaks(
    away: str, toy: Model, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head says 200: a body that broke off would be asked for, and paid, once more."""

    def broken(*_: object, **__: object) -> Any:
        raise OperationalError("the connection is lost")

    def break_it() -> None:
        if away == "database":
            monkeypatch.setattr(presentation, "as_it_stands", broken)
            settle.cancel(Generation.objects.get())

    if away == "progress":
        monkeypatch.setattr(waiting, "follow", broken)

    async def ask() -> dict[str, Any]:
        answer = await browser_of(alice).post(
            "/v1/videos", {"prompt": "a fox"}, content_type="application/json", headers={"Prefer": "wait"}
        )
        return (await read(answer, break_it))[1]

    video = async_to_sync(ask)()
    assert (video["id"], video["status"]) == (str(Generation.objects.get().id), "queued")


def test_one_that_is_deleted_meanwhile_is_told_to_be(toy: Model, alice: Visitor) -> None:
    generation = factories.submitted(alice.workspace)

    def delete() -> None:
        settle.cancel(generation)
        deletion.delete(Generation.objects.get(id=generation.id))

    async def look() -> Any:
        answer: Answer = await browser_of(alice).get(f"/v1/videos/{generation.id}", headers={"Prefer": "wait"})
        parts = aiter(answer.streaming_content)
        await anext(parts)
        await sync_to_async(delete)()
        return [json.loads(part) async for part in parts if part.strip()][-1]

    assert async_to_sync(look)() == {"id": str(generation.id), "object": "video.deleted", "deleted": True}


def test_whose_key_is_revoked_meanwhile_is_told_no_more_than_before(toy: Model) -> None:
    owner = person("owner@example.org")
    studio = team(owner, "Studio")
    ledger.grant(account=studio.id, reference="test", amount=100, kind=ledger.LotKind.PACK)
    key, token = api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="k", scopes=["read"])
    generation = factories.submitted(studio)

    def revoke_and_finish() -> None:
        ApiKey.objects.filter(id=key.id).update(revoked_at=timezone.now())
        made(generation)

    async def look() -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}", "Prefer": "wait"}
        answer = await AsyncClient().get(f"/v1/videos/{generation.id}", headers=headers)
        return (await read(answer, revoke_and_finish))[1]

    video = async_to_sync(look)()
    assert (video["id"], video["status"]) == (str(generation.id), "queued")


def test_a_newcomer_who_waits_is_given_the_first_clip_finished(toy: Model, settings: Settings) -> None:
    newcomer = AsyncClient()
    newcomer.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32

    async def ask() -> dict[str, Any]:
        answer = await newcomer.post(
            "/v1/videos", {"prompt": "a fox"}, content_type="application/json", headers={"Prefer": "wait=50"}
        )
        return (await read(answer, lambda: made(Generation.objects.get())))[1]

    assert async_to_sync(ask)()["status"] == "completed"


def test_what_has_ended_and_what_is_refused_is_answered_at_once(
    toy: Model, alice: Visitor, bob: Visitor, client_of: ClientOf
) -> None:
    generation = factories.submitted(alice.workspace)
    settle.cancel(generation)
    for visitor, status in ((alice, 200), (bob, 404)):
        answer = client_of(visitor).get(f"/v1/videos/{generation.id}", headers={"Prefer": "wait=60"})
        assert (answer.status_code, answer.streaming) == (status, False)
    refused = client_of(alice).post(
        "/v1/videos", {"prompt": ""}, content_type="application/json", headers={"Prefer": "wait=60"}
    )
    assert (refused.status_code, refused.streaming) == (422, False)


def test_who_waits_for_very_many_is_answered_at_once_and_the_clip_is_taken(
    toy: Model, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_AT_ONCE", 0)
    answer = client_of(alice).post(
        "/v1/videos", {"prompt": "a fox"}, content_type="application/json", headers={"Prefer": "wait=60"}
    )
    assert (answer.status_code, answer.streaming, answer.json()["status"]) == (200, False, "queued")
    assert "Preference-Applied" not in answer


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", 0),
        ("wait=10", 10),
        ("wait", 60),
        ("wait=600", 60),
        ("wait=0", 0),
        ("respond-async, wait=5", 5),
        ('Wait="7"; x=1', 7),
        ("wait=-1", 0),
        ("wait=long", 0),
        ("waiting=5", 0),
        ("wait=9999999999999999999999", 0),
    ],
)
def test_the_preference_is_read_as_the_rfc_has_it(said: str, seconds: float) -> None:
    assert preferences.preferred_seconds(RequestFactory().get("/", headers={"Prefer": said})) == seconds
