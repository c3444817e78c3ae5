"""A clip as a task, by the official client with the Tasks extension as its specification has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, NoReturn
from uuid import uuid4

import pytest
from django.conf import settings
from mcp.client.client import Client as Agent
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim, advertise
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Request, RequestParams, Result
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from accounts.models import Workspace
from generation.api import views
from generation.models import Generation
from generation.settlement import settle
from gpu_worker.contract import Outcome, RenderError
from loremotion.agents.tasks import IDENTIFIER
from loremotion.refusals import TooMany
from tests.accounts import factories as people
from tests.agents.conftest import SITE, Act, browser, key_of
from tests.generation import factories

pytestmark = pytest.mark.django_db(transaction=True)
WIRE = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")


class Params(RequestParams):
    model_config = WIRE
    task_id: str


class Asked(Request[Params, str]):
    name_param = "taskId"


class Told(Result):
    """Whatever is told of a task."""

    model_config = WIRE
    result_type: Literal["complete"]
    status: str = ""
    poll_interval_ms: int | None = None
    status_message: str = ""
    result: dict[str, Any] | None = None


class Handle(Result):
    model_config = WIRE
    result_type: Literal["task"]
    task_id: str
    status: str
    created_at: str
    last_updated_at: str
    ttl_ms: int | None


class Tasks(ClientExtension):
    """Remembers the handles that it is given, and answers with their ids."""

    identifier = IDENTIFIER

    def __init__(self) -> None:
        self.handles: list[Handle] = []

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Handle, resolve=self.resolve)]

    async def resolve(self, handle: Handle, context: ClaimContext) -> CallToolResult:
        self.handles.append(handle)
        return CallToolResult(content=[], structured_content={"id": handle.task_id})


async def ask(agent: Agent, what: str, task_id: str) -> Told:
    return await agent.session.send_request(Asked(method=f"tasks/{what}", params=Params(task_id=task_id)), Told)


async def refused(agent: Agent, what: str, task_id: str) -> int:
    """The code of the error that it ends in."""
    with pytest.raises(MCPError) as caught:
        await ask(agent, what, task_id)
    return caught.value.code


def with_tasks(key: str, act: Act, *extensions: ClientExtension) -> Any:
    async def run() -> Any:
        async with (
            browser(key) as http,
            Agent(streamable_http_client(f"{SITE}/mcp", http_client=http), extensions=extensions) as agent,
        ):
            return await act(agent)

    return asyncio.run(run())


def finish(clip: Generation) -> None:
    factories.deliver_clip(clip)
    settle.settle(factories.report(clip))


def test_a_clip_is_a_task_from_its_beginning_to_its_file(studio: Workspace, key: str) -> None:
    tasks, asked = Tasks(), {"client_request_id": str(uuid4()), "prompt": "a patient fox"}

    async def act(agent: Agent) -> tuple[Told, Told]:
        for _ in range(2):
            await agent.call_tool("generate", asked)
        task_id = tasks.handles[0].task_id
        working = await ask(agent, "get", task_id)
        await asyncio.to_thread(lambda: finish(Generation.objects.get()))
        return working, await ask(agent, "get", task_id)

    working, done = with_tasks(key, act, tasks)
    (clip,) = Generation.objects.of(studio)
    assert [handle.task_id for handle in tasks.handles] == [str(clip.id)] * 2  # asked for twice, and made once
    assert (tasks.handles[0].status, working.status, done.status) == ("working", "working", "completed")
    assert working.poll_interval_ms
    assert working.status_message
    assert done.result is not None
    result = CallToolResult.model_validate(done.result)
    assert (result.is_error, result.structured_content["status"]) == (False, "completed")
    assert result.content[1].uri == f"{settings.SITE_URL}/v1/videos/{clip.id}/content"  # type: ignore[union-attr]


def test_a_task_is_stopped_once_however_often_it_is_asked(studio: Workspace, key: str) -> None:
    clip = factories.submitted(studio)

    async def act(agent: Agent) -> Told:
        for _ in range(2):
            assert (await ask(agent, "cancel", str(clip.id))).status == ""
        assert (await ask(agent, "update", str(clip.id))).status == ""
        return await ask(agent, "get", str(clip.id))

    assert with_tasks(key, act, Tasks()).status == "cancelled"
    clip.refresh_from_db()
    assert clip.state == "cancelled"


def test_a_clip_that_failed_is_a_result_that_says_so(studio: Workspace, key: str) -> None:
    clip = factories.submitted(studio)
    error = RenderError(code="out_of_memory", message="It needs 31.0 GB and the card has 24.0 GB.")
    settle.settle(factories.report(clip, Outcome.FAILED, error=error))
    told = with_tasks(key, lambda agent: ask(agent, "get", str(clip.id)), Tasks())
    assert told.status == "completed"
    assert told.result["isError"]
    assert told.result["structuredContent"]["error"]["code"] == "out_of_memory"


@pytest.mark.parametrize("method", ["get", "update", "cancel"])
def test_there_is_no_task_of_another_workspace(studio: Workspace, key: str, method: str) -> None:
    stranger = key_of(people.team(people.person("stranger@example.org"), "Strangers"))
    clip = factories.submitted(studio)
    ids = [str(clip.id), str(uuid4()), "../me"]

    async def act(agent: Agent) -> list[int]:
        return [await refused(agent, method, task_id) for task_id in ids]

    assert with_tasks(stranger, act, Tasks()) == [-32602] * 3
    clip.refresh_from_db()
    assert clip.is_open


def test_who_did_not_say_that_it_knows_tasks_gets_none(studio: Workspace, key: str) -> None:
    asked = {"client_request_id": "1", "prompt": "a plain fox"}
    made = with_tasks(key, lambda agent: agent.call_tool("generate", asked))
    assert made.structured_content["status"] == "queued"
    assert with_tasks(key, lambda agent: refused(agent, "get", made.structured_content["id"])) == -32021


def test_what_is_refused_is_refused_to_whoever_knows_tasks(studio: Workspace, key: str) -> None:
    asked = {"client_request_id": "1", "prompt": "a fox", "size": "1x1"}
    assert with_tasks(key, lambda agent: agent.call_tool("generate", asked), Tasks()).is_error
    assert with_tasks(key, lambda agent: agent.call_tool("models", {}), advertise(IDENTIFIER)).structured_content


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has the API refuse to say how clips stand, from the moment it is called."""

    def begin() -> None:
        def refuse(*said: Any, **more: Any) -> NoReturn:
            raise TooMany("slow_down", "Too many requests.", next_step="Wait a little.", retry_after_seconds=7)

        monkeypatch.setattr(views.Video, "get", refuse)

    return begin


def test_a_refusal_is_not_told_as_a_task_that_is_not_there(
    studio: Workspace, key: str, busy: Callable[[], None]
) -> None:
    clip = factories.submitted(studio)
    busy()

    async def act(agent: Agent) -> MCPError:
        with pytest.raises(MCPError) as caught:
            await ask(agent, "get", str(clip.id))
        return caught.value

    told = with_tasks(key, act, Tasks())
    assert (told.code, told.data) == (-32603, {"retryAfterSeconds": 7})
    assert "Too many requests" in told.message


def test_a_clip_that_is_made_is_told_where_its_task_cannot_be(
    studio: Workspace, key: str, busy: Callable[[], None]
) -> None:
    """It is paid, and who hears an error would ask for another."""
    busy()
    tasks = Tasks()
    asked = {"client_request_id": "1", "prompt": "a fox"}
    made = with_tasks(key, lambda agent: agent.call_tool("generate", asked), tasks)
    assert (made.is_error, tasks.handles) == (False, [])
    assert made.structured_content["id"] == str(Generation.objects.of(studio).get().id)
