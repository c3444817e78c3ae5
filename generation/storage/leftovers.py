"""Files that no row knows: what a crash left half written, and what a worker delivered that was given up for lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from generation.models import OPEN_STATES, OUTPUT_NAMES, Generation, State, signed_key
from generation.storage.files import CONVERTED_NAMES, RECIPE_NAME, SNAPSHOT_NAME
from generation.storage.store import LEFT_AFTER_SECONDS, store

logger = logging.getLogger(__name__)

PLACE: Final = "clips"
KEPT_BACK: Final = timedelta(days=30)
"""How long the files of a clip that was kept back lie there, for staff to look at in a review."""
_NAMES: Final = {*OUTPUT_NAMES.values(), *CONVERTED_NAMES.values(), RECIPE_NAME}


def sweep_leftovers() -> None:
    """Remove, of the next few files of clips, what belongs to no clip and no open request."""
    lying = store()
    found = [(file, *_parts_of(file.key)) for file in lying.next_found(PLACE)]
    kept = _find_kept(generation_id for _, generation_id, _ in found)
    written_before = time.time() - LEFT_AFTER_SECONDS
    for file, generation_id, name in found:
        is_needed = generation_id in kept and kept[generation_id].needs(name)
        if generation_id and not is_needed and file.written_at < written_before:
            logger.info("%s belongs to no clip and is removed", file.key)
            try:
                lying.delete(file.key)
            except OSError as problem:
                logger.warning("%s stays: %s", file.key, problem.strerror)


class _Kept(NamedTuple):
    """A request whose files are needed."""

    is_open: bool
    signed_stem: str
    """The name of its signed file without its ending; empty where there is none."""

    def needs(self, name: str) -> bool:
        if name == SNAPSHOT_NAME:
            return self.is_open
        return name in _NAMES or name.rpartition(".")[0] == self.signed_stem


def _find_kept(generation_ids: Iterable[str]) -> dict[str, _Kept]:
    """The requests whose files are needed, by their ids."""
    kept_back = Q(state=State.BLOCKED, deleted_at=None, finished_at__gt=timezone.now() - KEPT_BACK)
    needed = Q(clip__isnull=False) | Q(state__in=OPEN_STATES) | kept_back
    rows = Generation.objects.filter(needed, id__in=set(filter(None, generation_ids)))
    return {
        str(generation_id): _Kept(
            state in OPEN_STATES, PurePosixPath(signed_key(generation_id, digest)).stem if digest else ""
        )
        for generation_id, state, digest in rows.values_list("id", "state", "clip__signed_sha256")
    }


def _parts_of(key: str) -> tuple[str, str]:
    """The id of the generation and the file's name; an empty id where it is none of ours."""
    folder, _, name = key.removeprefix(f"{PLACE}/").partition("/")
    try:
        return (folder if str(UUID(folder)) == folder else ""), name
    except ValueError:
        return "", name
