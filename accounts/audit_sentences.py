"""The audit log as people read it: what an entry says happened, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from accounts.models import AuditEntry

WORDS: Final = {
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
    "app.connected": "connected the app",
    "app.disconnected": "disconnected the app",
    "budget.changed": "changed the credit limits",
    "clip.cancelled": "cancelled the clip",
    "clip.featured": "picked for Explore the clip",
    "clip.link_changed": "changed the share link of the clip",
    "clip.link_created": "shared a link to the clip",
    "clip.link_revoked": "revoked the share link of the clip",
    "clip.made_private": "made private the clip",
    "clip.retried": "had another attempt make the clip",
    "clip.shared": "showed the team the clip",
    "clip.unfeatured": "took off Explore the clip",
    "credits.adjusted": "adjusted the credits",
    "credits.written_off": "wrote off owed credits",
    "key.changed": "changed the API key",
    "key.issued": "created the API key",
    "key.revoked": "revoked the API key",
    "key.rotated": "rotated the API key",
    "member.changed": "changed the role or limit of",
    "member.invited": "invited",
    "member.invited_again": "sent another invite to",
    "member.joined": "joined this workspace",
    "member.left": "left this workspace",
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
        words, detail = _worded(entry)
        subject = _shortened(entry.subject)
        if entry.subject == entry.actor:
            subject = "themselves" if words.endswith(_UNFINISHED) else ""
        if entry.event in _SAY_IT_ALL:
            subject = ""
        return cls(entry, words, subject, " · ".join(_details(detail)))


_UNFINISHED: Final = (" of", " to", "invited", "removed")
"""Ends of words that somebody must follow."""
_SAY_IT_ALL: Final = {"credits.adjusted", "credits.written_off", "visitor.banned"}
"""Events whose words have their subject in them, or whose subject says nothing to people."""
_CREDITS_DONE: Final = {
    "done": ("gave", "took", "wrote off"),
    "waiting": ("proposed to give", "proposed to take", "proposed to write off"),
    "approved": ("agreed to give", "agreed to take", "agreed to write off"),
    "refused": ("refused to give", "refused to take", "refused to write off"),
}
"""How far it has come → what giving is called, taking, and giving up what is owed."""


def _worded(entry: AuditEntry) -> tuple[str, dict[str, Any]]:
    """What was done, and of the details those that this leaves out."""
    detail = dict(entry.detail)
    amount = detail.get("amount")
    if entry.event in ("credits.adjusted", "credits.written_off") and isinstance(amount, int):
        gave, took, wrote_off = _CREDITS_DONE.get(detail.pop("state", ""), _CREDITS_DONE["done"])
        del detail["amount"]
        credits = f"{abs(amount):,} {{}}credit{'' if abs(amount) == 1 else 's'}"
        if entry.event == "credits.written_off":
            return f"{wrote_off} {credits.format('owed ')}", detail
        return f"{gave if amount > 0 else took} {credits.format('')}", detail
    if entry.event == "visitor.banned" and entry.subject:
        return "banned this visitor with their network", detail
    if entry.event == "staff.looked" and entry.subject:
        return "looked at the clip", detail
    return WORDS.get(entry.event) or entry.event.replace(".", " ").replace("_", " "), detail


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
