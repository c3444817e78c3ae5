"""Every route of the site, and who may use it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import Enum, auto

from django.urls import URLPattern, URLResolver, get_resolver

from accounts.roles import Action


class Kind(Enum):
    PUBLIC = auto()  # says nothing about any workspace but the caller's own
    OBJECT = auto()  # one object of a workspace; visitors have such objects too
    MEMBERS_OBJECT = auto()  # one object of a workspace, for signed-in members
    OWN = auto()  # the caller's workspace, visitors' too
    MEMBERS_OWN = auto()  # the caller's workspace, for signed-in members
    PERSON = auto()  # whoever is signed in, about themselves
    TOKEN = auto()  # the address itself is the permission
    STAFF = auto()


@dataclass(frozen=True)
class Access:
    kind: Kind
    action: Action | None = None
    method: str = "get"


READ, MAKE, HOOKS = Action.READ_CLIPS, Action.GENERATE, Action.MANAGE_WEBHOOKS
KEYS = Action.MANAGE_KEYS

ACCESS: dict[str, Access] = {
    "robots": Access(Kind.PUBLIC),
    "security": Access(Kind.PUBLIC),
    "accounts:overview": Access(Kind.PUBLIC),
    "accounts:mail": Access(Kind.TOKEN),  # the machine is: elsewhere there is no such page
    "accounts:data": Access(Kind.PUBLIC),
    "accounts:export": Access(Kind.OWN, Action.EXPORT),
    "accounts:erase-visitor": Access(Kind.PUBLIC, method="post"),  # of the caller's own cookie alone
    "accounts:language": Access(Kind.PUBLIC, method="post"),  # of the caller alone
    "accounts:sessions": Access(Kind.PERSON),
    "accounts:end-session": Access(Kind.PERSON, method="post"),
    "accounts:apps": Access(Kind.PERSON),
    "accounts:disconnect-app": Access(Kind.PERSON, method="post"),
    "idp:oidc:metadata": Access(Kind.PUBLIC),
    "idp:oidc:client_registration": Access(Kind.PUBLIC, method="post"),  # of an app, which can do nothing yet
    "idp:oidc:authorization": Access(Kind.PERSON),
    "idp:oidc:token": Access(Kind.PUBLIC, method="post"),  # the code or token in its body is the permission
    "idp:oidc:revoke": Access(Kind.PUBLIC, method="post"),
    "accounts:erase-person": Access(Kind.PERSON, method="post"),
    "accounts:stop-looking": Access(Kind.PERSON, method="post"),
    "accounts:challenge": Access(Kind.PUBLIC),
    "accounts:claim": Access(Kind.TOKEN),
    "accounts:invitation": Access(Kind.TOKEN),
    "accounts:workspaces": Access(Kind.PERSON),
    "accounts:begin-team": Access(Kind.PERSON, method="post"),
    "accounts:switch": Access(Kind.MEMBERS_OBJECT, Action.READ_CREDITS, "post"),
    "accounts:settings": Access(Kind.MEMBERS_OWN, Action.READ_CREDITS),
    "accounts:rename": Access(Kind.MEMBERS_OWN, Action.RENAME, "post"),
    "accounts:privacy": Access(Kind.MEMBERS_OWN, Action.RENAME, "post"),
    "accounts:transfer": Access(Kind.MEMBERS_OWN, Action.TRANSFER, "post"),
    "accounts:leave": Access(Kind.MEMBERS_OWN, Action.READ_CREDITS, "post"),
    "accounts:close": Access(Kind.MEMBERS_OWN, Action.CLOSE, "post"),
    "accounts:reopen": Access(Kind.MEMBERS_OWN, Action.CLOSE, "post"),
    "accounts:members": Access(Kind.MEMBERS_OWN, Action.READ_CREDITS),
    "accounts:invite": Access(Kind.MEMBERS_OWN, Action.MANAGE_MEMBERS, "post"),
    "accounts:change-member": Access(Kind.MEMBERS_OBJECT, Action.MANAGE_MEMBERS, "post"),
    "accounts:remove-member": Access(Kind.MEMBERS_OBJECT, Action.MANAGE_MEMBERS, "post"),
    "accounts:resend": Access(Kind.MEMBERS_OBJECT, Action.MANAGE_MEMBERS, "post"),
    "accounts:withdraw": Access(Kind.MEMBERS_OBJECT, Action.MANAGE_MEMBERS, "post"),
    "accounts:keys": Access(Kind.MEMBERS_OWN, Action.MANAGE_KEYS),
    "accounts:issue-key": Access(Kind.MEMBERS_OWN, Action.MANAGE_KEYS, "post"),
    "accounts:connect-device": Access(Kind.MEMBERS_OWN, Action.MANAGE_KEYS),
    "accounts:key-requests": Access(Kind.MEMBERS_OBJECT, Action.MANAGE_KEYS),
    "accounts:change-key": Access(Kind.MEMBERS_OBJECT, Action.MANAGE_KEYS, "post"),
    "accounts:rotate-key": Access(Kind.MEMBERS_OBJECT, Action.MANAGE_KEYS, "post"),
    "accounts:revoke-key": Access(Kind.MEMBERS_OBJECT, Action.MANAGE_KEYS, "post"),
    "accounts:audit": Access(Kind.MEMBERS_OWN, Action.READ_AUDIT),
    "accounts:audit-csv": Access(Kind.MEMBERS_OWN, Action.READ_AUDIT),
    "generation:home": Access(Kind.PUBLIC),
    "generation:create": Access(Kind.OWN, MAKE, "post"),
    "generation:price": Access(Kind.PUBLIC),
    "generation:tray": Access(Kind.PUBLIC),  # of the ids that it is asked about, the caller's own
    "generation:prompt-length": Access(Kind.PUBLIC, method="post"),
    "generation:detail": Access(Kind.OBJECT, READ),
    "generation:cancel": Access(Kind.OBJECT, MAKE, "post"),
    # And of their own, its maker.
    "generation:reroll": Access(Kind.OBJECT, MAKE, "post"),
    "generation:finish": Access(Kind.OBJECT, MAKE, "post"),
    "generation:privacy": Access(Kind.OBJECT, Action.READ_PRIVATE_CLIPS, "post"),
    "generation:delete": Access(Kind.OBJECT, MAKE, "post"),
    "generation:events": Access(Kind.OBJECT, READ),
    "generation:clip": Access(Kind.OBJECT, READ),
    "generation:poster": Access(Kind.OBJECT, READ),
    "generation:gif": Access(Kind.OBJECT, READ),
    "generation:webm": Access(Kind.OBJECT, READ),
    "generation:share": Access(Kind.OBJECT, MAKE, "post"),
    "generation:revoke-share": Access(Kind.OBJECT, MAKE, "post"),
    "generation:shared": Access(Kind.TOKEN),
    "generation:shared-embed": Access(Kind.TOKEN),
    "generation:shared-clip": Access(Kind.TOKEN),
    "generation:shared-poster": Access(Kind.TOKEN),
    "generation:oembed": Access(Kind.PUBLIC),
    "generation:history": Access(Kind.OWN, READ),
    "generation:worker-file": Access(Kind.TOKEN),
    "generation:trial": Access(Kind.STAFF),
    "generation:trial-clip": Access(Kind.STAFF),
    "generation:trial-poster": Access(Kind.STAFF),
    "generation:trial-start": Access(Kind.STAFF, method="post"),
    "generation:llms": Access(Kind.PUBLIC),
    "generation:from-sora": Access(Kind.PUBLIC),
    "generation:developers": Access(Kind.PUBLIC),
    "generation:status": Access(Kind.PUBLIC),
    "generation:verify": Access(Kind.PUBLIC),
    "generation:status-document": Access(Kind.PUBLIC),
    "generation:explorer": Access(Kind.PUBLIC),
    "generation:developers-webhooks": Access(Kind.PUBLIC),
    "generation:api-contract": Access(Kind.PUBLIC),
    "generation:api-videos": Access(Kind.OWN, READ),
    "generation:api-requests": Access(Kind.PUBLIC),  # of the key that asks, and refused without one
    "generation:api-me": Access(Kind.PUBLIC),
    "generation:api-device-logins": Access(Kind.PUBLIC, method="post"),  # who asks has no key yet
    # The code in its body is the permission, of whoever began: see generation/test_device_login.py.
    "generation:api-claim-device-login": Access(Kind.PUBLIC, method="post"),
    "generation:api-usage": Access(Kind.PUBLIC),  # without the right to see payments, of the key itself alone
    "generation:model-limits": Access(Kind.OWN, Action.PAY, "post"),
    "generation:usage": Access(Kind.OWN, Action.READ_CREDITS),
    "generation:api-quotes": Access(Kind.PUBLIC, method="post"),
    "generation:api-verify": Access(Kind.PUBLIC, method="post"),
    "generation:api-video": Access(Kind.OBJECT, READ),
    "generation:api-cancel": Access(Kind.OBJECT, MAKE, "post"),
    "generation:api-finish": Access(Kind.OBJECT, MAKE, "post"),
    "generation:api-batches": Access(Kind.OWN, MAKE, "post"),
    "generation:api-edits": Access(Kind.OWN, MAKE, "post"),
    "generation:api-extensions": Access(Kind.OWN, MAKE, "post"),
    "generation:api-remix": Access(Kind.OBJECT, MAKE, "post"),
    "generation:api-share": Access(Kind.OBJECT, MAKE, "post"),
    "generation:api-events": Access(Kind.OBJECT, READ),
    "generation:api-characters": Access(Kind.OWN, READ),
    "generation:api-character": Access(Kind.OBJECT, READ),
    "generation:api-storyboards": Access(Kind.OWN, READ),
    "generation:api-storyboard": Access(Kind.OBJECT, READ),
    "generation:api-render": Access(Kind.OBJECT, MAKE, "post"),
    "generation:api-film": Access(Kind.OBJECT, READ),
    "generation:api-content": Access(Kind.OBJECT, READ),
    "shop:pricing": Access(Kind.PUBLIC),
    "shop:credits": Access(Kind.OWN, Action.READ_CREDITS),
    "shop:movements-csv": Access(Kind.OWN, Action.READ_PAYMENTS),
    "shop:set-budget": Access(Kind.OWN, Action.PAY, "post"),
    "shop:buy": Access(Kind.OWN, Action.PAY, "post"),
    "shop:order": Access(Kind.OBJECT, Action.READ_PAYMENTS),
    "shop:change-plan": Access(Kind.OWN, Action.PAY, "post"),
    "shop:keep-plan": Access(Kind.OWN, Action.PAY, "post"),
    "shop:cancel-plan": Access(Kind.OWN, Action.PAY, "post"),
    "shop:portal": Access(Kind.OWN, Action.PAY, "post"),
    "shop:webhook": Access(Kind.TOKEN, method="post"),  # signed by Stripe
    "moderation:reviews": Access(Kind.OWN, READ),
    "moderation:ask": Access(Kind.OWN, MAKE, "post"),
    "notices:report": Access(Kind.PUBLIC),
    "notices:listing": Access(Kind.OWN, READ),
    "notices:object": Access(Kind.OBJECT, MAKE, "post"),
    "legal:transparency": Access(Kind.PUBLIC),
    "legal:licences": Access(Kind.PUBLIC),
    "legal:terms": Access(Kind.PUBLIC),
    "legal:privacy": Access(Kind.PUBLIC),
    "webhooks:endpoints": Access(Kind.MEMBERS_OWN, HOOKS),
    "webhooks:create-endpoint": Access(Kind.MEMBERS_OWN, HOOKS, "post"),
    "webhooks:endpoint": Access(Kind.MEMBERS_OBJECT, HOOKS),
    "webhooks:change-endpoint": Access(Kind.MEMBERS_OBJECT, HOOKS, "post"),
    "webhooks:rotate-endpoint": Access(Kind.MEMBERS_OBJECT, HOOKS, "post"),
    "webhooks:switch-endpoint": Access(Kind.MEMBERS_OBJECT, HOOKS, "post"),
    "webhooks:test-endpoint": Access(Kind.MEMBERS_OBJECT, HOOKS, "post"),
    "webhooks:delete-endpoint": Access(Kind.MEMBERS_OBJECT, HOOKS, "post"),
    "webhooks:redeliver": Access(Kind.MEMBERS_OBJECT, HOOKS, "post"),
    "provider_keys:listing": Access(Kind.MEMBERS_OWN, KEYS),
    "provider_keys:add": Access(Kind.MEMBERS_OWN, KEYS, "post"),
    "provider_keys:test": Access(Kind.MEMBERS_OBJECT, KEYS, "post"),
    "provider_keys:remove": Access(Kind.MEMBERS_OBJECT, KEYS, "post"),
    "generation:mail-when-ended": Access(Kind.OBJECT, READ, "post"),
    "webhooks:api-event-types": Access(Kind.PUBLIC),
    "webhooks:api-endpoints": Access(Kind.OWN, HOOKS),
    "webhooks:api-endpoint": Access(Kind.OBJECT, HOOKS),
    "webhooks:api-rotate": Access(Kind.OBJECT, HOOKS, "post"),
    "webhooks:api-test": Access(Kind.OBJECT, HOOKS, "post"),
    "webhooks:api-deliveries": Access(Kind.OBJECT, HOOKS),
    "webhooks:api-redeliver": Access(Kind.OBJECT, HOOKS, "post"),
    "generation:compare": Access(Kind.OWN, READ),
    "generation:zip-clips": Access(Kind.OWN, READ),
    "generation:ask-before-deleting": Access(Kind.OWN, MAKE),
    "generation:delete-clips": Access(Kind.OWN, MAKE, "post"),
    "generation:batch": Access(Kind.PUBLIC),
    "generation:batch-review": Access(Kind.PUBLIC, method="post"),
    "generation:batch-make": Access(Kind.OWN, MAKE, "post"),
    "generation:sheet": Access(Kind.OWN, READ),
    "generation:favourite": Access(Kind.OBJECT, MAKE, "post"),
    "generation:choose-board": Access(Kind.OWN, MAKE),
    "generation:keep": Access(Kind.OWN, MAKE, "post"),
    "generation:begin-board": Access(Kind.OWN, MAKE, "post"),
    "generation:pick-clips": Access(Kind.OBJECT, MAKE),
    "generation:rename-board": Access(Kind.OBJECT, MAKE, "post"),
    "generation:delete-board": Access(Kind.OBJECT, MAKE, "post"),
    "generation:characters": Access(Kind.OWN, READ),
    "generation:make-character": Access(Kind.OWN, MAKE, "post"),
    "generation:rename-character": Access(Kind.OBJECT, MAKE, "post"),
    "generation:delete-character": Access(Kind.OBJECT, MAKE, "post"),
    "generation:storyboards": Access(Kind.OWN, READ),
    "generation:begin-storyboard": Access(Kind.OWN, MAKE, "post"),
    "generation:storyboard": Access(Kind.OBJECT, READ),
    "generation:change-storyboard": Access(Kind.OBJECT, MAKE, "post"),
    "generation:delete-storyboard": Access(Kind.OBJECT, MAKE, "post"),
    "generation:film": Access(Kind.OBJECT, READ),
    "generation:recipe": Access(Kind.OBJECT, READ),
    "generation:close-checklist": Access(Kind.PUBLIC, method="post"),
    "generation:run-again": Access(Kind.PUBLIC, method="post"),
    "generation:explore": Access(Kind.PUBLIC),
    "generation:models": Access(Kind.PUBLIC),
    "generation:model": Access(Kind.PUBLIC),
    "generation:guide": Access(Kind.PUBLIC),
    "catalog:api-models": Access(Kind.PUBLIC),
    "catalog:api-model": Access(Kind.PUBLIC),
}

THIRD_PARTY = ("admin/", "account/")
"""Django's admin (staff alone) and allauth's pages (the signed-in person alone) hold no tenant's objects."""


@functools.cache
def routes() -> dict[str, set[str]]:
    """``app:name`` → the names of what is in its address, for every route that is not a third party's."""
    found: dict[str, set[str]] = {}

    def walk(patterns: list[URLPattern | URLResolver], prefix: str, namespace: str) -> None:
        for entry in patterns:
            route = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
                if not (route.startswith(THIRD_PARTY) and inner != "accounts:"):
                    walk(entry.url_patterns, route, inner)
            else:
                found[f"{namespace}{entry.name}"] = set(entry.pattern.converters)

    walk(get_resolver().url_patterns, "", "")
    return found


def addresses() -> set[str]:
    """Every address of the site as a template, ``v1/videos/{generation_id}``, third parties' left out."""
    found: set[str] = set()

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for entry in patterns:
            route = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                walk(entry.url_patterns, route)
            elif not route.startswith(THIRD_PARTY):
                found.add(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route))

    walk(get_resolver().url_patterns, "")
    return found


def routes_of(*kinds: Kind) -> list[tuple[str, Access]]:
    return [(route, access) for route, access in ACCESS.items() if access.kind in kinds]


def api_routes() -> list[tuple[str, Access]]:
    return [(route, access) for route, access in routes_of(Kind.OBJECT, Kind.OWN) if ":api-" in route]
