"""How much of the news of its tasks one key is told at once."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from mcp.client.client import Client as Agent
from mcp.client.extension import advertise
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from accounts.models import Workspace
from loremotion.agents import task_news
from loremotion.agents.tasks import IDENTIFIER
from tests.agents.conftest import key_of
from tests.agents.test_task_news import Listener, in_thread, listen, with_site
from tests.agents.test_tasks import finish
from tests.clients.conftest import asgi_site
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS

__all__ = ("asgi_site",)
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_key_holds_so_many_listeners_and_gets_their_places_back(
    asgi_site: str, studio: Workspace, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_news, "MOST_LISTENERS", 2)
    clip, another = factories.submitted(studio), key_of(studio)

    async def hold(agent: Agent) -> None:
        streams = [asyncio.ensure_future(listen(agent, str(clip.id))) for _ in range(2)]
        for _ in streams:
            await listener.next()
        with pytest.raises(MCPError, match="are being sent to you already") as refused:
            await listen(agent, str(clip.id))
        assert refused.value.data == {"retryAfterSeconds": 10}
        await asyncio.to_thread(with_site, asgi_site, another, lambda one: listen(one), advertise(IDENTIFIER))
        await in_thread(finish, clip)
        await asyncio.gather(*streams)
        await listen(agent, str(clip.id))

    listener = Listener()
    with_site(asgi_site, key, hold, listener)


def test_a_key_is_the_same_however_its_header_is_spelt(
    asgi_site: str, studio: Workspace, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_news, "MOST_LISTENERS", 1)
    clip = factories.submitted(studio)

    async def spell_otherwise() -> None:
        able = [advertise(IDENTIFIER)]
        for spelling in (f"bearer {key}", f"Bearer   {key}", f"BEARER \u00a0{key}"):
            async with (
                httpx2.AsyncClient(
                    headers={b"Authorization": spelling.encode("latin-1")}, timeout=PATIENCE_SECONDS
                ) as http,
                Agent(streamable_http_client(f"{asgi_site}/mcp", http_client=http), extensions=able) as agent,
            ):
                with pytest.raises(MCPError, match="are being sent to you already"):
                    await asyncio.wait_for(listen(agent, str(clip.id)), PATIENCE_SECONDS)

    async def hold(agent: Agent) -> None:
        stream = asyncio.ensure_future(listen(agent, str(clip.id)))
        await listener.next()
        await spell_otherwise()
        await in_thread(finish, clip)
        await stream

    listener = Listener()
    with_site(asgi_site, key, hold, listener)


def test_one_listener_is_told_of_so_many_tasks(
    asgi_site: str, studio: Workspace, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_news, "MOST_TASKS", 1)
    clips = [factories.submitted(studio) for _ in range(2)]
    for clip in clips:
        finish(clip)

    async def act(agent: Agent) -> None:
        await listen(agent, *[str(clip.id) for clip in clips])

    listener = Listener()
    with_site(asgi_site, key, act, listener)
    assert [listener.told.get_nowait().task_id for _ in range(listener.told.qsize())] == [str(clips[0].id)]
