"""Who may do what: one table, read by views, API, templates and docs/roles.md alike.

What a workspace's own row adds (suspended, closing) is ``accounts.tenancy``'s to say.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Role(models.TextChoices):
    """A member's role in a workspace. There is exactly one owner."""

    OWNER = "owner", gettext_lazy("Owner")
    ADMIN = "admin", gettext_lazy("Admin")
    MEMBER = "member", gettext_lazy("Member")
    BILLING = "billing", gettext_lazy("Billing")
    VIEWER = "viewer", gettext_lazy("Viewer")


class Action(StrEnum):
    """Something that somebody may or may not do in a workspace."""

    READ_CLIPS = "read_clips"
    READ_PRIVATE_CLIPS = "read_private_clips"
    GENERATE = "generate"
    READ_CREDITS = "read_credits"
    READ_PAYMENTS = "read_payments"
    PAY = "pay"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_KEYS = "manage_keys"
    MANAGE_WEBHOOKS = "manage_webhooks"
    READ_AUDIT = "read_audit"
    EXPORT = "export"
    RENAME = "rename"
    TRANSFER = "transfer"
    CLOSE = "close"


class Scope(models.TextChoices):
    """What an API key is good for."""

    READ = "read", gettext_lazy("View clips and their status")
    GENERATE = "generate", gettext_lazy("Make, cancel and view clips")
    BILLING_READ = "billing-read", gettext_lazy("View credits and payments")
    ADMIN = "admin", gettext_lazy("Manage members, keys and webhooks, rename the workspace, read the audit log, export")


MEANING: dict[Action, StrOrPromise] = {
    Action.READ_CLIPS: gettext_lazy("see and download clips, their prompts and receipts"),
    Action.READ_PRIVATE_CLIPS: gettext_lazy("see clips that members keep private, and share them"),
    Action.GENERATE: gettext_lazy("make clips from the shared credits, cancel and delete them"),
    Action.READ_CREDITS: gettext_lazy("see how many credits are left"),
    Action.READ_PAYMENTS: gettext_lazy("see payments, grants and every movement of credits"),
    Action.PAY: gettext_lazy("buy credits, change the plan and how it is paid"),
    Action.MANAGE_MEMBERS: gettext_lazy("invite and remove members, change roles and caps"),
    Action.MANAGE_KEYS: gettext_lazy("make, rotate and revoke API keys, bring keys for providers"),
    Action.MANAGE_WEBHOOKS: gettext_lazy("set up webhook endpoints, see what was sent to them"),
    Action.READ_AUDIT: gettext_lazy("read and export the audit log"),
    Action.EXPORT: gettext_lazy("export everything as a zip"),
    Action.RENAME: gettext_lazy("rename the workspace, say whether new clips are private"),
    Action.TRANSFER: gettext_lazy("hand the workspace to another owner"),
    Action.CLOSE: gettext_lazy("close the workspace, and reopen it within the grace"),
}
"""As the end of a sentence: without a capital letter."""

_EVERYBODY = frozenset(Role)
_RUNS_IT = frozenset({Role.OWNER, Role.ADMIN})

ALLOWED: dict[Action, frozenset[Role]] = {
    Action.READ_CLIPS: _EVERYBODY - {Role.BILLING},
    Action.READ_PRIVATE_CLIPS: frozenset({Role.OWNER}),
    Action.GENERATE: _RUNS_IT | {Role.MEMBER},
    Action.READ_CREDITS: _EVERYBODY,
    Action.READ_PAYMENTS: _RUNS_IT | {Role.BILLING},
    Action.PAY: frozenset({Role.OWNER, Role.BILLING}),
    Action.MANAGE_MEMBERS: _RUNS_IT,
    Action.MANAGE_KEYS: _RUNS_IT,
    Action.MANAGE_WEBHOOKS: _RUNS_IT,
    Action.READ_AUDIT: _RUNS_IT,
    Action.EXPORT: _RUNS_IT,
    Action.RENAME: _RUNS_IT,
    Action.TRANSFER: frozenset({Role.OWNER}),
    Action.CLOSE: frozenset({Role.OWNER}),
}

BY_ROLE: dict[str, frozenset[Action]] = {
    role: frozenset(action for action, roles in ALLOWED.items() if role in roles) for role in Role
}

VISITOR_MAY = frozenset(
    {
        Action.READ_CLIPS,
        Action.READ_PRIVATE_CLIPS,
        Action.GENERATE,
        Action.READ_CREDITS,
        Action.READ_PAYMENTS,
        Action.PAY,
        Action.EXPORT,
        Action.CLOSE,
    }
)
"""Somebody without an account has a workspace alone: no members, no keys. They may buy a pack, but no plan."""

WHILE_CLOSING = frozenset(
    {
        Action.READ_CLIPS,
        Action.READ_PRIVATE_CLIPS,
        Action.READ_CREDITS,
        Action.READ_PAYMENTS,
        Action.EXPORT,
        Action.CLOSE,
    }
)
"""What is left to do between closing a workspace and its erasure."""

WHILE_BANNED = frozenset({Action.EXPORT, Action.CLOSE})
"""A visitor whom staff keeps out can still take along what is kept about them, and have it erased."""

ONLOOKER_MAY = frozenset({Action.READ_CLIPS, Action.READ_PRIVATE_CLIPS, Action.READ_CREDITS, Action.READ_PAYMENTS})
"""Staff that looks into a workspace changes nothing there, and takes nothing along."""

BY_SCOPE: dict[str, frozenset[Action]] = {
    Scope.READ: frozenset({Action.READ_CLIPS}),
    Scope.GENERATE: frozenset({Action.GENERATE, Action.READ_CLIPS}),
    Scope.BILLING_READ: frozenset({Action.READ_CREDITS, Action.READ_PAYMENTS}),
    Scope.ADMIN: frozenset(
        {
            Action.MANAGE_MEMBERS,
            Action.MANAGE_KEYS,
            Action.MANAGE_WEBHOOKS,
            Action.READ_AUDIT,
            Action.EXPORT,
            Action.RENAME,
        }
    ),
}

OFFERED_TO_APPS = (Scope.READ, Scope.GENERATE, Scope.BILLING_READ)
"""What an app that somebody connects can be let do: managing members and keys is no app's."""

USUAL_OF_APPS = (Scope.READ, Scope.GENERATE)
"""Of one that does not say what it wants."""


def may_give(giver: str, role: str) -> bool:
    """Whether somebody with role ``giver`` may make another member ``role``. Ownership is transferred, never given."""
    return role != Role.OWNER and Action.MANAGE_MEMBERS in BY_ROLE[giver]


def as_markdown() -> str:
    """The table as docs/roles.md has it."""
    roles = list(Role)
    lines = [
        f"| | {' | '.join(roles)} | visitor | key scopes |",
        f"|---|{'---|' * (len(roles) + 2)}",
    ]
    for action, meaning in MEANING.items():
        cells = ["yes" if role in ALLOWED[action] else "" for role in roles]
        cells.append("yes" if action in VISITOR_MAY else "")
        cells.append(", ".join(scope for scope in Scope if action in BY_SCOPE[scope]))
        lines.append(f"| {capfirst(meaning)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
