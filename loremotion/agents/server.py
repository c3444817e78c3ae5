"""``/mcp``: the tools over streamable HTTP, for agents with an API key, or connected by OAuth (``accounts.oauth``).

A request is served by itself, and no session outlasts it, so that any process may answer any of them. It waits on the
loop: no thread and no connection of the database is kept for an agent that waits for its clip.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import parse_qs

from django.conf import settings
from mcp.server.transport_security import TransportSecuritySettings

from accounts.roles import OFFERED_TO_APPS as OFFERED
from accounts.roles import USUAL_OF_APPS as USUAL
from loremotion import __version__
from loremotion.agents.inner_requests import InnerRequests
from loremotion.agents.tasks import Tasks
from loremotion.agents.tools import CONFIRM_ABOVE, IN_SCOPE, Agent, server_of
from loremotion.bodies import MAX_JSON_BYTES, App, Receive, Send
from loremotion.errors import PROBLEM, document

PATH: Final = "/mcp"
METADATA: Final = "/.well-known/oauth-protected-resource/mcp"
"""By RFC 9728, where a program learns how to get a token for ``PATH``."""
_METADATA_PATHS: Final = frozenset({METADATA, "/.well-known/oauth-protected-resource"})
_RELAYED: Final = (b"retry-after", b"ratelimit", b"ratelimit-policy", b"content-type")
_NO_SECURITY: Final = TransportSecuritySettings(enable_dns_rebinding_protection=False)
"""Hosts are Django's to judge, and a page of elsewhere has no key: nobody is known here by a cookie."""
_MOST_DIGITS: Final = 9


class Agents:
    """An ASGI application around the site's, in front of which ``/mcp`` is answered."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._server = server_of(__version__, [Tasks()])

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in (PATH, *_METADATA_PATHS):
            return await self._app(scope, receive, send)
        if scope["path"] in _METADATA_PATHS:
            return await _send_json(send, 200, protected_resource())
        if scope["method"] != "POST":  # there is no session whose stream one could listen to, or end
            problem = document(405, "method_not_allowed", "Agents send POST here.")
            return await _send_json(send, 405, problem, {b"allow": b"POST", b"content-type": PROBLEM.encode()})
        confirm_above = _confirm_above(scope)
        if confirm_above is None:
            problem = document(422, "invalid_confirm_above", "confirm_above is a whole number of credits.")
            return await _send_json(send, 422, problem, {b"content-type": PROBLEM.encode()})
        api = InnerRequests(self._app, scope)
        if await _refuse(api, send):
            return
        agent = Agent(api, confirm_above, settings.SITE_URL)
        self._server.streamable_http_app(
            stateless_http=True, transport_security=_NO_SECURITY, max_request_body_size=MAX_JSON_BYTES
        )
        manager = self._server.session_manager  # the one that was made just now, for this request
        async with manager.run():
            await manager.handle_request({**scope, IN_SCOPE: agent}, cast(Any, receive), send)


def protected_resource() -> dict[str, Any]:
    """What RFC 9728 has a resource say of itself."""
    return {
        "resource": settings.SITE_URL + PATH,
        "resource_name": "LoreMotion",
        "authorization_servers": [settings.SITE_URL],
        "scopes_supported": list(OFFERED),
        "bearer_methods_supported": ["header"],
        "resource_documentation": f"{settings.SITE_URL}/developers/",
    }


async def _refuse(api: InnerRequests, send: Send) -> bool:
    """Answer whoever has no key that holds, or has asked too often, before anything of theirs is read. Returns whether
    that was so."""
    async with api.open("GET", "/v1/me") as answer:
        if answer.status < 400:
            return False
        headers = {name: answer.headers[name] for name in _RELAYED if name in answer.headers}
        if answer.status == 401:
            headers[b"www-authenticate"] = _challenge(has_sent_one=api.has_authorization).encode()
        await _send(send, answer.status, await answer.read(), headers)
    return True


def _challenge(*, has_sent_one: bool) -> str:
    """How to get a token, as RFC 6750 and RFC 9728 have it said."""
    said = {"error": "invalid_token"} if has_sent_one else {}
    said |= {"scope": " ".join(USUAL), "resource_metadata": settings.SITE_URL + METADATA}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in said.items())


def _confirm_above(scope: Mapping[str, Any]) -> int | None:
    """Above which price a clip is to be confirmed, as the address says; None where it says what is no price."""
    said = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("confirm_above")
    if said is None:
        return CONFIRM_ABOVE
    text = said[-1]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


async def _send_json(send: Send, status: int, said: Any, headers: Mapping[bytes, bytes] | None = None) -> None:
    await _send(send, status, json.dumps(said).encode(), {b"content-type": b"application/json", **(headers or {})})


async def _send(send: Send, status: int, body: bytes, headers: Mapping[bytes, bytes]) -> None:
    whole = [*headers.items(), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": whole})
    await send({"type": "http.response.body", "body": body})
