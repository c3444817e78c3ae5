"""What an agent is offered, by the official client of the Model Context Protocol, at a real site."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from mcp import StdioServerParameters
from mcp.client.client import Client as Agent
from mcp_types import CallToolResult, ResourceLink, TextContent

from loremotion import AsyncClient, Client
from loremotion.agent_tools import server_of
from loremotion.cli.commands import loremotion

NOBODYS = "5e0b5b1e-0000-4000-8000-00000000000b"


def as_agent(
    site: str, key: str, folder: Path, act: Callable[[Agent], Awaitable[Any]], *, confirm_above: int | None = None
) -> Any:
    """What ``act`` returns, done by an agent that is connected."""

    async def run() -> Any:
        server = server_of(lambda: AsyncClient(key, site), folder=folder, confirm_above=confirm_above)
        async with Agent(server) as agent:
            return await act(agent)

    return asyncio.run(run())


def words(result: CallToolResult) -> str:
    return " ".join(part.text for part in result.content if isinstance(part, TextContent))


def test_it_offers_its_tools_and_says_what_spends(site: str, key: str, tmp_path: Path) -> None:
    tools = {tool.name: tool for tool in as_agent(site, key, tmp_path, lambda agent: agent.list_tools()).tools}
    assert set(tools) == {
        *("models", "balance", "quote", "generate", "finish", "wait", "get", "list_clips", "cancel", "download"),
        *("list_characters", "make_character"),
        *("list_storyboards", "get_storyboard", "write_storyboard", "render_storyboard", "download_storyboard"),
    }
    assert {"client_request_id", "prompt"} == set(tools["generate"].input_schema["required"])
    assert not any(tools[name].annotations.read_only_hint for name in ("generate", "cancel", "download"))
    assert all(tools[name].annotations.read_only_hint for name in ("models", "balance", "quote", "get"))


def test_an_impatient_agent_pays_once(site: str, key: str, client: Client, tmp_path: Path) -> None:
    asked = {"client_request_id": str(uuid4()), "prompt": "an impatient fox", "seed": 3}

    async def act(agent: Agent) -> list[CallToolResult]:
        quoted = await agent.call_tool("quote", {"prompt": "an impatient fox"})
        made = await asyncio.gather(*(agent.call_tool("generate", asked) for _ in range(4)))
        again = await agent.call_tool("generate", asked)
        stopped = await agent.call_tool("cancel", {"video_id": again.structured_content["id"]})
        return [quoted, *made, again, stopped]

    quoted, *made, stopped = as_agent(site, key, tmp_path, act)
    assert not any(result.is_error for result in made), [words(result) for result in made]
    (video_id,) = {result.structured_content["id"] for result in made}
    assert made[0].structured_content["cost"]["held"] == quoted.structured_content["credits"]
    assert stopped.structured_content["cost"]["given_back"] == quoted.structured_content["credits"]
    assert [video.id for video in client.videos() if video.prompt == "an impatient fox"] == [video_id]


def test_a_dear_clip_is_made_once_its_price_is_repeated(site: str, key: str, client: Client, tmp_path: Path) -> None:
    asked = {"client_request_id": str(uuid4()), "prompt": "a dear fox"}

    async def act(agent: Agent) -> tuple[CallToolResult, int, CallToolResult]:
        refused = await agent.call_tool("generate", asked)
        before = sum(video.prompt == "a dear fox" for video in client.videos())
        price = (await agent.call_tool("quote", {"prompt": "a dear fox"})).structured_content["credits"]
        return refused, before, await agent.call_tool("generate", {**asked, "confirmed_credits": price})

    refused, before, made = as_agent(site, key, tmp_path, act, confirm_above=0)
    assert refused.is_error
    assert "confirmed_credits=" in words(refused)
    assert before == 0, "nothing was made"
    assert not made.is_error
    client.cancel(made.structured_content["id"])


def test_a_finished_clip_is_waited_for_and_written_to_the_folder(
    site: str, key: str, made: str, tmp_path: Path
) -> None:
    async def act(agent: Agent) -> tuple[CallToolResult, CallToolResult]:
        waited = await agent.call_tool("wait", {"video_id": made})
        return waited, await agent.call_tool("download", {"video_id": made})

    waited, downloaded = as_agent(site, key, tmp_path / "clips", act)
    assert waited.structured_content["status"] == "completed"
    (link,) = downloaded.content
    assert isinstance(link, ResourceLink)
    path = tmp_path / "clips" / f"{made}.mp4"
    assert (link.uri, link.mime_type, link.size) == (path.as_uri(), "video/mp4", path.stat().st_size)


def test_a_wait_that_is_over_says_how_the_clip_stands(site: str, key: str, client: Client, tmp_path: Path) -> None:
    video = client.create("a slow fox")
    told: list[float] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async def act(agent: Agent) -> CallToolResult:
        return await agent.call_tool("wait", {"video_id": video.id, "seconds": 3}, progress_callback=heard)

    assert as_agent(site, key, tmp_path, act).structured_content["status"] == "queued"
    client.cancel(video)


def test_the_command_serves_an_agent_over_standard_input_and_output(site: str, key: str, tmp_path: Path) -> None:
    """The one test that starts it as an agent does."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    began = StdioServerParameters(
        command=sys.executable,
        args=["-m", "loremotion", "mcp", "--folder", str(tmp_path)],
        env={**kept, "LOREMOTION_BASE_URL": site, "LOREMOTION_API_KEY": key, "XDG_CONFIG_HOME": str(tmp_path)},
    )

    async def run() -> CallToolResult:
        async with Agent(began) as agent:
            return await agent.call_tool("balance")

    assert asyncio.run(run()).structured_content["plan"] == "studio"


def test_without_a_key_the_command_says_how_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("LOREMOTION_API_KEY", "LOREMOTION_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    said = CliRunner().invoke(loremotion, ["mcp"])
    assert (said.exit_code, "loremotion login" in said.output) == (1, True)


@pytest.mark.parametrize(
    ("tool", "asked", "says"),
    [
        ("generate", {"prompt": "a fox"}, "client_request_id"),
        ("generate", {"client_request_id": "a b", "prompt": "a fox"}, "client_request_id"),
        ("generate", {"client_request_id": "1", "prompt": "a fox", "size": "1x1"}, "Choose one of"),
        ("generate", {"client_request_id": "1", "prompt": "a fox", "image": "../secret.png"}, "There is no file"),
        ("generate", {"client_request_id": "1", "prompt": "a fox", "image": "/etc/hostname"}, "There is no file"),
        ("generate", {"client_request_id": "1", "prompt": "a fox", "video": "clip.mp4"}, "no id of a clip"),
        ("get", {"video_id": NOBODYS}, "isn't yours"),
        ("download", {"video_id": "../../escape"}, "no id of a clip"),
        ("wait", {"video_id": NOBODYS, "seconds": 9_999}, "seconds"),
    ],
)
def test_what_cannot_be_is_told_in_words(
    site: str, key: str, tmp_path: Path, tool: str, asked: dict[str, Any], says: str
) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "clips").mkdir()
    refused = as_agent(site, key, tmp_path / "clips", lambda agent: agent.call_tool(tool, asked))
    assert (refused.is_error, says in words(refused)) == (True, True), words(refused)


def test_a_picture_of_the_folder_starts_a_clip(site: str, key: str, client: Client, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes((Path(__file__).parent / "red.png").read_bytes())
    asked = {"client_request_id": str(uuid4()), "prompt": "a red fox", "image": "red.png"}
    made = as_agent(site, key, tmp_path, lambda agent: agent.call_tool("generate", asked))
    assert not made.is_error, words(made)
    client.cancel(made.structured_content["id"])


def test_with_a_key_that_does_not_hold_the_command_says_so(site: str) -> None:
    said = CliRunner().invoke(loremotion, ["--site", site, "--api-key", "lm_live_nobodys_key", "mcp"])
    assert (said.exit_code, "API key" in said.output) == (1, True), said.output
