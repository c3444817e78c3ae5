"""What an agent is offered for storyboards: scenes that go on from one another, for one price and as one film."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ResourceLink
from pydantic import BaseModel, ConfigDict, Field

from loremotion.agents.agent import Confirmed, RequestId, agent_of, body_of

StoryboardId = Annotated[str, Field(description="Id of a storyboard, as `list_storyboards` answers it.")]
SceneId = Annotated[str | None, Field(description="Id of one of its scenes.")]


class SceneSaid(BaseModel):
    """One scene that is written."""

    model_config = ConfigDict(extra="forbid")
    id: Annotated[str | None, Field(description="Of a scene that is there, which keeps its clip.")] = None
    prompt: Annotated[str | None, Field(description="What is to be seen; left out, it stays as it is.")] = None


async def list_storyboards(ctx: Context[Any]) -> list[dict[str, Any]]:
    """List the workspace's storyboards, the newest first, without their scenes."""
    return [_told(board) for board in (await agent_of(ctx).asked("GET", "/v1/storyboards"))["data"]]


async def get_storyboard(ctx: Context[Any], storyboard_id: StoryboardId) -> dict[str, Any]:
    """Say how a storyboard stands: each scene's clip, why it has to be rendered, and what that costs."""
    return _told(await agent_of(ctx).asked("GET", _path_of(storyboard_id)))


async def write_storyboard(
    ctx: Context[Any],
    scenes: Annotated[
        list[SceneSaid] | None,
        Field(min_length=1, max_length=12, description="All of them in their order; left out, they stay."),
    ] = None,
    storyboard_id: Annotated[str | None, Field(description="Of one to change; left out, one begins.")] = None,
    title: Annotated[str | None, Field(max_length=60, description="Of a new one needed.")] = None,
    model: Annotated[str | None, Field(description="One with the modes text and image.")] = None,
    size: Annotated[str | None, Field(description="One of the model's sizes.")] = None,
    preset: Annotated[str | None, Field(description="One of the model's presets.")] = None,
    seconds: Annotated[float | None, Field(gt=0, description="Length of each scene.")] = None,
) -> dict[str, Any]:
    """Begin or change a storyboard. Each scene begins with the last picture of the one before. Renders and costs
    nothing; the answer says what `render_storyboard` would cost."""
    written = None if scenes is None else [scene.model_dump(exclude_none=True) for scene in scenes]
    body = body_of(scenes=written, title=title, model=model, size=size, preset=preset, seconds=seconds)
    path = "/v1/storyboards" if storyboard_id is None else _path_of(storyboard_id)
    return _told(await agent_of(ctx).asked("POST", path, body=body))


async def render_storyboard(
    ctx: Context[Any],
    client_request_id: RequestId,
    storyboard_id: StoryboardId,
    only: SceneId = None,
    since: SceneId = None,
    confirmed_credits: Confirmed = None,
) -> dict[str, Any]:
    """Render the scenes that have to be, which costs credits: all are made, or none is. With `only` that scene alone,
    with `since` that one and those after it. Answers at once; `wait` for each scene's clip in turn."""
    agent = agent_of(ctx)
    body = body_of(only=only, since=since, max_credits=agent.most_credits(confirmed_credits))
    headers = {"Idempotency-Key": f"mcp:{client_request_id}"}
    with agent.confirming("render_storyboard"):
        return _told(await agent.asked("POST", f"{_path_of(storyboard_id)}/render", body=body, headers=headers))


async def download_storyboard(ctx: Context[Any], storyboard_id: StoryboardId) -> ResourceLink:
    """Say where the film of the scenes that are made is: an MP4, fetched with the same Authorization as these tools."""
    agent, path = agent_of(ctx), _path_of(storyboard_id)
    board = await agent.asked("GET", path)
    if not any(scene["status"] == "completed" for scene in board["scenes"]):
        raise ToolError("No scene is made yet. Render them first, and wait for their clips.")
    return ResourceLink(name=f"{storyboard_id}.mp4", uri=f"{agent.site}{path}/content", mime_type="video/mp4")


def _path_of(storyboard_id: str) -> str:
    try:
        return f"/v1/storyboards/{UUID(storyboard_id)}"
    except ValueError:
        raise ToolError(f"{storyboard_id!r} is no id of a storyboard.") from None


def _told(board: dict[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in board.items() if name not in ("object", "created_at")}
