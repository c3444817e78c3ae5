"""Signs a finished clip, as the last thing that happens to its file: from here on it says of itself what it is.

A signature may wait for a key service, so it is made and stored before the transaction that needs it, under a name that
holds its digest. The clip's row says which signed file is the clip. So a crash at any line leaves the clip as its
worker delivered it, to be signed once more, and of two that sign the same clip one counts.

The clip may come from anybody's GPU, so a confined program reads it, which has no key (``signing_sandbox``) and a wall
clock. All of it happens in a process of its own (``settlement.signing_queue``).
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final
from uuid import UUID

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.utils import timezone

from generation.models import Clip, Generation, Upload, manifest_key, signed_key
from generation.provenance import carried, certificate, manifest, media_types
from generation.provenance.certificate import Credential
from generation.provenance.signature_service import SignatureService
from generation.storage import files
from gpu_worker import log_context, sandbox
from loremotion import database

logger = logging.getLogger(__name__)

FIRST_PAUSE: Final = timedelta(minutes=1)
GIVEN_UP_AFTER: Final = timedelta(days=7)
LEFT_OUT_AFTER: Final = timedelta(days=1)
"""A clip that is unsigned so long, for whatever reason, is signed without what its files brought along, if that can be
done: else a file that only looks sound could keep a clip from ever saying that a model made it."""
WALL_SECONDS: Final = 15.0
"""Without what reading the ingredients may take."""
_PROGRAM: Final = Path(__file__).with_name("signing_sandbox.py")
_READ_AT_ONCE_BYTES: Final = 1024**2
_MOST_MANIFEST_BYTES: Final = 64 * 1024**2


class NotSigned(Exception):
    """The clip could not be signed; the message says why."""


class IngredientRefused(NotSigned):
    """What the clip was made from cannot be read, and never will be."""

    def __init__(self, role: str) -> None:
        super().__init__(f"the Content Credentials of its {role} cannot be read.")
        self.role = role


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed clip and its manifest, stored, but not known to the clip's row yet."""

    clip_key: str
    manifest_key: str
    size_bytes: int
    sha256: str
    left_out_credentials: bool = False
    """As of ``Clip``."""

    def facts(self) -> dict[str, Any]:
        """The values of the columns that make it the clip."""
        made = {"size_bytes": self.size_bytes, "signed_sha256": self.sha256}
        made |= {"left_out_credentials": self.left_out_credentials}
        return {**made, "signed_at": timezone.now(), "sign_at": None}


@contextmanager
def sign_clip(generation: Generation, sha256: str) -> Iterator[Signed | None]:
    """The clip that was delivered with this digest, signed; None where this site signs none, or could not.

    Removes it again unless the clip's row names it after the block. Keeps no connection meanwhile.
    """
    made = None
    if certificate.is_configured():
        database.give_back()
        try:
            made = sign(generation, sha256)
        except Exception:  # whatever is wrong with key, certificate, file or store: nobody's clip is lost over it
            logger.exception("The clip %s is not signed yet, and is tried again", generation.id)
    try:
        yield made
    finally:
        if made is not None and not Clip.objects.filter(pk=generation.pk, signed_sha256=made.sha256).exists():
            for key in (made.clip_key, made.manifest_key):
                default_storage.delete(key)


def unsigned_facts() -> dict[str, Any]:
    """The values of the columns of a clip that could not be signed now."""
    return {"sign_at": timezone.now() + FIRST_PAUSE} if certificate.is_configured() else {}


def sign(generation: Generation, sha256: str) -> Signed:
    """Sign the clip that its worker delivered with this digest, and store what comes out.

    An ingredient that cannot be read is left out. Any other fault may pass, and is no reason to leave one out: whoever
    asked for it to go along gets that with the next try.

    Raises:
        NotSigned: the file is gone, another, or none that can be signed, or the key service failed.
        Unusable: the site's certificate cannot be used.
    """
    credential, brought = certificate.current(), _brought(generation)
    to_carry, is_overdue = carried.roles_to_carry(generation), _is_overdue(generation)
    database.give_back()
    with ExitStack() as stack:
        delivered = stack.enter_context(_copy_of(files.key(generation, files.CLIP)))
        if delivered is None:
            raise NotSigned("its file is gone.")
        if hashlib.file_digest(delivered, "sha256").hexdigest() != sha256:  # type: ignore[arg-type]  # it has readinto
            raise NotSigned("its file is not the one that was reported.")
        ready, sidecar = stack.enter_context(TemporaryFile()), stack.enter_context(TemporaryFile())
        ingredients = _ingredients(generation, brought, stack)
        digest = ""
        while not digest:
            try:
                digest = _sign_with(generation, ready, sidecar, delivered, ingredients, brought, credential)
            except NotSigned as problem:
                refused = _refused(ingredients, problem, is_overdue=is_overdue)
                if not refused:
                    raise
                logger.warning("%s is signed without its %s: %s", generation.id, ", ".join(refused), problem)
                ingredients = {role: each for role, each in ingredients.items() if role not in refused}
                for file in (ready, sidecar):
                    file.seek(0)
                    file.truncate()
        key = signed_key(generation.id, digest)
        made = Signed(
            key,
            manifest_key(key),
            size_bytes=ready.tell(),
            sha256=digest,
            left_out_credentials=bool(to_carry - ingredients.keys()),
        )
        for name, file in ((made.clip_key, ready), (made.manifest_key, sidecar)):
            file.seek(0)
            default_storage.save(name, File(file))
    return made


def _is_overdue(generation: Generation) -> bool:
    since = timezone.now() - LEFT_OUT_AFTER
    return Clip.objects.filter(pk=generation.pk, created_at__lt=since).exists()


def _refused(ingredients: Mapping[str, dict[str, Any]], problem: NotSigned, *, is_overdue: bool) -> set[str]:
    """The roles of the ingredients without which the clip is to be signed after this fault; none where it may pass."""
    if isinstance(problem, IngredientRefused):
        return {problem.role} & ingredients.keys()
    return {role for role, each in ingredients.items() if each["is_needed"]} if is_overdue else set()


@contextmanager
def _copy_of(key: str) -> Iterator[IO[bytes] | None]:
    """The stored file as one that a program can be given; None where it is gone."""
    with TemporaryFile() as own:
        try:
            with default_storage.open(key) as stored:
                shutil.copyfileobj(stored, own)
        except FileNotFoundError:
            yield None
            return
        own.seek(0)
        yield own


def _brought(generation: Generation) -> dict[str, str]:
    """Role → digest of what people sent for the clip that had Content Credentials of its own."""
    roles = {key: role for role, key in generation.inputs.items()}
    noted = Upload.objects.filter(key__in=list(roles)).exclude(sent_sha256="") if roles else ()
    return {roles[upload.key]: upload.sent_sha256 for upload in noted}


def _ingredients(generation: Generation, brought: Mapping[str, str], stack: ExitStack) -> dict[str, dict[str, Any]]:
    """By role, the clips of this site that the clip was made from, and the Content Credentials of what people sent
    where they go along: these may say who somebody is and where they were."""
    found: dict[str, dict[str, Any]] = {}
    for role, key in sorted(generation.inputs.items()):
        if files.generation_of(key) is not None:
            stored, media_type = key, media_types.MP4
        elif role in brought and carried.is_offered():
            stored, media_type = files.credentials_key(key), media_types.MANIFESTS
        else:
            continue
        if (file := stack.enter_context(_copy_of(stored))) is not None:
            said = {"media_type": media_type, "definition": manifest.ingredient(generation, role)}
            is_needed = role in brought or manifest.is_parent(generation, role)
            found[role] = {"file": file.fileno(), **said, "is_needed": is_needed}
    return found


def _sign_with(
    generation: Generation,
    ready: IO[bytes],
    sidecar: IO[bytes],
    delivered: IO[bytes],
    ingredients: Mapping[str, dict[str, Any]],
    brought: Mapping[str, str],
    credential: Credential,
) -> str:
    """As ``_sign_into``. The clip says of what was brought along and is none of the ``ingredients`` that it is left
    out."""
    left_out = {role: sha256 for role, sha256 in brought.items() if role not in ingredients}
    definition = manifest.of(generation, left_out=left_out, from_files=ingredients)
    for descriptor in (delivered.fileno(), *(each["file"] for each in ingredients.values())):
        os.lseek(descriptor, 0, os.SEEK_SET)
    return _sign_into(ready, sidecar, delivered, definition, list(ingredients.values()), credential)


def _sign_into(
    ready: IO[bytes],
    sidecar: IO[bytes],
    delivered: IO[bytes],
    definition: dict[str, Any],
    ingredients: list[dict[str, Any]],
    credential: Credential,
) -> str:
    """Write the signed clip and its manifest. Returns the clip's digest."""
    digest = hashlib.sha256()
    with SignatureService(credential) as service:
        said = {
            "manifest": definition,
            "algorithm": credential.algorithm,
            "chain": credential.chain_pem,
            "timestamp_url": settings.C2PA_TIMESTAMP_URL or None,
            "socket": service.descriptor,
            "ingredients": ingredients,
        }
        also_open = [service.descriptor, *(each["file"] for each in ingredients)]
        wall_seconds = WALL_SECONDS + len(ingredients) * carried.WALL_SECONDS
        try:
            with sandbox.reading(_PROGRAM, delivered, said, wall_seconds=wall_seconds, also_open=also_open) as (
                announced,
                out,
            ):
                if isinstance(role := announced.get("refused"), str):
                    raise IngredientRefused(role)
                sidecar.write(_part(out, announced.get("manifest_bytes"), most=_MOST_MANIFEST_BYTES))
                left = announced.get("clip_bytes")
                while isinstance(left, int) and left > 0:
                    chunk = _part(out, min(left, _READ_AT_ONCE_BYTES), most=_READ_AT_ONCE_BYTES)
                    ready.write(chunk)
                    digest.update(chunk)
                    left -= len(chunk)
        except sandbox.FileUnreadable as problem:
            raise NotSigned(str(service.fault or f"the clip {problem}")) from service.fault or problem
    return digest.hexdigest()


def _part(out: IO[bytes], size: object, *, most: int) -> bytes:
    part = out.read(size) if isinstance(size, int) and 0 < size <= most else b""
    if not part or len(part) != size:
        raise sandbox.FileUnreadable("is damaged or cut off.")
    return part


def claim_due(*, limit: int) -> Iterator[UUID]:
    """The clips to be signed now that were delivered unsigned, the longest due first. Each is claimed as it is taken:
    nobody else is given it before its next try, at pauses that double."""
    now = timezone.now()
    due = Clip.objects.filter(sign_at__lt=now, signed_at=None, generation__deleted_at=None).order_by("sign_at")
    for clip in due[:limit]:
        next_try = now + max(FIRST_PAUSE, now - clip.created_at)
        if Clip.objects.filter(pk=clip.pk, signed_at=None, sign_at=clip.sign_at).update(sign_at=next_try):
            yield clip.pk


def sign_late(generation_id: UUID | str) -> bool:
    """Sign a clip that was delivered unsigned. Returns False where that is done already, or did not succeed: it is
    tried again for a week."""
    waiting = Clip.objects.filter(generation_id=generation_id, signed_at=None, generation__deleted_at=None)
    clip = waiting.select_related("generation__version__model").first()
    if clip is None:
        return False
    with log_context.bound(**clip.log_ids):
        with sign_clip(clip.generation, clip.sha256) as made:
            # What was delivered stays: a clip that waits may begin with it.
            is_signed = made is not None and bool(waiting.update(**made.facts()))
        if made is None and timezone.now() - clip.created_at > GIVEN_UP_AFTER:
            logger.error("The clip %s stays unsigned: it has been tried for a week", clip.generation_id)
            waiting.update(sign_at=None)
    return is_signed
