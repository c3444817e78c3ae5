"""A program without a browser gets an API key: it shows a code, and somebody who is signed in types it and agrees.

As of RFC 8628, with an API key for the token. What is under way lies in Valkey for some minutes and may be lost: then
the program begins anew. It holds no secret: the program's own code is there as a digest, and the key is made when the
program comes for it, by the rights that whoever agreed has at that moment.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import redis

from accounts import api_keys
from accounts.models import ApiKey, Membership
from accounts.roles import BY_ROLE
from loremotion import row_security
from loremotion.refusals import Conflict, Unavailable
from loremotion.valkey import connection

LASTS_SECONDS: Final = 600
POLL_SECONDS: Final = 5
LONGEST_NAME: Final = 80
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Of codes that people type: they make no words, and none looks like another."""
_CODE_LETTERS: Final = 8


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
class Claimed:
    status: Status
    key: ApiKey | None = None
    text: str = ""
    """Of the key; it is not kept."""


def begin(*, name: str) -> Begun:
    """Begin a login of a program that calls itself ``name``.

    Raises:
        Unavailable: it cannot be noted now.
    """
    device_code, letters = secrets.token_urlsafe(32), "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LETTERS))
    waiting = json.dumps({"status": Status.PENDING, "name": name[:LONGEST_NAME]})
    with _noted():
        valkey = connection()
        valkey.set(_of_device(device_code), waiting, ex=LASTS_SECONDS)
        valkey.set(_of_user(letters), _of_device(device_code), ex=LASTS_SECONDS)
    return Begun(device_code, f"{letters[:4]}-{letters[4:]}")


def name_of(user_code: str) -> str | None:
    """What the program calls itself that shows this code; None where none does, or not any more.

    Raises:
        Unavailable: nobody can say now.
    """
    with _noted():
        address: Any = connection().get(_of_user(user_code))
        found: Any = connection().get(address) if address is not None else None
    return None if found is None else str(json.loads(found)["name"])


def decide(user_code: str, *, by: Membership, terms: dict[str, Any] | None) -> None:
    """Agree that the program gets a key of ``by``'s workspace, or not.

    Args:
        terms: what ``api_keys.issue`` takes besides; None denies it.

    Raises:
        Conflict: no program shows this code, or somebody has decided already.
        Unavailable: it cannot be noted now.
    """
    decided: dict[str, Any] = {"status": Status.DENIED, "name": ""}
    if terms is not None:
        ends = terms["expires_at"].isoformat() if terms["expires_at"] is not None else None
        decided = {"status": Status.APPROVED, "name": terms["name"], "by": by.id}
        decided["terms"] = {**terms, "expires_at": ends}
    with _noted():
        address: Any = connection().getdel(_of_user(user_code))  # whoever decides second finds nothing
        is_noted = address is not None and connection().set(address, json.dumps(decided), xx=True, keepttl=True)
    if not is_noted:
        raise Conflict("unknown_code", "No device is waiting with this code.", next_step="Start again on the device.")


def claim(device_code: str) -> Claimed:
    """What has become of a login; once it is agreed to, its key, once.

    Raises:
        Refusal: the key cannot be made any more, such as where whoever agreed may not make keys now.
        Unavailable: nobody can say now.
    """
    with _noted():
        found: Any = connection().get(_of_device(device_code))
        if found is None:
            return Claimed(Status.EXPIRED)
        if json.loads(found)["status"] == Status.PENDING:
            return Claimed(Status.PENDING)
        found = connection().getdel(_of_device(device_code))
    if found is None:  # somebody else was faster
        return Claimed(Status.EXPIRED)
    decided = json.loads(found)
    if decided["status"] == Status.DENIED:
        return Claimed(Status.DENIED)
    return _issue(by=decided["by"], terms=decided["terms"])


@row_security.across_workspaces("a program belongs to no workspace before it has its key")
def _issue(*, by: int, terms: dict[str, Any]) -> Claimed:
    place = Membership.objects.filter(id=by).select_related("workspace", "user").first()
    if place is None:
        return Claimed(Status.DENIED)  # whoever agreed has left
    ends = datetime.fromisoformat(terms["expires_at"]) if terms["expires_at"] is not None else None
    key, text = api_keys.issue(
        workspace=place.workspace, by=place.user, allowed=BY_ROLE[place.role], **{**terms, "expires_at": ends}
    )
    return Claimed(Status.APPROVED, key, text)


@contextmanager
def _noted() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as problem:
        raise Unavailable(
            "login_unavailable", "Devices can't be connected right now.", next_step="Try again in a minute."
        ) from problem


def _of_device(device_code: str) -> str:
    return f"device-login:{hashlib.sha256(device_code.encode()).hexdigest()}"


def _of_user(user_code: str) -> str:
    letters = "".join(letter for letter in user_code.upper() if letter in _LETTERS)
    return f"device-login:code:{letters[: 2 * _CODE_LETTERS]}"
