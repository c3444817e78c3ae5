"""A program without a browser gets an API key: it shows a code, and somebody who is signed in types it and agrees.

As of RFC 8628, with an API key for the token. What is under way lies in Valkey for some minutes and may be lost: then
the program begins anew. It holds no secret: the program's own code is there as a digest, and the key is made when the
program comes for it, by the rights that whoever agreed has at that moment. Nor is it believed: each record is signed
for the address at which it lies, and names the code that people type, so whoever writes to Valkey agrees to nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import redis
from django.core import signing
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import api_keys, tenancy
from accounts.caller import Caller
from accounts.models import ApiKey, Membership
from accounts.roles import Action
from loremotion import row_security
from loremotion.refusals import Conflict, Invalid, Unavailable
from loremotion.valkey import connection

LASTS_SECONDS: Final = 600
POLL_SECONDS: Final = 5
LONGEST_NAME: Final = 80
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Of codes that people type: they make no words, and none looks like another."""
_CODE_LETTERS: Final = 8
_SALT: Final = "accounts.device_login "


class Status(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    """Or it was never begun, or its key was fetched."""


@dataclass(frozen=True, slots=True)
class Begun:
    device_code: str
    """The program's own, by which it fetches the key."""
    user_code: str
    """What its user types."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A login that nobody has decided yet."""

    name: str
    """What its program calls itself."""
    begun_at: datetime
    network: str
    """Where its program is, as ``networks.lasting_fingerprint_of`` says it."""


@dataclass(frozen=True, slots=True)
class Claimed:
    status: Status
    key: ApiKey | None = None
    text: str = ""
    """Of the key; it is not kept."""


def begin(*, name: str, network: str) -> Begun:
    """Begin a login of a program that calls itself ``name``.

    Args:
        network: where it is, as ``networks.lasting_fingerprint_of`` says it.

    Raises:
        Invalid: the name has characters that are not seen, or turn others round.
        Unavailable: it cannot be noted now.
    """
    if not name.isprintable():
        raise Invalid("invalid_name", _("A name has letters, figures and signs that can be seen."), field="name")
    device_code = secrets.token_urlsafe(32)
    address = _of_device(device_code)
    origin = {"name": name[:LONGEST_NAME], "begun_at": timezone.now().isoformat(), "network": network}
    with _refuse_while_valkey_is_away():
        valkey = connection()
        letters = _letters_by_chance()
        while not valkey.set(_of_user(letters), address, ex=LASTS_SECONDS, nx=True):  # another device shows them
            letters = _letters_by_chance()
        waiting = {"status": Status.PENDING, "code": letters, **origin}
        valkey.set(address, _signed(waiting, address), ex=LASTS_SECONDS)
    return Begun(device_code, "-".join(halves(letters)))


def find(user_code: str) -> Waiting | None:
    """The login whose program shows this code; None where none does, or not any more.

    Raises:
        Unavailable: nobody can say now.
    """
    with _refuse_while_valkey_is_away():
        found = _waiting(connection().get(_of_user(user_code)), user_code)
    if found is None:
        return None
    return Waiting(found["name"], datetime.fromisoformat(found["begun_at"]), found["network"])


def halves(user_code: str) -> tuple[str, str]:
    """A code's first four letters and the rest, however it was typed."""
    letters = _letters_of(user_code)
    return letters[: _CODE_LETTERS // 2], letters[_CODE_LETTERS // 2 :]


def decide(user_code: str, *, by: Membership, terms: dict[str, Any] | None) -> None:
    """Agree that the program gets a key of ``by``'s workspace, or not.

    Args:
        terms: what ``api_keys.issue`` takes besides; None denies it.

    Raises:
        Forbidden, Invalid, Conflict: no such key could be made at this moment, as ``api_keys.refuse_terms``; or no
            program shows this code, or somebody has decided already.
        Unavailable: it cannot be noted now.
    """
    decided: dict[str, Any] = {"status": Status.DENIED}
    if terms is not None:
        allowed, asked = tenancy.actions_of(by), {name: terms[name] for name in ("scopes", "expires_at")}
        api_keys.refuse_terms(workspace=by.workspace, by=by.user, allowed=allowed, **asked)
        ends = terms["expires_at"].isoformat() if terms["expires_at"] is not None else None
        decided = {"status": Status.APPROVED, "by": by.id, "terms": {**terms, "expires_at": ends}}
    is_noted: Any = False
    with _refuse_while_valkey_is_away():
        address: Any = connection().getdel(_of_user(user_code))  # whoever decides second finds nothing
        if _waiting(address, user_code) is not None:
            is_noted = connection().set(address, _signed(decided, address.decode()), xx=True, keepttl=True)
    if not is_noted:
        raise Conflict(
            "unknown_code", _("No device is waiting with this code."), next_step=_("Start again on the device.")
        )


def claim(device_code: str) -> Claimed:
    """What has become of a login; once it is agreed to, its key, once.

    A claim that fails may be made again. That no two of them make a key is held by the database (``once_for``): in
    Valkey the agreement only goes away, be it soon, late or not at all.

    Raises:
        Refusal: the key cannot be made as things stand, such as where whoever agreed may not make keys now.
        Unavailable: nobody can say now.
    """
    address = _of_device(device_code)
    with _refuse_while_valkey_is_away():
        noted = _record(connection().get(address), address)
    if noted is None:
        return Claimed(Status.EXPIRED)
    if noted["status"] == Status.PENDING:
        return Claimed(Status.PENDING)
    claimed = Claimed(Status.DENIED)
    if noted["status"] == Status.APPROVED:
        claimed = _issue(by=noted["by"], terms=noted["terms"], login=address)
    with suppress(redis.RedisError):
        connection().delete(address)
    return claimed


@row_security.across_workspaces("a program belongs to no workspace before it has its key")
def _issue(*, by: int, terms: dict[str, Any], login: str) -> Claimed:
    place = Membership.objects.filter(id=by).select_related("workspace", "user").first()
    if place is None:
        return Claimed(Status.DENIED)  # whoever agreed has left
    ends = datetime.fromisoformat(terms["expires_at"]) if terms["expires_at"] is not None else None
    workspace, caller = place.workspace, Caller(place.workspace, frozenset(), membership=place)
    with transaction.atomic(), suppress(api_keys.AlreadyIssued):
        tenancy.lock_and_recheck(workspace, Action.MANAGE_KEYS, caller=caller)
        place.refresh_from_db(fields=["role"])
        given = {**terms, "expires_at": ends, "once_for": login}
        allowed = tenancy.actions_of(place)
        key, text = api_keys.issue(workspace=workspace, by=place.user, allowed=allowed, **given)
        return Claimed(Status.APPROVED, key, text)
    return Claimed(Status.EXPIRED)  # another claim was faster


@contextmanager
def _refuse_while_valkey_is_away() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as problem:
        raise Unavailable(
            "login_unavailable", _("Devices can't be connected right now."), next_step=_("Try again in a minute.")
        ) from problem


def _signed(record: dict[str, Any], address: str) -> str:
    return signing.dumps(record, salt=_SALT + address)


def _record(found: Any, address: str) -> dict[str, Any] | None:
    """What this site noted at ``address``; None where nothing is found there, or what it did not note there."""
    if found is None:
        return None
    try:
        record: dict[str, Any] = signing.loads(
            found.decode(errors="replace"), salt=_SALT + address, max_age=LASTS_SECONDS
        )
    except signing.BadSignature:
        return None
    return record


def _waiting(address: Any, user_code: str) -> dict[str, Any] | None:
    """The record of the login that lies at ``address``, if it waits to be decided and its program shows this code."""
    if address is None:
        return None
    record = _record(connection().get(address), address.decode(errors="replace"))
    if record is None or record["status"] != Status.PENDING or record["code"] != _letters_of(user_code):
        return None
    return record


def _of_device(device_code: str) -> str:
    return f"device-login:{hashlib.sha256(device_code.encode()).hexdigest()}"


def _of_user(user_code: str) -> str:
    return f"device-login:code:{_letters_of(user_code)}"


def _letters_by_chance() -> str:
    return "".join(secrets.choice(_LETTERS) for _letter in range(_CODE_LETTERS))


def _letters_of(user_code: str) -> str:
    return "".join(letter for letter in user_code.upper() if letter in _LETTERS)[: 2 * _CODE_LETTERS]
