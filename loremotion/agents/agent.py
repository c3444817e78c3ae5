"""Whoever calls tools, and what all tools have in common: how they ask, are refused, and have a price confirmed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from loremotion.agents.inner_requests import InnerRequests

CONFIRM_ABOVE: Final = 100
"""Credits, above which a clip is made only with its price repeated, unless the address says otherwise."""
IN_SCOPE: Final = "loremotion.agent"
"""Where in a request's scope its ``Agent`` is."""
READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=True)
WRITES: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
ADDS: Final = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
STOPS: Final = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)

RequestId = Annotated[
    str,
    Field(
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="Your own id for what you want made, new for each. Keep it when you try again.",
    ),
]
Confirmed = Annotated[
    int | None, Field(ge=0, description="The price that the user agreed to, where you were told to ask for it.")
]


@dataclass(frozen=True, slots=True)
class Agent:
    """Whoever calls tools, for one request of theirs."""

    api: InnerRequests
    confirm_above: int
    site: str
    """Address of the site, without a slash at its end."""

    def most_credits(self, confirmed: int | None) -> int:
        """What something may cost without the user's word, or by it."""
        return max(self.confirm_above, confirmed or 0)

    @contextmanager
    def confirming(self, tool: str) -> Iterator[None]:
        """Tell whoever is refused for the price how to call ``tool`` once the user has agreed to it."""
        try:
            yield
        except Refused as refusal:
            if refusal.code != "costs_more":
                raise
            raise ToolError(
                f"This costs {refusal.credits} credits, and above {self.confirm_above} the user has to agree. Ask "
                f"them, then call {tool} again with confirmed_credits={refusal.credits}."
            ) from None

    async def asked(self, method: str, path: str, **said: Any) -> Any:
        """The API's answer. What it refuses, the agent reads in its words, which say what to do."""
        async with self.api.open(method, path, **said) as answer:
            return answer_of(answer.status, await answer.read())


class Refused(ToolError):
    """The API refuses, in words that an agent can act on."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or "The site refuses, and doesn't say why."))
        self.status = problem.get("status")
        self.code = str(problem.get("code", ""))
        self.credits = problem.get("credits")


def agent_of(ctx: Context[Any]) -> Agent:
    request: Any = ctx.request_context.request
    agent: Agent = request.scope[IN_SCOPE]
    return agent


def answer_of(status: int, content: bytes) -> Any:
    said = json.loads(content) if content else {}
    if status >= 400:
        raise Refused(said)
    return said


def body_of(**said: Any) -> dict[str, Any]:
    """What is said, without what is left out."""
    return {name: value for name, value in said.items() if value is not None}
