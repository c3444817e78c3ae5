"""The audit log as people read it: what an entry says happened, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from accounts.models import AuditEntry

_WORDS: Final = {
    "account.email_changed": "changed their email address",
    "account.email_deleted": "removed an email address",
    "account.password_changed": "changed their password",
    "account.password_reset": "reset their password",
    "account.password_set": "set a password",
    "account.recovery_codes_generated": "generated recovery codes",
    "account.second_factor_forgotten": "removed two-factor authentication of",
    "account.totp_activated": "turned on an authenticator app",
    "account.totp_deactivated": "turned off their authenticator app",
    "account.webauthn_added": "added a passkey",
    "account.webauthn_removed": "removed a passkey",
    "budget.changed": "changed the credit limits",
    "clip.featured": "picked for Explore the clip",
    "clip.link_changed": "changed the share link of the clip",
    "clip.link_created": "shared a link to the clip",
    "clip.link_revoked": "revoked the share link of the clip",
    "clip.made_private": "made private the clip",
    "clip.shared": "showed the team the clip",
    "clip.unfeatured": "took off Explore the clip",
    "credits.adjusted": "adjusted the credits",
    "key.changed": "changed the API key",
    "key.issued": "created the API key",
    "key.revoked": "revoked the API key",
    "key.rotated": "rotated the API key",
    "member.changed": "changed the role or limit of",
    "member.invited": "invited",
    "member.invited_again": "sent another invite to",
    "member.joined": "joined",
    "member.left": "left",
    "member.removed": "removed",
    "member.uninvited": "revoked the invite of",
    "plan.cancelled": "cancelled the plan",
    "plan.changed": "changed the plan to",
    "plan.kept": "kept the plan",
    "session.ended": "signed out a device",
    "staff.looked": "looked into this workspace",
    "visitor.banned": "banned this visitor",
    "visitor.unbanned": "lifted the ban of this visitor",
    "webhook.changed": "changed the webhook",
    "webhook.created": "added the webhook",
    "webhook.deleted": "deleted the webhook",
    "webhook.disabled": "turned off the webhook",
    "webhook.enabled": "turned on the webhook",
    "webhook.rotated": "rotated the secret of the webhook",
    "workspace.adopted": "moved these clips into their account",
    "workspace.begun": "created this workspace",
    "workspace.closed": "closed this workspace",
    "workspace.merged": "moved clips in from a browser",
    "workspace.privacy_changed": "changed who sees new clips",
    "workspace.renamed": "renamed this workspace",
    "workspace.reopened": "reopened this workspace",
    "workspace.suspended": "suspended this workspace",
    "workspace.transferred": "transferred ownership to",
    "workspace.unsuspended": "lifted the suspension of this workspace",
}
"""Event → what whoever did it did; the entry's subject follows."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """An entry as the page shows it: ``actor``, ``words``, ``subject``, and the rest of it."""

    entry: AuditEntry
    words: str
    subject: str
    detail: str

    @classmethod
    def of(cls, entry: AuditEntry) -> Sentence:
        """What ``entry`` says. An event that has no words yet says its own name."""
        words = _WORDS.get(entry.event) or entry.event.replace(".", " ").replace("_", " ")
        subject = "" if entry.subject == entry.actor else _shortened(entry.subject)
        return cls(entry, words, subject, " · ".join(_details(entry.detail)))


def _shortened(subject: str) -> str:
    """``subject``, or of an id its beginning: nobody reads all of one."""
    try:
        return f"{UUID(subject).hex[:8]}…"
    except ValueError:
        return subject


def _details(detail: dict[str, Any]) -> Iterable[str]:
    for name, value in detail.items():
        if value not in (None, "", [], {}):
            yield f"{name.replace('_', ' ')}: {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(_details(value)) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
