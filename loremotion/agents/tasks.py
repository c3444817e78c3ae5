"""The Tasks extension of the Model Context Protocol (SEP-2663, as of 2026-07-28): a clip that is made is a task.

An agent that declares the extension is answered by ``generate`` with a handle in place of the clip, and asks with it
until the clip is there. The handle is the clip's id, so nothing is kept of a task but the clip: any process answers,
and whose it is, the API decides as ever.

Source: github.com/modelcontextprotocol/ext-tasks, specification/2026-07-28/tasks.md. The ``mcp`` package brings the
interface that this is plugged into, and no tasks of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, CallToolResult, RequestParams, TextContent
from mcp_types.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from loremotion.agents import tools
from loremotion.agents.agent import IN_SCOPE, Agent, Refused, answer_of

IDENTIFIER: Final = "io.modelcontextprotocol/tasks"
VERSIONS: Final = frozenset({"2026-07-28"})
MAKES_TASKS: Final = "generate"
_OPEN: Final = ("queued", "in_progress")
Ctx = ServerRequestContext[Any, Any]


class TaskParams(RequestParams):
    """Of every method: which task."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")
    task_id: str


class Tasks(Extension):
    identifier = IDENTIFIER

    def methods(self) -> Sequence[MethodBinding]:
        handlers = {"tasks/get": get, "tasks/update": update, "tasks/cancel": cancel}
        return [MethodBinding(method, TaskParams, handler, VERSIONS) for method, handler in handlers.items()]

    async def intercept_tool_call(self, params: CallToolRequestParams, ctx: Ctx, call_next: CallNext) -> HandlerResult:
        """The handle of the clip that ``generate`` made, for whoever knows what to do with it."""
        result = await call_next(ctx)
        if params.name != MAKES_TASKS or not _is_declared(ctx) or not isinstance(result, CallToolResult):
            return result
        if result.is_error or not isinstance(result.structured_content, dict):
            return result
        try:
            video, pause = await _asked(ctx, str(result.structured_content["id"]))
        except MCPError:  # the clip is made and paid, and whoever hears an error asks for another
            return result
        return {"resultType": "task", **_task(video, pause)}


async def get(ctx: Ctx, params: TaskParams) -> HandlerResult:
    """How the clip stands; of one that has ended, what ``wait`` would have answered, and where the file is."""
    require_client_extension(ctx, IDENTIFIER)
    return {"resultType": "complete", **await standing_of(ctx, params.task_id)}


async def standing_of(ctx: Ctx, task_id: str) -> dict[str, Any]:
    """The whole task, as it stands now.

    Raises:
        MCPError: as ``_asked``.
    """
    video, pause = await _asked(ctx, task_id)
    task = _task(video, pause)
    return task | {"result": _result(agent_in(ctx), video)} if task["status"] == "completed" else task


async def update(ctx: Ctx, params: TaskParams) -> HandlerResult:
    """Nothing: no clip asks for anything while it is made."""
    require_client_extension(ctx, IDENTIFIER)
    await _asked(ctx, params.task_id)
    return {"resultType": "complete"}


async def cancel(ctx: Ctx, params: TaskParams) -> HandlerResult:
    """Stop the clip. What has ended stays as it is."""
    require_client_extension(ctx, IDENTIFIER)
    video, _ = await _asked(ctx, params.task_id)
    if video["status"] in _OPEN:
        try:
            await agent_in(ctx).asked("POST", f"{tools.path_of(params.task_id)}/cancel", body={})
        except Refused as refusal:  # it ended just now, or this key makes no clips
            if refusal.status != 409:
                raise MCPError(INTERNAL_ERROR, str(refusal)) from None
    return {"resultType": "complete"}


def _is_declared(ctx: Ctx) -> bool:
    able = ctx.session.client_capabilities
    return ctx.protocol_version in VERSIONS and able is not None and IDENTIFIER in (able.extensions or {})


def agent_in(ctx: Ctx) -> Agent:
    request: Any = ctx.request
    agent: Agent = request.scope[IN_SCOPE]
    return agent


async def _asked(ctx: Ctx, task_id: str) -> tuple[dict[str, Any], int | None]:
    """The clip, and after how many milliseconds to ask again.

    Raises:
        MCPError: there is none, or it is another's; or the site does not say, in its own words.
    """
    try:
        path = tools.path_of(task_id)
    except ToolError as problem:
        raise _no_task(problem) from None
    async with agent_in(ctx).api.open("GET", path) as answer:
        pause = answer.headers.get(b"openai-poll-after-ms", b"")
        try:
            video: dict[str, Any] = answer_of(answer.status, await answer.read())
        except Refused as refusal:
            if answer.status == 404:
                raise _no_task(refusal) from None
            later = answer.headers.get(b"retry-after", b"")
            data = {"retryAfterSeconds": int(later)} if later.isdigit() else None
            raise MCPError(INTERNAL_ERROR, str(refusal), data) from None
        if not agent_in(ctx).api.lets_its_page_read(answer):  # any more: who listens was let in an hour ago
            raise MCPError(INTERNAL_ERROR, "This key isn't for pages of that origin.")
    return video, int(pause) if pause.isdigit() else None


def _no_task(problem: ToolError) -> MCPError:
    return MCPError(INVALID_PARAMS, f"There is no such task: {problem}")


def _task(video: dict[str, Any], pause: int | None) -> dict[str, Any]:
    told = tools.video_of(video)
    ends = video["expires_at"]
    task: dict[str, Any] = {
        "taskId": video["id"],
        "status": _status(video),
        "createdAt": _moment(video["created_at"]),
        "lastUpdatedAt": _moment(video["completed_at"]) if video["completed_at"] else _now(),
        "ttlMs": (ends - video["created_at"]) * 1000 if ends else None,
    }
    if video["status"] in _OPEN:
        task["statusMessage"] = told.get("wait") or f"{video['progress']} % done."
    elif told.get("error"):
        task["statusMessage"] = told["error"]["message"]
    return task | ({"pollIntervalMs": pause} if pause is not None and video["status"] in _OPEN else {})


def _status(video: dict[str, Any]) -> str:
    """A clip that failed is a result that says so; ``failed`` is of what the protocol could not do."""
    if video["status"] in _OPEN:
        return "working"
    return "cancelled" if video["lm"]["state"] == "cancelled" else "completed"


def _result(agent: Agent, video: dict[str, Any]) -> dict[str, Any]:
    told, is_made = tools.video_of(video), video["status"] == "completed"
    parts: list[Any] = [TextContent(type="text", text=json.dumps(told))]
    if is_made:
        parts.append(tools.link_to(agent, video["id"]))
    result = CallToolResult(content=parts, structured_content=told, is_error=not is_made)
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
