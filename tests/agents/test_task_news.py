"""Agents that listen are told how their clips stand: the official client against a site that sends as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from mcp.client.client import Client as Agent
from mcp.client.extension import ClientExtension, NotificationBinding, advertise
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    NotificationParams,
    SubscriptionFilter,
    SubscriptionsListenRequest,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from accounts import api_keys
from accounts.models import ApiKey, Workspace
from billing import ledger
from generation.api import events
from generation.live import progress
from generation.models import Generation, State
from gpu_worker.contract import Progress
from loremotion import database
from loremotion.agents import task_news
from loremotion.agents.tasks import IDENTIFIER
from tests.accounts import factories as people
from tests.agents.conftest import key_of
from tests.agents.test_tasks import finish
from tests.clients.conftest import asgi_site
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS

__all__ = ("asgi_site",)
pytestmark = pytest.mark.django_db(transaction=True)


class News(NotificationParams):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")
    task_id: str
    status: str
    status_message: str = ""
    result: dict[str, Any] | None = None


class Listener(ClientExtension):
    """Keeps what it is told."""

    identifier = IDENTIFIER

    def __init__(self) -> None:
        self.told = asyncio.Queue[News]()

    def notifications(self) -> Sequence[NotificationBinding[Any]]:
        return [NotificationBinding(method=task_news.NEWS, params_type=News, handler=self.told.put)]

    async def next(self) -> News:
        return await asyncio.wait_for(self.told.get(), PATIENCE_SECONDS)


def listen(agent: Agent, *task_ids: str, **said: Any) -> Awaitable[SubscriptionsListenResult]:
    wanted = SubscriptionFilter.model_validate({"taskIds": list(task_ids), **said})
    request: Any = SubscriptionsListenRequest(params=SubscriptionsListenRequestParams(notifications=wanted))
    return agent.session.send_request(request, SubscriptionsListenResult)


Act = Callable[[Agent], Awaitable[Any]]


async def in_thread(act: Callable[..., Any], *given: Any, **said: Any) -> None:
    """Do it beside the agent's loop; the thread ends with the test, and its connection goes back to the pool."""

    def run() -> None:
        try:
            act(*given, **said)
        finally:
            database.give_back()

    await asyncio.to_thread(run)


def with_site(site: str, key: str, act: Act, *extensions: ClientExtension, origin: str = "") -> Any:
    async def run() -> Any:
        headers = {"Authorization": f"Bearer {key}"} | ({"Origin": origin} if origin else {})
        async with (
            httpx2.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS) as http,
            Agent(streamable_http_client(f"{site}/mcp", http_client=http), extensions=extensions) as agent,
        ):
            return await act(agent)

    return asyncio.run(run())


def test_who_listens_is_told_of_the_end_and_then_the_stream_ends(asgi_site: str, studio: Workspace, key: str) -> None:
    clips = [factories.submitted(studio) for _ in range(2)]
    strangers = people.team(people.person("stranger@example.org"), "Strangers")
    ledger.grant(account=strangers.id, reference="test:strangers", amount=40, kind=ledger.LotKind.PACK)
    foreign = factories.submitted(strangers)

    async def act(agent: Agent) -> tuple[list[News], SubscriptionsListenResult]:
        ids = [str(clip.id) for clip in clips]
        stream = asyncio.ensure_future(listen(agent, *ids, ids[0], str(foreign.id), "../me"))
        told = [await listener.next() for _ in clips]
        for clip in clips:
            await in_thread(finish, clip)
        return [*told, *[await listener.next() for _ in clips]], await asyncio.wait_for(stream, PATIENCE_SECONDS)

    listener = Listener()
    told, ended = with_site(asgi_site, key, act, listener)
    assert {(news.task_id, news.status) for news in told[:2]} == {(str(clip.id), "working") for clip in clips}
    assert {(news.task_id, news.status) for news in told[2:]} == {(str(clip.id), "completed") for clip in clips}
    assert all(news.result["structuredContent"]["status"] == "completed" for news in told[2:])
    assert ended.meta is not None
    assert listener.told.empty(), "nothing is told of what is another's"


def test_what_has_ended_is_told_at_once(asgi_site: str, studio: Workspace, key: str) -> None:
    clip = factories.submitted(studio)
    finish(clip)

    async def act(agent: Agent) -> News:
        await listen(agent, str(clip.id))
        return await listener.next()

    listener = Listener()
    assert with_site(asgi_site, key, act, listener).status == "completed"


def test_news_while_it_is_made_are_told(
    asgi_site: str, studio: Workspace, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_news, "NEWS_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    clip = factories.submitted(studio)

    async def act(agent: Agent) -> None:
        stream = asyncio.ensure_future(listen(agent, str(clip.id)))
        assert (await listener.next()).status == "working"
        await in_thread(begin, clip)
        news = await listener.next()
        assert (news.status, news.status_message) == ("working", "30 % done.")
        await in_thread(finish, clip)
        await stream

    listener = Listener()
    with_site(asgi_site, key, act, listener)


def begin(clip: Generation) -> None:
    Generation.objects.filter(id=clip.id).update(state=State.RUNNING)
    progress.publish(clip.id, Progress(kind="step", stage="denoising", step=3, steps_total=9, percent=30))


def test_a_key_that_is_revoked_hears_no_more(
    asgi_site: str, studio: Workspace, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RECHECK_SECONDS", 0.0)
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    clips = [factories.submitted(studio) for _ in range(2)]

    async def act(agent: Agent) -> None:
        stream = asyncio.ensure_future(listen(agent, *[str(clip.id) for clip in clips]))
        for _ in clips:
            assert (await listener.next()).status == "working"
        await in_thread(revoke, studio)
        await asyncio.wait_for(stream, PATIENCE_SECONDS)

    listener = Listener()
    with_site(asgi_site, key, act, listener)
    finish(clips[0])
    assert listener.told.empty()


@pytest.mark.parametrize("left", [[], ["https://another.example"]])
def test_a_page_that_a_key_is_not_for_any_more_hears_no_more(
    asgi_site: str, studio: Workspace, monkeypatch: pytest.MonkeyPatch, left: list[str]
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    page, clip = "https://app.example", factories.submitted(studio)
    key = key_of(studio, origins=[page])

    async def act(agent: Agent) -> None:
        stream = asyncio.ensure_future(listen(agent, str(clip.id)))
        assert (await listener.next()).status == "working"
        await in_thread(ApiKey.objects.filter(workspace=studio).update, origins=left)
        await in_thread(finish, clip)
        await asyncio.wait_for(stream, PATIENCE_SECONDS)

    listener = Listener()
    with_site(asgi_site, key, act, listener, origin=page)
    assert listener.told.empty()


def revoke(workspace: Workspace) -> None:
    for one in ApiKey.objects.filter(workspace=workspace):
        api_keys.revoke(key=one, actor="owner@example.org")


def test_who_did_not_say_that_it_knows_tasks_is_told_of_none(asgi_site: str, studio: Workspace, key: str) -> None:
    clip = factories.submitted(studio)

    async def act(agent: Agent) -> int:
        with pytest.raises(MCPError) as refused:
            await listen(agent, str(clip.id))
        return refused.value.code

    assert with_site(asgi_site, key, act) == -32021


def test_news_of_tools_are_not_promised(asgi_site: str, key: str) -> None:
    async def act(agent: Agent) -> None:
        async with agent.listen(tools_list_changed=True) as stream:
            assert stream.honored.tools_list_changed is None
            assert [event async for event in stream] == []
        assert agent.server_capabilities.extensions == {IDENTIFIER: {}}
        assert not agent.server_capabilities.tools.list_changed  # type: ignore[union-attr]

    with_site(asgi_site, key, act)


@pytest.mark.parametrize("wanted", ["one", [1], {"a": 1}])
def test_ids_that_are_none_are_refused(asgi_site: str, key: str, wanted: object) -> None:
    async def act(agent: Agent) -> int:
        with pytest.raises(MCPError) as refused:
            await listen(agent, taskIds=wanted)
        return refused.value.code

    assert with_site(asgi_site, key, act, advertise(IDENTIFIER)) == -32602


def test_of_a_task_that_is_not_there_nothing_is_told(asgi_site: str, key: str) -> None:
    async def act(agent: Agent) -> None:
        await listen(agent, str(uuid4()))

    listener = Listener()
    with_site(asgi_site, key, act, listener)
    assert listener.told.empty()
