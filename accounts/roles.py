"""Who may do what: one table, read by views, API, templates and docs/roles.md alike.

What a workspace's own row adds (suspended, closing) is ``accounts.tenancy``'s to say.
"""

from __future__ import annotations

from enum import StrEnum

from django.db import models


class Role(models.TextChoices):
    """A member's role in a workspace. There is exactly one owner."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    BILLING = "billing"
    VIEWER = "viewer"


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

    READ = "read", "View clips and their status"
    GENERATE = "generate", "Make, cancel and view clips"
    BILLING_READ = "billing-read", "View credits and payments"
    ADMIN = "admin", "Manage members, keys and webhooks, rename the workspace, read the audit log, export"


MEANING: dict[Action, str] = {
    Action.READ_CLIPS: "See and download clips, their prompts and receipts",
    Action.READ_PRIVATE_CLIPS: "See clips that members keep private, and share them",
    Action.GENERATE: "Make clips from the shared credits, cancel and delete them",
    Action.READ_CREDITS: "See how many credits are left",
    Action.READ_PAYMENTS: "See payments, grants and every movement of credits",
    Action.PAY: "Buy credits, change the plan and how it is paid",
    Action.MANAGE_MEMBERS: "Invite and remove members, change roles and caps",
    Action.MANAGE_KEYS: "Make, rotate and revoke API keys",
    Action.MANAGE_WEBHOOKS: "Set up webhook endpoints, see what was sent to them",
    Action.READ_AUDIT: "Read and export the audit log",
    Action.EXPORT: "Export everything as a zip",
    Action.RENAME: "Rename the workspace, say whether new clips are private",
    Action.TRANSFER: "Hand the workspace to another owner",
    Action.CLOSE: "Close the workspace, and reopen it within the grace",
}

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
        lines.append(f"| {meaning} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
