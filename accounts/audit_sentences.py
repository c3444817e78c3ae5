"""The audit log as people read it: what an entry says happened, in words, and in the language in use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from accounts.models import AuditEntry

WORDS: Final = {
    "account.email_changed": gettext_noop("changed their email address"),
    "account.email_deleted": gettext_noop("removed an email address"),
    "account.password_changed": gettext_noop("changed their password"),
    "account.password_reset": gettext_noop("reset their password"),
    "account.password_set": gettext_noop("set a password"),
    "account.recovery_codes_generated": gettext_noop("generated recovery codes"),
    "account.second_factor_forgotten": gettext_noop("removed two-factor authentication of"),
    "account.totp_activated": gettext_noop("turned on an authenticator app"),
    "account.totp_deactivated": gettext_noop("turned off their authenticator app"),
    "account.webauthn_added": gettext_noop("added a passkey"),
    "account.webauthn_removed": gettext_noop("removed a passkey"),
    "app.connected": gettext_noop("connected the app"),
    "app.disconnected": gettext_noop("disconnected the app"),
    "budget.changed": gettext_noop("changed the credit limits"),
    "clip.cancelled": gettext_noop("cancelled the clip"),
    "clip.featured": gettext_noop("picked for Explore the clip"),
    "clip.link_changed": gettext_noop("changed the share link of the clip"),
    "clip.link_created": gettext_noop("shared a link to the clip"),
    "clip.link_revoked": gettext_noop("revoked the share link of the clip"),
    "clip.made_private": gettext_noop("made private the clip"),
    "clip.retried": gettext_noop("had another attempt make the clip"),
    "clip.shared": gettext_noop("showed the team the clip"),
    "clip.unfeatured": gettext_noop("took off Explore the clip"),
    "credits.adjusted": gettext_noop("adjusted the credits"),
    "credits.written_off": gettext_noop("wrote off owed credits"),
    "key.changed": gettext_noop("changed the API key"),
    "key.issued": gettext_noop("created the API key"),
    "key.revoked": gettext_noop("revoked the API key"),
    "key.rotated": gettext_noop("rotated the API key"),
    "member.changed": gettext_noop("changed the role or limit of"),
    "member.invited": gettext_noop("invited"),
    "member.invited_again": gettext_noop("sent another invite to"),
    "member.joined": gettext_noop("joined this workspace"),
    "member.left": gettext_noop("left this workspace"),
    "member.removed": gettext_noop("removed"),
    "member.uninvited": gettext_noop("revoked the invite of"),
    "plan.cancelled": gettext_noop("cancelled the plan"),
    "plan.changed": gettext_noop("changed the plan to"),
    "plan.kept": gettext_noop("kept the plan"),
    "provider_key.added": gettext_noop("added the provider key"),
    "provider_key.refused": gettext_noop("stopped using the refused provider key"),
    "provider_key.removed": gettext_noop("removed the provider key"),
    "session.ended": gettext_noop("signed out a device"),
    "staff.looked": gettext_noop("looked into this workspace"),
    "visitor.banned": gettext_noop("banned this visitor"),
    "visitor.unbanned": gettext_noop("lifted the ban of this visitor"),
    "webhook.changed": gettext_noop("changed the webhook"),
    "webhook.created": gettext_noop("added the webhook"),
    "webhook.deleted": gettext_noop("deleted the webhook"),
    "webhook.disabled": gettext_noop("turned off the webhook"),
    "webhook.enabled": gettext_noop("turned on the webhook"),
    "webhook.rotated": gettext_noop("rotated the secret of the webhook"),
    "workspace.adopted": gettext_noop("moved these clips into their account"),
    "workspace.begun": gettext_noop("created this workspace"),
    "workspace.closed": gettext_noop("closed this workspace"),
    "workspace.merged": gettext_noop("moved clips in from a browser"),
    "workspace.privacy_changed": gettext_noop("changed who sees new clips"),
    "workspace.renamed": gettext_noop("renamed this workspace"),
    "workspace.reopened": gettext_noop("reopened this workspace"),
    "workspace.suspended": gettext_noop("suspended this workspace"),
    "workspace.transferred": gettext_noop("transferred ownership to"),
    "workspace.unsuspended": gettext_noop("lifted the suspension of this workspace"),
}
"""Event → what whoever did it did; the entry's subject follows. In English, as staff reads it: see ``Sentence.of``."""


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
            subject = _("themselves") if WORDS.get(entry.event, "").endswith(_UNFINISHED) else ""
        if entry.event in _SAY_IT_ALL:
            subject = ""
        return cls(entry, words, subject, " · ".join(_details(detail)))


_UNFINISHED: Final = (" of", " to", "invited", "removed")
"""Ends of words that somebody must follow."""
_SAY_IT_ALL: Final = {"credits.adjusted", "credits.written_off", "visitor.banned"}
"""Events whose words have their subject in them, or whose subject says nothing to people."""
_CREDITS_DONE: Final = {
    "done": (gettext_noop("gave %(credits)s"), gettext_noop("took %(credits)s"), gettext_noop("wrote off %(credits)s")),
    "waiting": (
        gettext_noop("proposed to give %(credits)s"),
        gettext_noop("proposed to take %(credits)s"),
        gettext_noop("proposed to write off %(credits)s"),
    ),
    "approved": (
        gettext_noop("agreed to give %(credits)s"),
        gettext_noop("agreed to take %(credits)s"),
        gettext_noop("agreed to write off %(credits)s"),
    ),
    "refused": (
        gettext_noop("refused to give %(credits)s"),
        gettext_noop("refused to take %(credits)s"),
        gettext_noop("refused to write off %(credits)s"),
    ),
}
"""How far it has come → what giving is called, taking, and giving up what is owed."""


_LABELS: Final = {
    gettext_noop("name"),
    gettext_noop("role"),
    gettext_noop("reason"),
    gettext_noop("until"),
    gettext_noop("events"),
    gettext_noop("enabled"),
    gettext_noop("origins"),
    gettext_noop("scopes"),
    gettext_noop("successor"),
    gettext_noop("daily cap credits"),
    gettext_noop("monthly cap credits"),
    gettext_noop("keys that go on"),
    gettext_noop("new clips are private"),
    gettext_noop("when"),
}
"""What else an entry keeps that people read, as its names are spelt out."""


def _worded(entry: AuditEntry) -> tuple[str, dict[str, Any]]:
    """What was done, and of the details those that this leaves out."""
    detail = dict(entry.detail)
    amount = detail.get("amount")
    if entry.event in ("credits.adjusted", "credits.written_off") and isinstance(amount, int):
        gave, took, wrote_off = _CREDITS_DONE.get(detail.pop("state", ""), _CREDITS_DONE["done"])
        del detail["amount"]
        figure = {"amount": intcomma(abs(amount))}
        if entry.event == "credits.written_off":
            owed = ngettext("%(amount)s owed credit", "%(amount)s owed credits", abs(amount)) % figure
            return _(wrote_off) % {"credits": owed}, detail
        credits = ngettext("%(amount)s credit", "%(amount)s credits", abs(amount)) % figure
        return _(gave if amount > 0 else took) % {"credits": credits}, detail
    if entry.event == "visitor.banned" and entry.subject:
        return _("banned this visitor with their network"), detail
    if entry.event == "staff.looked" and entry.subject:
        return _("looked at the clip"), detail
    words = WORDS.get(entry.event)
    return _(words) if words else entry.event.replace(".", " ").replace("_", " "), detail


def _shortened(subject: str) -> str:
    """``subject``, or of an id its beginning: nobody reads all of one."""
    try:
        return f"{UUID(subject).hex[:8]}…"
    except ValueError:
        return subject


def from_to(label: str, before: Any, after: Any) -> str:
    """Return what something was before a change, and is since."""
    return f"{label}: " * bool(label) + f"{_value(before) or _('none')} → {_value(after) or _('none')}"


def _details(detail: dict[str, Any]) -> Iterable[str]:
    rest = {**detail}
    if {"before", "after"} <= rest.keys():
        yield from _changes(rest.pop("before"), rest.pop("after"))
    for name, value in rest.items():
        if value not in (None, "", [], {}):
            yield f"{_label(name)}: {_value(value)}"


def _changes(before: Any, after: Any) -> Iterable[str]:
    """Both are one value, or several by name."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        yield from_to("", before, after)
        return
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            yield from_to(_label(name), before.get(name), after.get(name))


def _label(name: str) -> str:
    words = name.replace("_", " ")
    return _(words) if words in _LABELS else words


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return ", ".join(_details(value)) or _("none")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
