"""Signs a finished clip, as the last thing that happens to its file: from here on it says of itself what it is.

A signature may wait for a key service, so it is made before the transaction that needs it, under a passing name.
Whoever wins the clip's row gives the file its own, within that transaction. So a crash at any line leaves the clip as
its worker delivered it, to be signed once more, and of two that sign the same clip one counts.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import IO, Any, Final

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from generation.models import Clip, Generation
from generation.provenance import certificate, manifest, media_types
from generation.provenance.certificate import Credential, Unusable
from generation.storage import files
from generation.storage.store import store
from loremotion import database
from loremotion.sweeping import each

logger = logging.getLogger(__name__)

BATCH: Final = 20
FIRST_PAUSE: Final = timedelta(minutes=1)
GIVEN_UP_AFTER: Final = timedelta(days=7)
CONTEXT: Final = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
"""A file that somebody sent may name an address in its manifest; nobody goes there."""
_HASHED_AT_ONCE_BYTES: Final = 1024**2


class NotSigned(Exception):
    """The clip could not be signed; the message says why."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed clip and its manifest, under passing names."""

    clip_key: str
    manifest_key: str
    size_bytes: int
    sha256: str

    def facts(self) -> dict[str, Any]:
        """The values of the columns that change with the file."""
        return {"size_bytes": self.size_bytes, "sha256": self.sha256, "signed_at": timezone.now(), "sign_at": None}

    def put_in_place(self, generation: Generation) -> None:
        """Give both files their names. For the transaction that says so in the clip's row, once it holds that row."""
        store().rename(self.manifest_key, files.manifest_key(generation.id))
        store().rename(self.clip_key, files.signed_key(generation.id))

    def discard(self) -> None:
        """Remove what has not got its name."""
        for key in (self.clip_key, self.manifest_key):
            default_storage.delete(key)


@contextmanager
def signed(generation: Generation) -> Iterator[Signed | None]:
    """The delivered clip, signed; None where this site signs none, or could not. Keeps no connection meanwhile."""
    made = None
    if certificate.is_configured():
        database.give_back()
        try:
            made = sign(generation)
        except (NotSigned, Unusable, OSError) as problem:
            logger.error("The clip %s is delivered unsigned and signed later: %s", generation.id, problem)
    try:
        yield made
    finally:
        if made is not None:
            made.discard()


def unsigned_facts() -> dict[str, Any]:
    """The values of the columns of a clip that could not be signed now."""
    return {"sign_at": timezone.now() + FIRST_PAUSE} if certificate.is_configured() else {}


def sign(generation: Generation) -> Signed:
    """Sign the clip as its worker delivered it, and store what comes out under passing names.

    Raises:
        NotSigned: the file is none that can be signed, or the key service failed.
        Unusable: the site's certificate cannot be used.
    """
    credential = certificate.current()
    arriving = f"{files.signed_key(generation.id)}.{secrets.token_hex(6)}.arriving"
    with ExitStack() as stack:
        try:
            delivered = stack.enter_context(default_storage.open(files.key(generation, files.CLIP)))
        except FileNotFoundError:
            raise NotSigned("its file is gone.") from None
        ready = stack.enter_context(TemporaryFile())
        content = _signed_into(ready, delivered, generation, credential)
        digest = hashlib.sha256()
        ready.seek(0)
        while chunk := ready.read(_HASHED_AT_ONCE_BYTES):
            digest.update(chunk)
        made = Signed(arriving, f"{arriving}.c2pa", size_bytes=ready.tell(), sha256=digest.hexdigest())
        ready.seek(0)
        default_storage.save(made.clip_key, File(ready))
    with TemporaryFile() as sidecar:
        sidecar.write(content)
        sidecar.seek(0)
        default_storage.save(made.manifest_key, File(sidecar))
    return made


def _signed_into(ready: IO[bytes], delivered: IO[bytes], generation: Generation, credential: Credential) -> bytes:
    """Write the signed clip. Returns its manifest."""
    from c2pa import Builder, C2paError, Context  # a large library, which only whoever signs needs

    with _Signer(credential) as signer, Context.from_dict(CONTEXT) as context:
        try:
            with Builder.from_json(json.dumps(manifest.of(generation)), context) as builder:
                _add_ingredients(builder, generation)
                return bytes(builder.sign(signer.handle, media_types.MP4, delivered, ready))
        except C2paError as problem:
            raise NotSigned(f"{signer.fault or problem}") from problem


def _add_ingredients(builder: Any, generation: Generation) -> None:
    """Name what the clip was made from; a file's own manifest is kept with it."""
    from c2pa import C2paError

    for role, key in sorted(generation.inputs.items()):
        with suppress(FileNotFoundError), default_storage.open(key) as file:
            media_type = media_types.of(file)
            if media_type is None:
                continue
            try:
                builder.add_ingredient(json.dumps(manifest.ingredient(generation, role)), media_type, file)
            except C2paError as problem:
                logger.warning("What %s of the clip %s says of itself is left out: %s", role, generation.id, problem)


class _Signer:
    """C2PA's signer of a credential. What the operator's function raises is kept: the library hides it."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential
        self.fault: Exception | None = None

    def __enter__(self) -> _Signer:
        from c2pa import C2paError, C2paSignerInfo, C2paSigningAlg, Signer

        it = self._credential
        algorithm = C2paSigningAlg[it.algorithm.upper()]
        stamps = settings.C2PA_TIMESTAMP_URL or None
        try:
            if it.sign is not None:
                self.handle = Signer.from_callback(self._sign, algorithm, it.chain_pem, stamps)
            else:
                assert it.key_pem is not None
                info = C2paSignerInfo(algorithm, it.chain_pem.encode(), it.key_pem.encode(), stamps and stamps.encode())
                self.handle = Signer.from_info(info)
        except C2paError as problem:
            raise Unusable(f"{settings.C2PA_CERTIFICATE}: {problem}") from problem
        return self

    def _sign(self, data: bytes) -> bytes:
        assert self._credential.sign is not None
        try:
            return self._credential.sign(data)
        except Exception as fault:
            self.fault = fault
            raise

    def __exit__(self, *_: object) -> None:
        self.handle.close()


def sign_due() -> None:
    """Sign clips that could not be signed when they were delivered, at pauses that double, for a week."""
    if certificate.is_configured():
        due = Clip.objects.filter(sign_at__lt=timezone.now()).select_related("generation__version__model")
        each(due.order_by("sign_at")[:BATCH], _sign_late)


def _sign_late(clip: Clip) -> None:
    with signed(clip.generation) as made, transaction.atomic():
        waiting = Clip.objects.filter(pk=clip.pk, sign_at__isnull=False)
        if made is None:
            waiting.update(sign_at=_next_try(clip, timezone.now()))
        elif waiting.update(**made.facts()):
            made.put_in_place(clip.generation)  # what was delivered stays: a clip that waits may begin with it


def _next_try(clip: Clip, now: datetime) -> datetime | None:
    waited = now - clip.created_at
    return None if waited > GIVEN_UP_AFTER else now + max(FIRST_PAUSE, waited)
