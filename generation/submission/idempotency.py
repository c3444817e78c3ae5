"""The same request sent twice makes one clip: clients retry what they did not hear the answer to.

A request with an ``Idempotency-Key`` gets an id that follows from the workspace, the API key, that key and the day, so
the primary key and the ledger's hold keep it single whatever races whatever. It holds for a day: the ids of today and
of yesterday are looked for, with the workspace's row locked.

OpenAI's clients send no key but count their retries; such a retry is answered with the like request of the last
minute, unless that has ended (all of it, if it made several clips), was read meanwhile, or answered another retry. One
that would rather wait for its clip (``Prefer: wait``) may have had its answer break off while the clip ended, so for as
long before that as its sendings waited it is answered with an ended one too. What was refused made nothing: a refusal
tells such clients not to retry, or, if it is for the moment, is remembered so that the retry is a request of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.caller import Caller
from accounts.models import Workspace
from catalog.requests import Ask
from generation.models import Generation
from generation.submission import retries
from loremotion.preferences import preferred_seconds
from loremotion.refusals import Conflict, Invalid, Unavailable

KEPT_FOR = timedelta(hours=24)
MOST_LIKE = 50
"""Like clips among which the one that a retry did not hear of is looked for."""
_ASKED = tuple(field.name for field in fields(Ask))
_COUNT = re.compile(r"[0-9]{1,6}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Sending:
    """What a request's headers say about being sent before."""

    key: str
    retry: int = 0
    """How often the client has sent it before, by its own count; 0 for the first time."""
    waits_seconds: float = 0.0
    """How long each sending would rather wait for the clip."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a request's headers say about being sent before, and the digest of what it asks for."""

    key: str
    retry: int
    """How often the client has sent it before, by its own count; 0 for the first time."""
    digest: str
    waits_seconds: float = 0.0
    """How long each sending would rather wait for the clip."""
    sender: str = ""
    """The API key, since two programs of a team may number their requests alike; empty for people."""
    is_private: bool | None = None
    last_release_digest: str = ""
    """Says nothing of ``is_private``; clips of the last release have it. To be dropped in the next."""
    given_id: uuid.UUID | None = None
    """The id of the clip, where that follows from another's: see ``together``."""

    def is_for(self, made: Generation) -> bool:
        """Whether it asks for what ``made`` was made for."""
        is_like = made.ask_digest == self.last_release_digest and made.is_private == self.is_private
        return is_like or made.ask_digest == self.digest

    def sending(self, workspace: Workspace, *, retry: int) -> str:
        """The name of the ``retry``-th sending of such a request."""
        return f"{workspace.id}:{self.sender}:{self.digest}:{retry}"

    def id_in(self, workspace: Workspace) -> uuid.UUID:
        """The id of the clip that this request makes: the same all day for the same key."""
        if self.given_id is not None:
            return self.given_id
        return self._id_of(workspace, timezone.now().date()) if self.key else uuid.uuid4()

    def known_ids(self, workspace: Workspace) -> list[uuid.UUID]:
        """The ids that the clip of this key may have."""
        today = timezone.now().date()
        last_release = uuid.uuid5(workspace.id, self.key)
        return [self._id_of(workspace, today), self._id_of(workspace, today - timedelta(days=1)), last_release]

    def _id_of(self, workspace: Workspace, day: date) -> uuid.UUID:
        return uuid.uuid5(workspace.id, f"{self.sender} {day} {self.key}")


def read_repeat(
    request: HttpRequest,
    ask: Ask,
    *,
    files: Mapping[str, UploadedFile[Any]],
    clips: Mapping[str, str],
    addresses: Mapping[str, str],
    is_private: bool | None,
    caller: Caller,
    user_ref: str = "",
    carries_credentials: bool = False,
) -> Repeat:
    """Read the headers ``Idempotency-Key`` and ``x-stainless-retry-count``. What lies at an address is no part of what
    is asked for: signed ones are soon out of date, and the retry of a request has to find its clip then too.

    Raises:
        Invalid: a key that is not 1 to 255 printable ASCII characters.
    """
    said: Any = {"files": files, "clips": {**clips, **addresses}, "is_private": is_private, "user_ref": user_ref}
    said["carries_credentials"] = carries_credentials
    return repeat_of(read_sending(request), ask, **said, caller=caller)


def read_sending(request: HttpRequest) -> Sending:
    """Read those headers alone. Raises as ``read_repeat``."""
    sent = request.headers.get("Idempotency-Key")
    if sent is not None and not _KEY.fullmatch(sent):  # an empty one too: whoever sends it relies on it
        raise Invalid(
            "invalid_idempotency_key",
            "The Idempotency-Key cannot be used.",
            next_step="Send 1 to 255 printable ASCII characters, such as a UUID.",
        )
    counted = _COUNT.fullmatch(request.headers.get("x-stainless-retry-count", "").strip())
    return Sending(sent or "", int(counted[0]) if counted is not None else 0, preferred_seconds(request))


def named_by(sending: Sending, asked: Mapping[str, Any], *, caller: Caller) -> Repeat:
    """What a request says that is sent so, and is for what ``asked`` says in JSON."""
    digest = _digest(asked)
    return Repeat(sending.key, sending.retry, digest, sender=str(_line_of(caller) or ""), last_release_digest=digest)


def repeat_of(
    sending: Sending,
    ask: Ask,
    *,
    files: Mapping[str, UploadedFile[Any]],
    clips: Mapping[str, str],
    is_private: bool | None,
    caller: Caller,
    user_ref: str = "",
    carries_credentials: bool = False,
    is_draft: bool = False,
) -> Repeat:
    """What a request says that is sent so.

    Args:
        clips: ids of own clips and addresses of files by role, each as it was written.
    """
    asked = {name: getattr(ask, name) for name in _ASKED}
    asked["inputs"] = {**clips, **{role: _digest_of(file) for role, file in files.items()}}
    if user_ref:
        asked["user_ref"] = user_ref
    if carries_credentials:
        asked["carries_credentials"] = True
    if is_draft:
        asked["draft"] = True
    last_release_digest = _digest(asked)
    digest = last_release_digest if is_private is None else _digest({**asked, "private": is_private})
    return Repeat(
        sending.key,
        sending.retry,
        digest,
        sending.waits_seconds,
        str(_line_of(caller) or ""),
        is_private,
        last_release_digest,
    )


def together(repeats: Sequence[Repeat]) -> list[Repeat]:
    """``repeats`` as those of one request: only the first one is found by its key or as a retry, each digest is of the
    whole, and the others' ids follow from the first one's (``id_behind``), so they are found with it or not at all."""
    if len(repeats) == 1:
        return list(repeats)
    whole = [repeat.digest for repeat in repeats]
    digests = [_digest({"of": whole, "number": number}) for number in range(len(repeats))]
    return [
        replace(repeat, key=repeat.key if number == 0 else "", digest=digest, last_release_digest=digest)
        for number, (repeat, digest) in enumerate(zip(repeats, digests, strict=True))
    ]


def id_behind(first: uuid.UUID, number: int) -> uuid.UUID:
    """The id of the clip that was asked for ``number`` places behind the one called ``first``."""
    return uuid.uuid5(first, str(number))


def made_with(first: Generation, repeats: Sequence[Repeat], caller: Caller) -> list[Generation]:
    """``first`` and the clips that were asked for behind it, in that order.

    Raises:
        Invalid: one of them is deleted, or the caller does not see it any more.
    """
    ids = [id_behind(first.id, number) for number in range(1, len(repeats))]
    own = Generation.objects.seen_by(caller).for_display().filter(id__in=ids) if ids else ()
    found = {made.id: made for made in own}
    if len(found) < len(ids) or any(
        not repeat.is_for(found[made_id]) for repeat, made_id in zip(repeats[1:], ids, strict=True)
    ):
        raise reused_key() if repeats[0].key else _incomplete()
    return [first, *(_repeated(found[made_id]) for made_id in ids)]


@contextmanager
def noting_refusal(caller: Caller, repeat: Repeat) -> Iterator[None]:
    """Note what the block refuses for the moment, so that no retry of it is answered with what another request made. If
    it cannot be noted, the refusal is final."""
    try:
        yield
    except Unavailable as refusal:
        if not repeat.key and caller.workspace is not None:
            sending = repeat.sending(caller.workspace, retry=repeat.retry)
            refusal.is_final = not retries.note_refused(sending)
        raise


def find_repeated(caller: Caller, repeat: Repeat, *, clips: int = 1) -> Generation | None:
    """The clip that an earlier sending of this request made, if there is one, and the caller sees it.

    Args:
        clips: how many the request makes; the first of them is returned.

    Raises:
        Invalid: the key was used for something else.
    """
    if caller.workspace is None:
        return None
    if repeat.key:
        return with_same_key(caller.workspace, repeat, caller=caller)
    if not repeat.retry or retries.take_refused(repeat.sending(caller.workspace, retry=repeat.retry - 1)):
        return None
    since = timezone.now() - retries.looked_back(retry=repeat.retry, waited_seconds=repeat.waits_seconds)
    own = Generation.objects.seen_by(caller).kept().for_display()
    if not repeat.waits_seconds and clips == 1:
        own = own.open()
    recent = own.filter(created_at__gt=since, ask_digest=repeat.digest, api_key=_line_of(caller))
    latest = list(recent.order_by("-created_at")[:MOST_LIKE])
    if not repeat.waits_seconds and clips > 1:
        latest = _open_firsts(caller, latest, clips)
    return next((_repeated(made) for made in latest if retries.claim(made, retry=repeat.retry)), None)


def _open_firsts(caller: Caller, firsts: Sequence[Generation], clips: int) -> list[Generation]:
    """Those of ``firsts`` that are open themselves, or one of the clips made together with them is."""
    together = {first.id: {first.id, *(id_behind(first.id, number) for number in range(1, clips))} for first in firsts}
    ids = set().union(*together.values())
    still_open = set(Generation.objects.seen_by(caller).open().filter(id__in=ids).values_list("id", flat=True))
    return [first for first in firsts if together[first.id] & still_open]


def with_same_key(workspace: Workspace, repeat: Repeat, *, caller: Caller | None) -> Generation | None:
    """The clip that the request's key stands for, if it has a key and the clip is there.

    Raises:
        Invalid: the key was used for something else, or for a clip that the caller does not see.
    """
    if not repeat.key:
        return None
    known = Generation.objects.of(workspace).for_display().filter(id__in=repeat.known_ids(workspace))
    made = known.filter(created_at__gt=timezone.now() - KEPT_FOR).order_by("-created_at").first()
    if made is None:
        return None
    is_seen = caller is None or Generation.objects.seen_by(caller).filter(id=made.id).exists()
    if not repeat.is_for(made) or not is_seen:
        raise reused_key()
    return _repeated(made)


def _repeated(made: Generation) -> Generation:
    made.is_repeated = True
    return made


def _line_of(caller: Caller) -> int | None:
    return caller.key.line_id if caller.key is not None else None


class KeyReused(Invalid):
    """A key stands for something else already."""


def reused_key() -> KeyReused:
    """The refusal of such a key."""
    return KeyReused(
        "idempotency_key_reused",
        "This Idempotency-Key came with another request before, or its clip is deleted.",
        next_step="Use a new key for each request, and the same one for its repetitions only.",
    )


def form_reused() -> Conflict:
    """The same of what a form has as its key, for whoever looks at that form."""
    return Conflict(
        "sent_before",
        _("This form was already submitted with different contents."),
        next_step=_("Press the button again."),
    )


def _incomplete() -> Invalid:
    return Invalid(
        "batch_incomplete",
        _("This request was sent before, and one of the clips that it made is deleted."),
        next_step=_("To make all of them again, send it as a new request."),
    )


def _digest(asked: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _digest_of(file: UploadedFile[Any]) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()
