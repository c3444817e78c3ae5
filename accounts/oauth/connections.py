"""Connections: made with a member's consent, proved by a code once, then by tokens that follow one another.

What is exchanged is exchanged under the lock of the workspace's memberships, as keys are made and revoked: of the same
code or refresh token sent twice at a time, one counts.

allauth keeps codes in Valkey, which is believed about nothing: which connection a code begins, and for whose proof, is
noted there signed, and that it does so once the connection's row decides, which lapses at another time from then on.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from allauth.idp.oidc import app_settings
from allauth.idp.oidc.adapter import get_adapter
from allauth.idp.oidc.models import Client, Token
from django.core import signing
from django.core.cache import cache
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts import api_keys, key_rows, members, tenancy
from accounts.caller import Caller
from accounts.models import ApiKey, Membership, User
from accounts.roles import Action

USED_CODE_KEPT_SECONDS: Final = 86_400
"""How long a code that comes again is known to have been used."""
UNUSED_CLIENT_KEPT: Final = timedelta(days=30)
CLEANED_EVERY_SECONDS: Final = 3600
KEY: Final = "key"
"""In a token's data: the id of its connection."""
_signer: Final = signing.Signer(sep=".", salt="oauth:refresh")
CODE, REFRESH = "authorization_code", "refresh_token"


@dataclass(frozen=True, slots=True)
class Proof:
    """A code or refresh token that was sent, and holds: of which connection, and until when that lasts from now on."""

    digest: str
    key: ApiKey
    expires_at: datetime | None
    is_first: bool
    """Whether it is a code, with which the connection begins."""


def begin(
    *,
    client: Client,
    place: Membership,
    name: str,
    scopes: list[str],
    daily_cap_credits: int | None,
    monthly_cap_credits: int | None,
    origins: list[str],
) -> ApiKey:
    """Make the key of a connection that ``place``'s user agreed to. It lapses unless its code is sent in time. Where
    the app is connected there already, it goes on that one's line, with its clips and what is left of its caps.

    Args:
        origins: of the app's pages in browsers, where it may be one.

    Raises:
        Forbidden, Conflict: as ``api_keys.issue``.
    """
    workspace = place.workspace
    with transaction.atomic():
        tenancy.lock_and_recheck(workspace, Action.MANAGE_KEYS, caller=Caller(workspace, frozenset(), membership=place))
        place.refresh_from_db(fields=["role"])
        before = _connected(client, place.user).filter(workspace=workspace).order_by("id").last()
        key, _ = api_keys.issue(
            workspace=workspace,
            by=place.user,
            allowed=tenancy.actions_of(place),
            name=name,
            scopes=scopes,
            daily_cap_credits=daily_cap_credits,
            monthly_cap_credits=monthly_cap_credits,
            expires_at=timezone.now() + timedelta(seconds=app_settings.AUTHORIZATION_CODE_EXPIRES_IN),
            origin_id=before.line_id if before is not None else None,
            oauth_client=client,
            origins=origins,
        )
    return key


def await_code(code: str, key: ApiKey, *, challenge: str, expires_at: datetime | None) -> None:
    """Note that ``code``, with the verifier of ``challenge``, begins the connection ``key``, which lasts until
    ``expires_at``, or until it is ended."""
    assert key.expires_at is not None
    name = _code_name(_digest(code))
    noted = {
        KEY: key.id,
        "client": key.oauth_client_id,
        "challenge": challenge,
        "lapses": key.expires_at.isoformat(),
        "expires_at": expires_at.isoformat() if expires_at is not None else None,
    }
    cache.set(name, signing.dumps(noted, salt=name), timeout=app_settings.AUTHORIZATION_CODE_EXPIRES_IN)


def prove(said: Mapping[str, str]) -> Proof | None:
    """What the request for tokens proves, with its workspace locked until the transaction ends; None where it proves
    nothing. Ends the connection of what was used before: somebody else may have it."""
    is_code = said.get("grant_type") == CODE
    sent = said.get("code" if is_code else "refresh_token", "")
    digest = _digest(sent)
    proof = _of_a_code(digest, said.get("code_verifier", "")) if is_code else _of_a_refresh_token(digest)
    if proof is None:
        _end(_noted(_used_name(digest)) if is_code else _key_of_used(sent))
    return proof


def new_refresh_token(key: ApiKey) -> str:
    """A refresh token that says of which connection it is, signed: so one that was used is known by itself for ever,
    and nothing is kept of it."""
    return _signer.sign(f"{key.id}.{secrets.token_urlsafe(64)}")


def accept(proof: Proof, given: Mapping[str, Any]) -> None:
    """Tie the tokens that were ``given`` for a proof to its connection, and use the proof up. A connection that begins
    takes the place of the app's earlier ones in this workspace."""
    for kind, name in ((Token.Type.ACCESS_TOKEN, "access_token"), (Token.Type.REFRESH_TOKEN, "refresh_token")):
        for token in Token.objects.filter(type=kind, hash=get_adapter().hash_token(given.get(name, ""))):
            token.data = {**(token.data or {}), KEY: proof.key.id}
            token.save(update_fields=["data"])
    if not proof.is_first:
        return
    key = proof.key
    name = _used_name(proof.digest)
    cache.set(name, signing.dumps(key.id, salt=name), timeout=USED_CODE_KEPT_SECONDS)
    ApiKey.objects.filter(id=key.id).update(expires_at=proof.expires_at)
    assert key.created_by is not None
    assert key.oauth_client is not None
    for earlier in _connected(key.oauth_client, key.created_by).filter(workspace=key.workspace, id__lt=key.id):
        api_keys.revoke(key=earlier, actor=key.created_by.email)


def end_by_token(token: str) -> None:
    """End the connection that a token is of, since its app says so. Of what is no token, nothing is done."""
    row = Token.objects.by_value(token).filter(type__in=[Token.Type.ACCESS_TOKEN, Token.Type.REFRESH_TOKEN]).first()
    key = ApiKey.objects.select_related("workspace").filter(id=_key_in(row) or 0).first()
    if key is not None:
        api_keys.revoke(key=key, actor=f"app {key.name}")


def of_person(user: User) -> QuerySet[ApiKey]:
    """The person's live connections, in whatever workspace, newest first."""
    theirs = ApiKey.objects.live().filter(created_by=user, digest="", workspace__memberships__user=user)
    return theirs.select_related("workspace", "oauth_client").order_by("-id")


def clean(*, limit: int) -> None:
    """Delete tokens that have lapsed, and once an hour apps that registered and were never connected."""
    lapsed = Token.objects.expired().order_by("expires_at").values_list("id", flat=True)[:limit]
    Token.objects.filter(id__in=list(lapsed)).delete()
    if cache.add("oauth:cleaned", 1, timeout=CLEANED_EVERY_SECONDS):
        unused = Client.objects.filter(created_at__lt=timezone.now() - UNUSED_CLIENT_KEPT, data__dcr=True)
        unused = unused.filter(~Exists(ApiKey.objects.filter(oauth_client=OuterRef("pk"))))
        Client.objects.filter(id__in=list(unused.values_list("id", flat=True)[:limit])).delete()


def _connected(client: Client, user: User) -> QuerySet[ApiKey]:
    return ApiKey.objects.live().filter(oauth_client=client, created_by=user)


def _of_a_code(digest: str, verifier: str) -> Proof | None:
    agreed = _noted(_code_name(digest))
    key = _locked(agreed[KEY]) if agreed is not None else None
    if key is None or not _holds(key) or key.expires_at is None:
        return None
    if key.expires_at.isoformat() != agreed["lapses"] or key.oauth_client_id != agreed["client"]:
        return None  # the first: the connection has begun
    if _challenge(verifier) != agreed["challenge"]:
        return None
    ends = agreed["expires_at"]
    return Proof(digest, key, datetime.fromisoformat(ends) if ends is not None else None, is_first=True)


def _of_a_refresh_token(digest: str) -> Proof | None:
    key = _locked(_key_in(_refresh_token(digest)))
    if key is None or not _holds(key) or _refresh_token(digest) is None:
        return None  # the last: whoever sent it at the same time was faster
    return Proof(digest, key, key.expires_at, is_first=False)


def _locked(key_id: int | None) -> ApiKey | None:
    """The connection, with the keys of its workspace locked."""
    key = ApiKey.objects.select_related("workspace", "created_by").filter(id=key_id or 0, digest="").first()
    if key is not None:
        members.lock_memberships(key.workspace)
        key.refresh_from_db(fields=["revoked_at", "expires_at"])
    return key


def _holds(key: ApiKey) -> bool:
    return key.is_live and key.created_by is not None and key.created_by.is_active


def _key_of_used(refresh_token: str) -> int | None:
    """The id of the connection that a refresh token was of, unless it waits to be used still, or lapsed waiting."""
    if Token.objects.by_value(refresh_token).filter(type=Token.Type.REFRESH_TOKEN).exists():
        return None
    try:
        return int(_signer.unsign(refresh_token).partition(".")[0])
    except signing.BadSignature:
        return None


def _end(key_id: int | None) -> None:
    key = _locked(key_id)
    if key is not None:
        api_keys.revoke(key=key, actor=f"app {key.name}")


def _refresh_token(digest: str) -> Token | None:
    found: Token | None = Token.objects.valid().filter(type=Token.Type.REFRESH_TOKEN, hash=digest).first()
    return found


def _key_in(token: Token | None) -> int | None:
    return (token.data or {}).get(KEY) if token is not None else None


def _noted(name: str) -> Any:
    """What this site noted under ``name``; None where it noted nothing there."""
    try:
        return signing.loads(str(cache.get(name)), salt=name)
    except signing.BadSignature:
        return None


def _challenge(verifier: str) -> str:
    """What a verifier proves, by S256 of RFC 7636."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _digest(sent: str) -> str:
    return key_rows.digest_of(sent)  # as allauth's adapter has it for tokens


def _code_name(digest: str) -> str:
    return f"oauth:code:{digest}"


def _used_name(digest: str) -> str:
    return f"oauth:used:{digest}"
