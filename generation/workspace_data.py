"""Clips and credits go where their workspace goes: what ``accounts.workspace_data`` asks of this app."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Final

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan
from django.utils import timezone

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.workspace_data import ExportedFile
from billing import ledger
from generation.api import presentation
from generation.drafts.models import Draft
from generation.models import Generation, NotificationRequest, Upload
from generation.settlement import settle
from generation.sharing import links
from generation.sharing.models import Share
from generation.storage import files, retention, traces
from loremotion.database import in_batches
from loremotion.refusals import Conflict

BATCH = 500
_PLACE: Final = Tuple(F("created_at"), F("id"))
NOTIFICATION = ("generation_id", "user__email")
DRAFT = ("generation_id", "final_preset", "final_steps", "final_id")


def move(*, source: Workspace, into: Workspace) -> None:
    """Move credits, then clips: the first waits for whoever is submitting, so that their clip is there to be moved.

    What is queued or running goes on and keeps its place; what is then given back follows to the new account.
    """
    _lock_open(source)
    ledger.merge(source=source.id, into=into.id, reference=f"merge:{source.id}")
    Generation.objects.of(source).update(workspace=into)


def _lock_open(workspace: Workspace) -> list[Generation]:
    """The open clips, locked in the queue's order before any account is: settling locks the same way, so there is no
    deadlock."""
    return list(Generation.objects.select_for_update().of(workspace).open().order_by("fair_finish", "id"))


@transaction.atomic
def stop(workspace: Workspace) -> None:
    """Cancel what waits and what runs."""
    for generation in _lock_open(workspace):
        try:
            settle.cancel(generation)
        except Conflict:
            continue  # it ended by itself just now


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Every request with its receipt, every clip, its link, what drafts became, what was sent for it and who wants
    mail when it has ended, as far as the reader sees them, and every movement of credits."""
    yield ExportedFile("clips.json", _as_json(_requests(reader)))
    yield ExportedFile("credits.json", _as_json(_movements(workspace)))
    wanted = NotificationRequest.objects.filter(generation__in=Generation.objects.seen_by(reader)).order_by("id")
    yield ExportedFile("notifications.json", _as_json(list(wanted.values(*NOTIFICATION))))
    yield ExportedFile("links.json", _as_json(_links(reader)))
    yield ExportedFile("drafts.json", _as_json(_drafts(reader)))
    finished = Generation.objects.seen_by(reader).filter(clip__isnull=False).select_related("clip")
    for generation in in_batches(finished):
        if default_storage.exists(generation.clip.key):
            yield ExportedFile(f"clips/{generation.id}.mp4", default_storage.open(generation.clip.key))
    for upload in in_batches(Upload.objects.filter(generation__in=Generation.objects.seen_by(reader))):
        if default_storage.exists(upload.key):
            name = upload.key.rsplit("/", 1)[-1]
            yield ExportedFile(f"sent/{upload.generation_id}/{name}", default_storage.open(upload.key))


def erase(workspace: Workspace) -> None:
    """Delete rows at once and files when that is certain. The ledger knows ids alone, and keeps them."""
    stop(workspace)
    doomed = list(Generation.objects.of(workspace))
    sent = Upload.objects.filter(generation__workspace=workspace)
    keys = list(sent.values_list("key", flat=True))
    sent.update(expires_at=timezone.now())  # whatever happens to the deleting below, their files go
    doomed_ids = [str(generation.id) for generation in doomed]  # deleting takes the rows' own
    Generation.objects.of(workspace).delete()
    transaction.on_commit(lambda: _delete_files(doomed_ids, keys))
    transaction.on_commit(lambda: traces.forget(doomed))


def _delete_files(generation_ids: list[str], keys: list[str]) -> None:
    for generation_id in generation_ids:
        files.delete_outputs(generation_id)
    for key in keys:
        default_storage.delete(key)
    retention.forget_uploads(keys)


def _requests(reader: Caller) -> Iterator[dict[str, Any]]:
    """Every request, oldest first, a batch read at a time: no cursor holds the connection in between."""
    rows = left = Generation.objects.seen_by(reader).for_display().order_by("created_at", "id")
    while batch := list(left[:BATCH]):
        for generation, shown in zip(batch, presentation.videos(batch), strict=True):
            more = ("negative_prompt", "seed", "is_favourite")
            yield {**shown, **{name: getattr(generation, name) for name in more}}
        left = rows.filter(TupleGreaterThan(_PLACE, (batch[-1].created_at, batch[-1].id)))


def _drafts(reader: Caller) -> list[dict[str, Any]]:
    """What drafts are finished with, and the clips that came of them."""
    seen = Generation.objects.seen_by(reader)
    drafts = Draft.objects.filter(generation__in=seen).order_by("generation_id")
    finals = set(seen.filter(id__in=drafts.values("final")).values_list("id", flat=True))
    return [
        {**row, "final_id": row["final_id"] if row["final_id"] in finals else None} for row in drafts.values(*DRAFT)
    ]


def _links(reader: Caller) -> list[dict[str, Any]]:
    """The clips that anybody may see, and by which link."""
    shared = Share.objects.filter(clip__generation__in=Generation.objects.seen_by(reader)).order_by("created_at", "id")
    return [
        {
            "generation_id": link.clip_id,
            "url": links.address(link.token),
            "prompt": link.shows_prompt,
            "indexed": link.is_indexed,
            "created_at": link.created_at,
        }
        for link in shared
    ]


def _movements(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Every movement of credits, newest first."""
    before: int | None = None
    while page := ledger.movements(account=workspace.id, before=before, limit=BATCH):
        yield from map(asdict, page)
        before = page[-1].seq


def _as_json(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a JSON array row by row."""
    before = "["
    for row in rows:
        yield f"{before}\n{json.dumps(row, indent=1, default=str, ensure_ascii=False)}"
        before = ","
    yield "[]" if before == "[" else "\n]"
