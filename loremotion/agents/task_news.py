"""``subscriptions/listen`` for tasks: an agent is told how its clips stand, and need not ask again and again.

The answer to the request is the stream: first which of the tasks it will tell of, then ``notifications/tasks``, each
with what ``tasks/get`` would answer, and at the end a result that says that it is over. It ends when every task has,
when the key is not good any more, and after an hour: whoever wants more listens anew, and asks once for what came
between.

It is a middleware, not a handler of the package's: by a handler the server would claim that its tools, prompts and
resources change.

Sources: github.com/modelcontextprotocol/ext-tasks, specification/2026-07-28/tasks.md (Task Status Notifications), and
``mcp.server.subscriptions``.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import aclosing
from typing import Any, Final, Literal

import anyio
from mcp.server.context import CallNext, HandlerResult
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    Notification,
    NotificationParams,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)
from mcp_types.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS
from pydantic import ConfigDict, ValidationError

from loremotion.agents import tools
from loremotion.agents.listening_limits import MOST_LISTENERS, MOST_TASKS
from loremotion.agents.tasks import IDENTIFIER, VERSIONS, Ctx, agent_in, standing_of
from loremotion.bearer import token_in
from loremotion.refusals import TooMany
from loremotion.stream_limits import StreamLimit

logger = logging.getLogger(__name__)

LISTEN: Final = "subscriptions/listen"
NEWS: Final = "notifications/tasks"
MOST_IN_ALL: Final = 500
"""Listeners of everybody that one process has. Each costs a socket."""
NEWS_EVERY_SECONDS: Final = 5.0
"""Between two notifications of a task that is open: each is read by the agent's key, which has its limit."""
LONGEST_SECONDS: Final = 3600.0
MOST_RETRIES: Final = 5
RETRY_SECONDS: Final = 5.0
_listeners = StreamLimit("streams of task news", most_in_all=MOST_IN_ALL)


class TaskNewsParams(NotificationParams):
    """A whole task, as ``tasks/get`` has it."""

    model_config = ConfigDict(extra="allow")


class TaskNews(Notification[TaskNewsParams, Literal["notifications/tasks"]]):
    method: Literal["notifications/tasks"] = NEWS
    params: TaskNewsParams


async def listening(ctx: Ctx, call_next: CallNext) -> HandlerResult:
    """Middleware that serves ``subscriptions/listen``."""
    if ctx.method != LISTEN or ctx.request_id is None or ctx.protocol_version not in VERSIONS:
        return await call_next(ctx)
    try:
        asked = SubscriptionsListenRequestParams.model_validate(ctx.params or {}).notifications
    except ValidationError:
        raise MCPError(INVALID_PARAMS, "notifications says what to listen for.") from None
    wanted = (asked.model_extra or {}).get("taskIds")
    if wanted is not None:
        require_client_extension(ctx, IDENTIFIER)
        if not isinstance(wanted, list) or not all(isinstance(each, str) for each in wanted):
            raise MCPError(INVALID_PARAMS, "taskIds is a list of tasks' ids.")
    try:
        slot = _listeners.take(_reader(ctx), most=MOST_LISTENERS)
    except TooMany as refusal:
        raise MCPError(INTERNAL_ERROR, str(refusal), {"retryAfterSeconds": refusal.retry_after_seconds}) from None
    try:
        with anyio.move_on_after(LONGEST_SECONDS):
            await _Listener(ctx).tell(list(dict.fromkeys(wanted or ())))
    finally:
        slot.release()
    result = SubscriptionsListenResult(_meta={SUBSCRIPTION_ID_META_KEY: ctx.request_id})
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


def _reader(ctx: Ctx) -> str:
    """Whose listener it is: of the key that was shown, a digest."""
    header = agent_in(ctx).api.header(b"authorization") or b""
    return hashlib.sha256(token_in(header.decode("latin-1")).encode()).hexdigest()


class _Listener:
    """One stream of news."""

    def __init__(self, ctx: Ctx) -> None:
        self._ctx = ctx
        self._meta: Any = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
        self._told: dict[str, dict[str, Any]] = {}

    async def tell(self, wanted: list[str]) -> None:
        """Say which tasks there are, how each stands now, and from then on what is new of each."""
        standing: dict[str, dict[str, Any]] = {}
        for task_id in wanted:
            if len(standing) == MOST_TASKS:
                break
            try:
                standing[task_id] = await standing_of(self._ctx, task_id)
            except MCPError as problem:
                if problem.code != INVALID_PARAMS:  # not that there is none of that name, which the answer leaves out
                    raise
        honoured = SubscriptionFilter.model_validate({"taskIds": list(standing)} if standing else {})
        await self._ctx.session.send_notification(
            SubscriptionsAcknowledgedNotification(
                params=SubscriptionsAcknowledgedNotificationParams(notifications=honoured, _meta=self._meta)
            ),
            related_request_id=self._ctx.request_id,
        )
        async with anyio.create_task_group() as group:
            for task_id, task in standing.items():
                group.start_soon(self._follow, task_id, task, group.cancel_scope)

    async def _follow(self, task_id: str, task: dict[str, Any], all_of_them: anyio.CancelScope) -> None:
        """Tell of one task until it has ended. Where nobody tells this key of it any more, all news end: the key was
        revoked, or the site is leaving."""
        await self._send(task_id, task)
        if task["status"] != "working":
            return
        told_at = anyio.current_time()
        async with agent_in(self._ctx).api.open("GET", f"{tools.path_of(task_id)}/events") as answer:
            if answer.status == 200:
                async with aclosing(tools.events_in(answer)) as events:
                    async for kind, _ in events:
                        if kind == "done":
                            break
                        if anyio.current_time() - told_at >= NEWS_EVERY_SECONDS:
                            told_at = anyio.current_time()
                            await self._tell_if_new(task_id)
        try:
            task = await self._at_the_end(task_id)
        except MCPError as problem:
            if problem.code != INVALID_PARAMS:
                all_of_them.cancel()
            return
        await self._send(task_id, task)
        if task["status"] == "working":
            all_of_them.cancel()

    async def _tell_if_new(self, task_id: str) -> None:
        """What the site refuses to say now, the next event may bring."""
        try:
            await self._send(task_id, await standing_of(self._ctx, task_id))
        except MCPError as problem:
            logger.info("An agent that listens is not told how its clip stands now: %s", problem)

    async def _at_the_end(self, task_id: str) -> dict[str, Any]:
        """How the task stands once nothing more is heard of it. An agent waits for that, so a site that is busy is
        asked again.

        Raises:
            MCPError: it will not be said to this key.
        """
        for _ in range(MOST_RETRIES):
            try:
                return await standing_of(self._ctx, task_id)
            except MCPError as problem:
                if not isinstance(problem.data, dict) or "retryAfterSeconds" not in problem.data:
                    raise
                await anyio.sleep(min(float(problem.data["retryAfterSeconds"]), RETRY_SECONDS))
        return await standing_of(self._ctx, task_id)

    async def _send(self, task_id: str, task: dict[str, Any]) -> None:
        """Tell it, unless that would say again what was told last."""
        news = {name: value for name, value in task.items() if name != "lastUpdatedAt"}
        if self._told.get(task_id) == news:
            return
        self._told[task_id] = news
        params = TaskNewsParams.model_validate({**task, "_meta": self._meta})
        said: Any = TaskNews(params=params)
        await self._ctx.session.send_notification(said, related_request_id=self._ctx.request_id)
