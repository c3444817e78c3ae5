"""Where a person is signed in: on what, since when, seen when, let in by what. And how one of these ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
import ua_parser
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import workspaces
from accounts.models import User
from loremotion.valkey import connection

SEEN_IS_NOTED_EVERY = timedelta(minutes=10)
WORDS = {
    "password": gettext_lazy("password"),
    "password_reset": gettext_lazy("new password"),
    "code": gettext_lazy("emailed code"),
    "webauthn": gettext_lazy("passkey"),
    "totp": gettext_lazy("authenticator app"),
    "recovery_codes": gettext_lazy("recovery code"),
}


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One place where somebody is signed in. ``network`` is its first address, never the device's own."""

    id: int
    device: str
    network: str
    began_at: datetime
    seen_at: datetime
    ways: list[str]
    is_current: bool


class LastSeenMiddleware:
    """Notes that a session is alive, at most once in ten minutes: one look into Valkey, and seldom a write.

    Not in the session itself: that is written as a whole, and would undo what another request just put there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # A stream keeps until its end what connection it took: the page that opened it was seen already.
        if not response.streaming and request.session.accessed and SESSION_KEY in request.session:
            _note(request.session.session_key or "")
        return response


def list_sessions(request: HttpRequest, user: User) -> list[SignedIn]:
    """Every place where ``user`` is signed in, this one first, then by when it was seen. Two queries."""
    rows = {row.session_key: row for row in UserSession.objects.filter(user=user)}
    alive = Session.objects.filter(session_key__in=rows, expire_date__gt=timezone.now())
    found = []
    for session in alive:
        said = session.get_decoded()
        if _is_still_signed_in(said, user):
            row = rows[session.session_key]
            found.append(
                SignedIn(
                    id=row.pk,
                    device=device_named_by(row.user_agent),
                    network=row.ip,
                    began_at=row.created_at,
                    seen_at=row.last_seen_at,
                    ways=_ways_in(said),
                    is_current=row.session_key == request.session.session_key,
                )
            )
    return sorted(found, key=lambda place: (place.is_current, place.seen_at), reverse=True)


def end(user: User, session_id: int) -> str | None:
    """End the session, at once. Returns its key, or None when this user has no such session."""
    row = UserSession.objects.filter(user=user, pk=session_id).first()
    if row is None:
        return None
    row.end()
    with translation.override(settings.LANGUAGE_CODE):  # the audit log is everybody's
        workspaces.note_about(user, "session.ended", subject=device_named_by(row.user_agent))
    return str(row.session_key)


def end_others(request: HttpRequest, user: User) -> None:
    """Sign out everywhere but here."""
    for row in UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key):
        row.end()
    workspaces.note_about(user, "session.ended", subject="everywhere else")


def device_named_by(user_agent: str) -> str:
    """``Firefox on Linux``, as far as the browser says what it is."""
    told = ua_parser.parse(user_agent)
    browser = told.user_agent.family if told.user_agent else _("Unknown browser")
    return _("%(browser)s on %(system)s") % {"browser": browser, "system": told.os.family} if told.os else browser


def _is_still_signed_in(said: dict[str, Any], user: User) -> bool:
    """Whether the session still holds: a changed password ends all others, though their rows stay until used."""
    known_as = str(said.get(HASH_SESSION_KEY, ""))
    return said.get(SESSION_KEY) == str(user.pk) and constant_time_compare(known_as, user.get_session_auth_hash())


def _ways_in(said: dict[str, Any]) -> list[str]:
    """The ways by which the person signed in, in order, each once; none for a session that a program began."""
    records = said.get(AUTHENTICATION_METHODS_SESSION_KEY, [])
    kinds = [record.get("type") or record.get("provider") or record["method"] for record in records]
    words = WORDS | {provider["provider_id"]: provider["name"] for provider in settings.SIGN_IN_PROVIDERS}
    return list(dict.fromkeys(str(words.get(kind, kind)) for kind in kinds))


def _note(session_key: str) -> None:
    name = f"seen:{hashlib.sha256(session_key.encode()).hexdigest()}"
    try:
        is_news = connection().set(name, "1", nx=True, ex=int(SEEN_IS_NOTED_EVERY.total_seconds()))
    except redis.RedisError:
        return  # it is a courtesy, and Valkey will be back
    if is_news:
        UserSession.objects.filter(session_key=session_key).update(last_seen_at=timezone.now())
