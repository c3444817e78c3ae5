"""A site's tools for agents over standard input and output, with a folder of this machine for files.

The tools are the site's own, at ``/mcp``, handed on as they are: what an agent is offered stands there and nowhere
else. What is added is the folder: pictures are read from it and clips are written to it, and nothing else of this
machine is touched.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp.client.client import Client as Site
from mcp.client.streamable_http import streamable_http_client
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    ResourceLink,
    TextContent,
)

from loremotion.asynchronous import AsyncClient
from loremotion.calls import clip_id
from loremotion.errors import LoreMotionError
from loremotion.version import __version__

LARGEST_PICTURE_BYTES = 10 * 10**6
"""It travels inside of a call, which the site takes up to 16 MiB."""
LONGEST_ANSWER_SECONDS = 330.0
"""A tool may wait for a clip for 300."""
DOWNLOADS = {"download": "video_id", "download_storyboard": "storyboard_id"}
"""Tools that write a file here, and which of what they are told names it."""
_IN_FOLDER = {
    "image": "Start frame: the name of a picture in the folder for clips, an https:// address or a data URI.",
    "images": "1 to 3 pictures, each the name of one in the folder for clips, an https:// address or a data URI.",
    "download": "Write a finished clip into the folder for clips, and say where it is.",
    "download_storyboard": "Write the film of a storyboard into the folder for clips, and say where it is.",
}
"""What is said of a field, and of a tool, that are about this machine here."""


@dataclass(frozen=True)
class Connected:
    client: AsyncClient
    site: Site


class Bridge:
    """Hands on what an agent asks.

    Args:
        folder: where pictures are read from and clips are written to.
        confirm_above: credits, above which a clip is made only with its price repeated; None leaves it to the site.
    """

    def __init__(self, connect: Callable[[], AsyncClient], folder: Path, confirm_above: int | None) -> None:
        self._connect = connect
        self._folder = folder.resolve()
        self._query = "" if confirm_above is None else f"?confirm_above={confirm_above}"

    @asynccontextmanager
    async def connected(self, server: Server[Connected]) -> AsyncIterator[Connected]:
        async with (
            self._connect() as client,
            httpx2.AsyncClient(headers=client.headers, timeout=httpx2.Timeout(30, read=LONGEST_ANSWER_SECONDS)) as http,
            Site(streamable_http_client(f"{client.base_url}/mcp{self._query}", http_client=http)) as site,
        ):
            yield Connected(client, site)

    async def list_tools(
        self, context: ServerRequestContext[Connected, Any], _: PaginatedRequestParams | None
    ) -> ListToolsResult:
        found = await context.lifespan_context.site.list_tools()
        for tool in found.tools:
            tool.description = _IN_FOLDER.get(tool.name, tool.description)
            properties = tool.input_schema.get("properties", {})
            for name in ("image", "images"):
                if name in properties:
                    properties[name] = {**properties[name], "description": _IN_FOLDER[name]}
            if tool.name in DOWNLOADS and tool.annotations is not None:
                tool.annotations.read_only_hint, tool.annotations.destructive_hint = False, False
        return ListToolsResult(tools=found.tools)

    async def call_tool(
        self, context: ServerRequestContext[Connected, Any], params: CallToolRequestParams
    ) -> CallToolResult:
        to, arguments = context.lifespan_context, dict(params.arguments or {})
        try:
            if isinstance(image := arguments.get("image"), str):
                arguments["image"] = self._given(image)
            if isinstance(pictures := arguments.get("images"), list):
                arguments["images"] = [self._given(str(one)) for one in pictures]
            result = await to.site.call_tool(
                params.name, arguments, LONGEST_ANSWER_SECONDS, context.session.report_progress
            )
            if params.name not in DOWNLOADS or result.is_error:
                return result
            return CallToolResult(content=[await self._download(to.client, params.name, arguments)])
        except (LoreMotionError, MCPError, OSError, ValueError) as problem:
            return CallToolResult(content=[TextContent(text=str(problem))], is_error=True)

    def _given(self, said: str) -> str:
        return said if said.startswith(("https://", "data:")) else self._picture(said)

    def _picture(self, name: str) -> str:
        """The picture's data URI. It is a file in the folder, whatever its name says."""
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            raise ValueError(f"There is no file {name!r} in {self._folder}. Ask the user to put it there.")
        if path.stat().st_size > LARGEST_PICTURE_BYTES:
            raise ValueError(f"{name} is larger than {LARGEST_PICTURE_BYTES // 10**6} MB.")
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"

    async def _download(self, client: AsyncClient, tool: str, arguments: dict[str, Any]) -> ResourceLink:
        said = str(arguments[DOWNLOADS[tool]])
        identifier = clip_id(said)
        if identifier is None:
            raise ValueError(f"{said!r} is no id.")
        self._folder.mkdir(parents=True, exist_ok=True)
        fetch = client.download if tool == "download" else client.storyboards.download
        path = await fetch(identifier, self._folder / f"{identifier}.mp4")
        uri, size = path.absolute().as_uri(), path.stat().st_size
        return ResourceLink(name=path.name, uri=uri, mime_type="video/mp4", size=size)


def server_of(
    connect: Callable[[], AsyncClient], *, folder: Path, confirm_above: int | None = None
) -> Server[Connected]:
    """The server, which connects to the site once it runs."""
    bridge = Bridge(connect, folder, confirm_above)
    return Server(
        "loremotion",
        version=__version__,
        instructions="Video clips from prompts. Credits are somebody's money: ask before making many.",
        lifespan=bridge.connected,
        on_list_tools=bridge.list_tools,
        on_call_tool=bridge.call_tool,
    )


async def serve(server: Server[Connected]) -> None:
    """Serve an agent over standard input and output until it leaves."""
    async with stdio_server() as (read_stream, write_stream):
        await server.run(read_stream, write_stream, server.create_initialization_options())
