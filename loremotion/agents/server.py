"""``/mcp``: the tools over streamable HTTP, for agents with an API key, or connected by OAuth (``accounts.oauth``).

A request is served by itself, and no session outlasts it, so that any process may answer any of them. It waits on the
loop: no thread and no connection of the database is kept for an agent that waits for its clip.

Agents may be pages in browsers: those of the origins that their key has, as under ``/v1/`` (``accounts.origins``). From
any other origin nothing is done, which is what the protocol asks of servers against DNS rebinding.
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
from loremotion.agents.agent import CONFIRM_ABOVE, IN_SCOPE, Agent
from loremotion.agents.inner_requests import ALLOWED, InnerRequests
from loremotion.agents.task_news import listening
from loremotion.agents.tasks import Tasks
from loremotion.agents.tools import server_of
from loremotion.bodies import MAX_JSON_BYTES, App, Message, Receive, Send
from loremotion.cross_origin import EXPOSE, EXPOSED, PREFLIGHT
from loremotion.errors import PROBLEM, document

PATH: Final = "/mcp"
METADATA: Final = "/.well-known/oauth-protected-resource/mcp"
"""By RFC 9728, where a program learns how to get a token for ``PATH``."""
_METADATA_PATHS: Final = frozenset({METADATA, "/.well-known/oauth-protected-resource"})
_EXPOSED: Final = {EXPOSE.lower().encode(): f"{EXPOSED}, Mcp-Session-Id, WWW-Authenticate".encode()}
_FOR_EVERYBODY: Final = {ALLOWED: b"*", **_EXPOSED}
"""Of what says nothing of anybody. Also of how to get a token: an app in a browser reads that before it has one."""
_PREFLIGHT: Final = {name.lower().encode(): value.encode() for name, value in PREFLIGHT.items()}
_RELAYED: Final = (b"retry-after", b"ratelimit", b"ratelimit-policy", b"content-type")
_NO_SECURITY: Final = TransportSecuritySettings(enable_dns_rebinding_protection=False)
"""Hosts are Django's to judge, and origins are judged here by the key; nobody is known by a cookie."""
_MOST_DIGITS: Final = 9


class Agents:
    """An ASGI application around the site's, in front of which ``/mcp`` is answered."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._server = server_of(__version__, [Tasks()], [listening])

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in (PATH, *_METADATA_PATHS):
            return await self._app(scope, receive, send)
        if scope["method"] == "OPTIONS":
            return await _send(send, 204, b"", _PREFLIGHT)
        if scope["path"] in _METADATA_PATHS:
            said = json.dumps(protected_resource()).encode()
            return await _send(send, 200, said, {b"content-type": b"application/json", **_FOR_EVERYBODY})
        if scope["method"] != "POST":  # there is no session whose stream one could listen to, or end
            allowed = {b"allow": b"POST", **_FOR_EVERYBODY}
            return await _refuse(send, 405, "method_not_allowed", "Agents send POST here.", allowed)
        confirm_above = _confirm_above(scope)
        if confirm_above is None:
            says = "confirm_above is a whole number of credits."
            return await _refuse(send, 422, "invalid_confirm_above", says, _FOR_EVERYBODY)
        api = InnerRequests(self._app, scope)
        cors = await _admitted(api, send)
        if cors is None:
            return
        agent = Agent(api, confirm_above, settings.SITE_URL)
        self._server.streamable_http_app(
            stateless_http=True, transport_security=_NO_SECURITY, max_request_body_size=MAX_JSON_BYTES
        )
        manager = self._server.session_manager  # the one that was made just now, for this request
        async with manager.run():
            await manager.handle_request({**scope, IN_SCOPE: agent}, cast(Any, receive), cast(Any, _with(cors, send)))


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


async def _admitted(api: InnerRequests, send: Send) -> Mapping[bytes, bytes] | None:
    """What browsers are told with each answer to whoever asks. None, once that is answered, where they have no key that
    holds, have asked too often, or are a page of elsewhere: before anything of theirs is read."""
    async with api.open("GET", "/v1/me") as answer:
        allowed = answer.headers.get(ALLOWED)
        cors = {ALLOWED: allowed, **_EXPOSED} if allowed is not None else {}
        if answer.status >= 400:
            relayed = {name: answer.headers[name] for name in _RELAYED if name in answer.headers}
            if answer.status == 401:
                has_sent_one = api.header(b"authorization") is not None
                relayed[b"www-authenticate"] = _challenge(has_sent_one=has_sent_one).encode()
                cors = _FOR_EVERYBODY
            await _send(send, answer.status, await answer.read(), {**relayed, **cors})
            return None
    if api.lets_its_page_read(answer):
        return cors
    says = (
        "This key isn't for pages of that origin. Set its origins under API keys; an app that you connect may be used "
        "from the page that you are sent back to."
    )
    await _refuse(send, 403, "origin_not_allowed", says)
    return None


def _with(headers: Mapping[bytes, bytes], send: Send) -> Send:
    """``send``, which adds ``headers`` to the head of the answer."""

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *headers.items(), (b"vary", b"Origin")]}
        await send(message)

    return add


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


async def _refuse(send: Send, status: int, code: str, says: str, headers: Mapping[bytes, bytes] | None = None) -> None:
    body = json.dumps(document(status, code, says)).encode()
    await _send(send, status, body, {b"content-type": PROBLEM.encode(), **(headers or {})})


async def _send(send: Send, status: int, body: bytes, headers: Mapping[bytes, bytes]) -> None:
    own = {b"content-length": str(len(body)).encode(), b"cache-control": b"no-store", b"vary": b"Origin"}
    whole = [*{**own, **headers}.items()]
    await send({"type": "http.response.start", "status": status, "headers": whole})
    await send({"type": "http.response.body", "body": body})
