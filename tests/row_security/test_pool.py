"""One connection for everybody, through the real application: nothing of one request is left for the next.

The test client keeps its connection. Here requests run as under uvicorn: each in a thread of its own, taking the pool's
only connection and giving it back, in whatever order they come.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.db import connection, connections, transaction
from django.http import HttpRequest
from django.test import Client

from generation.models import Generation
from generation.settlement import settle
from loremotion import row_security
from loremotion.handler import OneThreadHandler
from tests.generation import factories as generations
from tests.patience import PATIENCE_SECONDS
from tests.row_security import tenants
from tests.row_security.probe import PARTS, Curiosity, prompts
from tests.row_security.tenants import Tenant

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4
"""In each, who asks asks in another way."""


@pytest.fixture
def both(transactional_db: None) -> tuple[Tenant, Tenant]:
    generations.model()
    return tenants.tenant("ours"), tenants.tenant("theirs")


@pytest.fixture
def only_connection(both: tuple[Tenant, Tenant]) -> Iterator[None]:
    """A pool of one, which this thread leaves to the requests. Outside of requests this process sees nothing."""
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(options, "pool", {**options["pool"], "min_size": 1, "max_size": 1})
        patch.setattr(row_security, "_outside_requests", row_security.NOTHING)
        yield
    connections.close_all()  # whoever opens the next pool, at the latest the look at the books, gets a whole one
    connection.close_pool()  # type: ignore[attr-defined]


def site() -> Any:
    """The site's own handler, as in ``loremotion.asgi``."""
    return OneThreadHandler()


def cookies_of(client: Client) -> dict[str, str]:
    return {name: morsel.value for name, morsel in client.cookies.items()}


def look(request: HttpRequest) -> dict[str, Any]:
    """What an unscoped query sees, or an error in the middle of a transaction, as the address asks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        session = cursor.fetchone()[0]
    with transaction.atomic():
        seen = prompts()
        if "fail" in request.GET:
            raise RuntimeError("in the middle")
        if "break" in request.GET:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
    return {"seen": seen, "session": session}


def test_requests_of_two_tenants_take_turns_on_one_connection(
    both: tuple[Tenant, Tenant], only_connection: None
) -> None:
    ours, theirs = both
    Curiosity.question = staticmethod(look)
    callers: list[tuple[dict[str, Any], str]] = [
        ({"cookies": cookies_of(ours.browser)}, "the prompt of ours"),
        ({"headers": {"Authorization": theirs.program.defaults["HTTP_AUTHORIZATION"]}}, "the prompt of theirs"),
        ({}, ""),
        ({"headers": {"Authorization": ours.program.defaults["HTTP_AUTHORIZATION"]}}, "the prompt of ours"),
        ({"cookies": cookies_of(theirs.browser)}, "the prompt of theirs"),
    ]

    application = httpx.ASGITransport(site(), raise_app_exceptions=False)

    async def one(who: dict[str, Any], query: str, *, address: str = "/v1/probe") -> httpx.Response:
        async with httpx.AsyncClient(transport=application, base_url="http://127.0.0.1", **who) as client:
            return await client.get(address + query)

    async def everybody() -> list[tuple[str, str, httpx.Response]]:
        asked = []
        for round_ in range(ROUNDS):
            for who, own in callers:
                query = ("", "?fail", "", "?break")[round_ % 4]
                asked.append((query, own, one(who, query)))
                asked.append(("", own, one(who, "")))
                asked.append(("", "", one(who, "", address="/blind-probe")))
        answers = await asyncio.gather(*(request for _, _, request in asked))
        return [(query, own, answer) for (query, own, _), answer in zip(asked, answers, strict=True)]

    sessions = set()
    for query, own, answer in asyncio.run(everybody()):
        if query:
            assert answer.status_code == 500
            continue
        assert answer.status_code == 200, answer.text
        assert answer.json()["answer"]["seen"] == own
        sessions.add(answer.json()["answer"]["session"])
    assert len(sessions) == 1, "All of them were to share one connection."


def test_streams_of_two_tenants_share_the_connection_between_their_parts(
    both: tuple[Tenant, Tenant], only_connection: None
) -> None:
    application = httpx.ASGITransport(site())

    async def read(tenant: Tenant) -> str:
        async with httpx.AsyncClient(
            transport=application, base_url="http://127.0.0.1", cookies=cookies_of(tenant.browser)
        ) as client:
            sync = await client.get("/probe/stream")
            return sync.text + (await client.get("/probe/stream-async")).text

    async def everybody() -> list[str]:
        return list(await asyncio.gather(*(read(tenant) for _ in range(ROUNDS) for tenant in both)))

    own = ["the prompt of ours\n" * 2 * PARTS, "the prompt of theirs\n" * 2 * PARTS]
    assert asyncio.run(everybody()) == own * ROUNDS


def test_live_events_go_on_while_others_use_the_connection(both: tuple[Tenant, Tenant], only_connection: None) -> None:
    """A stream looks at its row again and again, long after the view has returned."""
    clips = [in_turn(tenant) for tenant in both]
    connection.close()

    async def everybody() -> list[str]:
        are_open = [asyncio.Event() for _ in both]
        streams = [
            asyncio.ensure_future(follow(tenant, f"/generations/{clip}/events/", is_open))
            for tenant, clip, is_open in zip(both, clips, are_open, strict=True)
        ]
        await asyncio.wait_for(asyncio.gather(*(is_open.wait() for is_open in are_open)), timeout=PATIENCE_SECONDS)
        for clip in clips:
            await asyncio.to_thread(cancel, clip)
        return await asyncio.wait_for(asyncio.gather(*streams), timeout=PATIENCE_SECONDS)

    for heard in asyncio.run(everybody()):
        events = re.findall(r"^event: (.*)$", heard, flags=re.MULTILINE)
        assert (events[0], events[-1]) == ("queue", "done")


async def follow(tenant: Tenant, path: str, is_open: asyncio.Event) -> str:
    """Everything that a browser of ``tenant`` gets at ``path``; ``is_open`` is set when it has heard of the queue."""
    sent = bytearray()
    questions = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        question = next(questions, None)
        if question is None:
            await asyncio.Event().wait()  # the browser stays
        return question or {}

    async def send(message: Any) -> None:
        sent.extend(message.get("body", b""))
        if b"event: queue" in sent:
            is_open.set()

    cookies = "; ".join(f"{name}={value}" for name, value in cookies_of(tenant.browser).items())
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"cookie", cookies.encode())],
        "client": ("127.0.0.1", 1),
    }
    await site()(scope, receive, send)
    return sent.decode()


@row_security.across_workspaces("the test sets the scene")
def in_turn(tenant: Tenant) -> UUID:
    return generations.submitted(tenant.workspace).id


@row_security.across_workspaces("as a queue worker does it")
def cancel(clip: UUID) -> None:
    try:
        settle.cancel(Generation.objects.get(id=clip))
    finally:
        connection.close()
