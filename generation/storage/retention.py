"""How long files are kept. Clips, and what they were made from: as long as the plan says; the receipt stays. What was
sent for a request that made no clip goes when the request ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import Workspace
from billing.plans import entitlements
from generation.models import Clip, Generation, Upload
from generation.storage import files
from loremotion.row_security import across_workspaces
from loremotion.sweeping import each

BATCH = 100
UNCLAIMED_LASTS = timedelta(hours=1)
"""After this, a file whose request never came to be goes."""


def keep_until(workspace: Workspace, made_at: datetime) -> datetime:
    """The end of a clip's time, by the plan that the workspace has now."""
    return made_at + timedelta(days=entitlements(workspace.id).retention_days)


@across_workspaces("before its request is made, a file is nobody's")
def note_uploads(sent: Mapping[str, str]) -> None:
    """Note files that are about to be stored. Unless a request claims them, they go after ``UNCLAIMED_LASTS``.

    Args:
        sent: key → ``Upload.sent_sha256``.
    """
    until = timezone.now() + UNCLAIMED_LASTS
    Upload.objects.bulk_create([Upload(key=key, sent_sha256=sha256, expires_at=until) for key, sha256 in sent.items()])


@across_workspaces("nor is it anybody's once its request is erased")
def forget_uploads(keys: Collection[str]) -> None:
    """Delete the rows of files that are gone."""
    Upload.objects.filter(key__in=keys).delete()


@across_workspaces("before it is claimed, a file is nobody's")
def claim_uploads(generation: Generation) -> None:
    """Keep these uploads for as long as their request is open."""
    if not generation.inputs:
        return
    keys = [*generation.inputs.values(), *map(files.credentials_key, generation.inputs.values())]
    Upload.objects.filter(key__in=keys).update(generation=generation, expires_at=None)


def let_uploads_go(generation_id: UUID) -> None:
    """Let the uploads of a request that made no clip go with the next sweep. For the transaction that ends it."""
    Upload.objects.filter(generation_id=generation_id).update(expires_at=timezone.now())


def sweep_clips() -> None:
    """Remove what is over its time. A clip whose workspace has a longer plan by now is kept for that plan's time."""
    over = Clip.objects.filter(expires_at__lt=timezone.now()).select_related("generation__workspace")
    each(over.order_by("expires_at")[:BATCH], _end)


def _end(clip: Clip) -> None:
    until = keep_until(clip.generation.workspace, clip.created_at)
    if until > timezone.now() and clip.generation.deleted_at is None:
        Clip.objects.filter(pk=clip.pk).update(expires_at=until)
        return
    files.delete(clip.generation)  # before the rows: a crash in between leaves rows that the next sweep finds
    Upload.objects.filter(generation=clip.generation).delete()
    clip.delete()


def sweep_uploads() -> None:
    """Remove files whose request never came to be, made no clip, or was erased."""
    each(Upload.objects.filter(expires_at__lt=timezone.now()).order_by("expires_at")[:BATCH], _remove)


def _remove(upload: Upload) -> None:
    default_storage.delete(upload.key)
    upload.delete()
