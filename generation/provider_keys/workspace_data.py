"""Provider keys go where their workspace goes: what ``accounts.workspace_data`` asks of this app."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from django.utils import timezone

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.workspace_data import ExportedFile
from generation.models import Generation
from generation.provider_keys.models import KeyedClip, ProviderKey

_EXPORTED: Final = ("id", "account", "title", "hint", "state", "said", "tested_at", "created_at", "removed_at")


def move(*, source: Workspace, into: Workspace) -> None:
    """Move keys, with the clips that are made with them. Where there is one for the same account, that one stays."""
    moved = ProviderKey.objects.filter(workspace=source)
    there = ProviderKey.objects.of(into).values("account")
    moved.filter(removed_at=None, account__in=there).update(removed_at=timezone.now())
    moved.update(workspace=into)


def stop(workspace: Workspace) -> None:
    """Do nothing: the clips are cancelled."""


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Yield what is known of each key, and which of the clips that ``reader`` sees were made with it. The keys
    themselves nobody here can read, and their seals are of use to nobody."""
    seen = Generation.objects.seen_by(reader)
    clips = KeyedClip.objects.filter(generation__in=seen).order_by("generation_id")
    said = {
        "keys": list(ProviderKey.objects.filter(workspace=workspace).order_by("created_at", "id").values(*_EXPORTED)),
        "clips": list(clips.values("generation_id", "key_id")),
    }
    yield ExportedFile("provider_keys.json", json.dumps(said, indent=1, default=str, ensure_ascii=False))


def erase(workspace: Workspace) -> None:
    ProviderKey.objects.filter(workspace=workspace).delete()
