"""What an agent is offered for characters: who or what clips show again and again, by pictures that are sent once."""

from __future__ import annotations

from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context
from pydantic import Field

from loremotion.agents.agent import agent_of

_ROLES: Final = ("reference_image", "reference_image_2", "reference_image_3")


async def list_characters(ctx: Context[Any]) -> list[dict[str, Any]]:
    """List the workspace's characters, whom `generate` shows by their names."""
    return [_told(one) for one in (await agent_of(ctx).asked("GET", "/v1/videos/characters"))["data"]]


async def make_character(
    ctx: Context[Any],
    name: Annotated[str, Field(min_length=1, max_length=80, description="By which clips show it; no two are alike.")],
    images: Annotated[
        list[str],
        Field(min_length=1, max_length=3, description="1 to 3 pictures, each an https:// address or a data URI."),
    ],
) -> dict[str, Any]:
    """Keep a character by its pictures, for clips of models that take reference pictures. Costs nothing. Ask the user
    first where it shows a real person."""
    body = {"name": name, **dict(zip(_ROLES, images, strict=False))}
    return _told(await agent_of(ctx).asked("POST", "/v1/videos/characters", body=body))


def _told(one: dict[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in ("id", "name", "num_pictures")}
