"""Visitors: people without an account. A signed cookie names a row, the row owns a workspace."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import timedelta
from uuid import UUID

import redis
from django.conf import settings
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.models import Visitor, Workspace
from loremotion.refusals import TooMany
from loremotion.valkey import connection

COOKIE = "visitor"
COOKIE_LASTS = timedelta(days=400)
_SALT = "accounts.visitors"


def workspace_of(request: HttpRequest) -> Workspace | None:
    """The workspace that this request acts in, or None for somebody who has not made anything yet."""
    try:
        visitor_id = UUID(signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT))
    except (signing.BadSignature, ValueError):
        return None
    return Workspace.objects.filter(visitor__id=visitor_id, suspended_at__isnull=True).first()


def ensure(request: HttpRequest) -> Workspace:
    """The visitor's workspace, made on first use. The middleware sets the cookie with the answer.

    Raises:
        TooMany: too many new visitors came from this network today.
    """
    workspace = workspace_of(request)
    if workspace is None:
        _refuse_a_crowd(request)
        with transaction.atomic():
            workspace = Workspace.objects.create(kind=Workspace.Kind.VISITOR)
            visitor = Visitor.objects.create(workspace=workspace)
        request.new_visitor = visitor  # type: ignore[attr-defined]
    return workspace


def set_cookie(response: HttpResponse, visitor: Visitor) -> None:
    response.set_cookie(
        COOKIE,
        signing.dumps(str(visitor.id), salt=_SALT),
        max_age=COOKIE_LASTS,
        httponly=True,
        samesite="Lax",
        secure=settings.IS_HTTPS,
    )


def network_of(request: HttpRequest) -> str:
    """The caller's network prefix (IPv4 /24, IPv6 /56), hashed with the day: enough to count, not enough to follow."""
    address = ipaddress.ip_address(_address_of(request))
    prefix = ipaddress.ip_network((address, 24 if address.version == 4 else 56), strict=False)
    salted = f"{settings.SECRET_KEY}|{timezone.now():%Y-%m-%d}|{prefix}"
    return hashlib.sha256(salted.encode()).hexdigest()[:32]


def _address_of(request: HttpRequest) -> str:
    """Behind N trusted proxies the N-th address from the right is the one that the outermost of them saw."""
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    trusted = settings.TRUSTED_PROXIES
    address = forwarded[-trusted] if trusted and len(forwarded) >= trusted else request.META["REMOTE_ADDR"]
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - an address to count under, not one to bind to


def _refuse_a_crowd(request: HttpRequest) -> None:
    key = f"visitors:{network_of(request)}"
    try:
        count = connection().incr(key)
        if count == 1:
            connection().expire(key, 24 * 3600)
    except redis.RedisError:
        return  # Valkey is away; the daily allowance still bounds each visitor
    if count > settings.VISITORS_PER_NETWORK_PER_DAY:
        raise TooMany(
            "too_many_visitors",
            "Many new visitors came from your network today, and the free clips for it are used up.",
            next_step="Come back tomorrow, or use the browser in which you made your first clip.",
            retry_after_seconds=3600,
        )
