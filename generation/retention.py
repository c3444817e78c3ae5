"""How long finished clips are kept: as long as the plan says, and then their files go. The receipt stays."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import Workspace
from billing.plans import entitlements
from generation import files
from generation.models import Clip

BATCH = 100


def keep_until(workspace: Workspace, made_at: datetime) -> datetime:
    """The end of a clip's time, by the plan that the workspace has now."""
    return made_at + timedelta(days=entitlements(workspace.id).retention_days)


def sweep() -> None:
    """Remove what is over its time. A clip whose workspace has a longer plan by now is kept for that plan's time."""
    over = Clip.objects.filter(expires_at__lt=timezone.now()).select_related("generation__workspace")
    for clip in over.order_by("expires_at")[:BATCH]:
        until = keep_until(clip.generation.workspace, clip.created_at)
        if until > timezone.now() and clip.generation.deleted_at is None:
            Clip.objects.filter(pk=clip.pk).update(expires_at=until)
            continue
        files.delete(clip.generation)  # before the row: a crash in between leaves a row that the next sweep finds
        clip.delete()
