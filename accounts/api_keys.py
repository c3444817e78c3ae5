"""API keys: a machine's way in. Shown once, stored as a digest, found by a prefix, checked in one indexed query.

A key reads ``lm_live_<12 characters that find it>_<43 that prove it>``. The proof has 256 bits of chance, so a plain
SHA-256 of it is as good as a slow hash, and a leaked key is found by searching for ``lm_live_``.

A connection (``accounts.oauth``) is a key without a text: its app sends an access token, which is found by its digest.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, key_rows, members, request_log
from accounts.caller import API_PREFIX
from accounts.models import ApiKey, Membership, User, Workspace
from accounts.roles import BY_SCOPE, Action
from loremotion import bearer
from loremotion.refusals import Conflict, Forbidden, Invalid, Unauthorized

SHAPE = re.compile(r"(lm_live_[A-Za-z0-9]{12})_([A-Za-z0-9_-]{43})")
TOKEN = re.compile(r"[A-Za-z0-9_-]{86}")
"""An access token, as allauth makes it of 512 bits of chance."""
USE_IS_NOTED_EVERY = timedelta(minutes=1)
ROTATION_OVERLAP = timedelta(hours=24)
MOST_LIVE_KEYS = 50
MOST_ENDED_SHOWN = 50
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PREFIX_LETTERS = 12
_NO_KEY = hashlib.sha256(b"").hexdigest()


class AlreadyIssued(Conflict):
    """What asks for a key had one."""


def token_of(request: HttpRequest) -> str | None:
    """The key in the ``Authorization`` header of an API request, or None without one. Pages take no keys."""
    header = request.headers.get("Authorization", "")
    if not header or not request.path.startswith(API_PREFIX):
        return None
    return bearer.token_in(header)


def authenticate(sent: str) -> ApiKey:
    """The row, with its workspace, of the key or access token that was sent. One query; a second, once a minute, notes
    the use.

    Raises:
        Unauthorized: it is no key, or it was revoked, or it has expired.
    """
    if TOKEN.fullmatch(sent):
        return _of_token(sent)
    shape = SHAPE.fullmatch(sent)
    key = None
    if shape is not None:
        key = key_rows.by_prefix(shape[1])
    matches = hmac.compare_digest(key.digest if key else _NO_KEY, key_rows.digest_of(sent))
    if key is None or not matches:
        raise Unauthorized(
            "invalid_api_key", "This API key isn't valid.", next_step="Send Authorization: Bearer lm_live_…"
        )
    if key.revoked_at is not None:
        raise revoked_key()
    if not key.is_live:
        raise Unauthorized("expired_api_key", "This API key has expired.", next_step="Create a new one under API keys.")
    _note_use(key)
    return key


def _of_token(sent: str) -> ApiKey:
    """The connection that an access token is of. Raises as ``authenticate``."""
    key = key_rows.by_token(sent)
    if key is None:
        raise Unauthorized("invalid_token", "This access token isn't valid, or has expired.", next_step="Refresh it.")
    if key.revoked_at is not None or not key.is_live:
        raise Unauthorized("disconnected", "This app was disconnected.", next_step="Connect it again.")
    _note_use(key)
    return key


def issue(
    *,
    workspace: Workspace,
    by: User,
    allowed: frozenset[Action],
    name: str,
    scopes: list[str],
    daily_cap_credits: int | None = None,
    monthly_cap_credits: int | None = None,
    expires_at: datetime | None = None,
    origins: list[str] | None = None,
    origin_id: int | None = None,
    once_for: str = "",
    oauth_client: models.Model | None = None,
) -> tuple[ApiKey, str]:
    """Make a key. Returns its row and its text, which is not kept.

    Args:
        allowed: what the issuer may do: a key never does more.
        origins: of pages in browsers, from which alone it may be used, as ``origins.read_origins`` returns them.
        origin_id: the first key of the line that it goes on.
        once_for: names what the key is for, of the whole site, where one is made however often it is asked for.
        oauth_client: the app that it connects. Such a key has no text, so an empty one is returned.

    Raises:
        AlreadyIssued: there is, or was, a key for ``once_for``.
        Forbidden, Invalid, Conflict: as ``refuse_terms``.
    """
    with transaction.atomic():
        members.lock_memberships(workspace)
        kind = "lm_live" if oauth_client is None else "lm_app"
        prefix = f"{kind}_{_letters_of(once_for) if once_for else _letters_by_chance()}"
        if once_for and ApiKey.objects.filter(prefix=prefix).exists():
            raise AlreadyIssued("already_issued", _("This key was made already."), next_step=_("Look under API keys."))
        refuse_terms(workspace=workspace, by=by, allowed=allowed, scopes=scopes, expires_at=expires_at)
        text = f"{prefix}_{secrets.token_urlsafe(32)}" if oauth_client is None else ""
        key = ApiKey.objects.create(
            workspace=workspace,
            name=name,
            prefix=prefix,
            digest=key_rows.digest_of(text) if text else "",
            scopes=scopes,
            daily_cap_credits=daily_cap_credits,
            monthly_cap_credits=monthly_cap_credits,
            created_by=by,
            expires_at=expires_at,
            origin_id=origin_id,
            origins=origins or [],
            oauth_client=oauth_client,
        )
        said: dict[str, Any] = {"name": name, "scopes": scopes} | ({"origins": origins} if origins else {})
        event = "key.issued" if oauth_client is None else "app.connected"
        audit.record(workspace, event, actor=by.email, subject=prefix, **said)
    return key, text


def refuse_terms(
    *, workspace: Workspace, by: User, allowed: frozenset[Action], scopes: list[str], expires_at: datetime | None
) -> None:
    """Refuse a key that ``issue`` would not make at this moment. Certain once memberships are locked.

    Raises:
        Forbidden: a scope goes beyond ``allowed``, or the issuer does not manage keys.
        Invalid: no scope, or an expiry in the past.
        Conflict: the workspace has as many live keys as it may.
    """
    if not scopes:
        raise Invalid(
            "missing_scope", _("A key needs a permission."), next_step=_("Choose at least one."), field="scopes"
        )
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("invalid_expiry", _("That date has passed. Choose a later one."), field="expires_at")
    if any(not BY_SCOPE[scope] <= allowed for scope in scopes):
        raise Forbidden(
            "scope_too_wide", _("A key can't do more than you can."), next_step=_("Choose fewer permissions.")
        )
    members.refuse_unless(by, may=Action.MANAGE_KEYS, workspace=workspace)
    if ApiKey.objects.live().filter(workspace=workspace).count() >= MOST_LIVE_KEYS:
        raise Conflict(
            "too_many_keys",
            _("You already have %(most)s keys, the limit.") % {"most": MOST_LIVE_KEYS},
            next_step=_("Revoke one first."),
        )


def rotate(*, key: ApiKey, by: User, allowed: frozenset[Action]) -> tuple[ApiKey, str]:
    """Make a key's successor, with its rights, its clips and what is left of its caps. The old one works for another
    day, so that nothing stops while it is replaced.

    Raises:
        Conflict: the key is not live any more.
        Forbidden: as ``issue``.
    """
    with transaction.atomic():
        members.lock_memberships(key.workspace)
        ends_at = timezone.now() + ROTATION_OVERLAP
        old = ApiKey.objects.live().filter(id=key.id).first()
        if old is None:
            raise Conflict("key_not_live", _("This key is no longer active."), next_step=_("Create a new one."))
        if old.is_connection:
            raise Conflict(
                "no_text", _("An app renews its own tokens."), next_step=_("Revoke it and connect it again.")
            )
        successor, text = issue(
            workspace=old.workspace,
            by=by,
            allowed=allowed,
            name=old.name,
            scopes=old.scopes,
            daily_cap_credits=old.daily_cap_credits,
            monthly_cap_credits=old.monthly_cap_credits,
            expires_at=old.expires_at,
            origins=old.origins,
            origin_id=old.line_id,
        )
        if old.expires_at is None or old.expires_at > ends_at:
            ApiKey.objects.filter(id=old.id).update(expires_at=ends_at)
        audit.record(old.workspace, "key.rotated", actor=by.email, subject=old.prefix, successor=successor.prefix)
    return successor, text


def change_terms(
    *,
    key: ApiKey,
    by: User,
    daily_cap_credits: int | None,
    monthly_cap_credits: int | None,
    origins: list[str] | None = None,
) -> None:
    """Give a key, and whichever of its line still works, other caps, and other origins unless those are None. Requests
    that begin afterwards are bound by them.

    Raises:
        Conflict: the key is not live any more.
        Forbidden: ``by`` does not manage keys, as of this moment.
    """
    after: dict[str, Any] = {"daily_cap_credits": daily_cap_credits, "monthly_cap_credits": monthly_cap_credits}
    if origins is not None:
        after["origins"] = origins
    with transaction.atomic():
        members.lock_memberships(key.workspace)
        members.refuse_unless(by, may=Action.MANAGE_KEYS, workspace=key.workspace)
        _change(key, after, actor=by.email)


def set_origins(*, key: ApiKey, origins: list[str], actor: str) -> None:
    """Give a key, and whichever of its line still works, other origins, as staff does.

    Raises:
        Conflict: the key is not live any more.
    """
    with transaction.atomic():
        members.lock_memberships(key.workspace)
        _change(key, {"origins": origins}, actor=actor)


def revoke(*, key: ApiKey, actor: str) -> None:
    """Revoke the key, from this moment. What it asked last is kept as long as ever: whoever revokes a key that leaked
    wants to know what it was used for. Twice is once."""
    with transaction.atomic():
        members.lock_memberships(key.workspace)  # so that whoever is about to use it finds it revoked
        if ApiKey.objects.filter(id=key.id, revoked_at__isnull=True).update(revoked_at=timezone.now()):
            event = "app.disconnected" if key.is_connection else "key.revoked"
            audit.record(key.workspace, event, actor=actor, subject=key.prefix, name=key.name)


def live(workspace: Workspace) -> QuerySet[ApiKey]:
    """The workspace's live keys, newest first. ``is_orphan`` says that whoever made one is no member any more."""
    makers = Membership.objects.filter(workspace=OuterRef("workspace"), user=OuterRef("created_by"))
    keys = ApiKey.objects.live().filter(workspace=workspace).select_related("created_by")
    return keys.annotate(is_orphan=~Exists(makers)).order_by("-id")


def ended_keys(workspace: Workspace) -> QuerySet[ApiKey]:
    """Keys that were revoked or have expired, whose last requests are kept still, newest first. What one asked that a
    live key goes on from is found with that."""
    line = Coalesce("origin_id", "id")
    going_on = ApiKey.objects.live().filter(workspace=workspace).annotate(line=line)
    used = request_log.used_lately(ApiKey.objects.filter(workspace=workspace)).annotate(line=line)
    return used.filter(~Exists(going_on.filter(line=OuterRef("line")))).order_by("-id")[:MOST_ENDED_SHOWN]


def revoked_key() -> Unauthorized:
    """The refusal of a key that is taken away."""
    return Unauthorized("revoked_api_key", "This API key was revoked.", next_step="Create a new one under API keys.")


def _change(key: ApiKey, after: dict[str, Any], *, actor: str) -> None:
    line = _live_of_line(key)
    now = line.filter(id=key.id).first()
    if now is None:
        raise Conflict("key_not_live", _("This key is no longer active."), next_step=_("Create a new one."))
    before = {name: getattr(now, name) for name in after}
    line.update(**after)
    audit.record(key.workspace, "key.changed", actor=actor, subject=key.prefix, before=before, after=after)


def _live_of_line(key: ApiKey) -> QuerySet[ApiKey]:
    return ApiKey.objects.live().filter(Q(id=key.line_id) | Q(origin=key.line_id), workspace=key.workspace)


def _letters_by_chance() -> str:
    return "".join(secrets.choice(_ALPHABET) for _letter in range(_PREFIX_LETTERS))


def _letters_of(once_for: str) -> str:
    """As good as chance, and each time the same: a prefix is unique, also among keys that were revoked."""
    number = int.from_bytes(hashlib.sha256(once_for.encode()).digest())
    return "".join(_ALPHABET[number // len(_ALPHABET) ** place % len(_ALPHABET)] for place in range(_PREFIX_LETTERS))


def _note_use(key: ApiKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > USE_IS_NOTED_EVERY:
        ApiKey.objects.filter(id=key.id).update(last_used_at=now)
