"""Files that no row knows: what a crash left half written, and what a worker delivered that was given up for lost."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Q

from generation.models import OPEN_STATES, OUTPUT_NAMES, SIGNED_NAME, Generation
from generation.storage.files import CONVERTED_NAMES, MANIFEST_NAME

logger = logging.getLogger(__name__)

LEFT_AFTER_SECONDS = 3600.0
"""A file that nobody wrote to for so long is not on its way any more."""
FOLDERS_A_ROUND = 50
_PLACE = "clips"
_NAMES = {*OUTPUT_NAMES.values(), *CONVERTED_NAMES.values(), SIGNED_NAME, MANIFEST_NAME}

_walks: dict[Path, Iterator[os.DirEntry[str]]] = {}
"""How far the walk through the clips has come. The next round goes on there, so none grows with what is stored."""


def sweep_leftovers() -> None:
    """Remove what lies in the next few folders of clips and belongs to no clip and no open request.

    Object storage is left to its own rules of expiry.
    """
    try:
        root = Path(default_storage.path(_PLACE))
    except NotImplementedError:
        return
    folders = {folder.name: folder for folder in _next_folders(root) if _is_id(folder.name)}
    needed = Generation.objects.filter(Q(clip__isnull=False) | Q(state__in=OPEN_STATES), id__in=folders)
    kept = {str(generation_id) for generation_id in needed.values_list("id", flat=True)}
    written_before = time.time() - LEFT_AFTER_SECONDS
    for name, folder in folders.items():
        _clear(folder, kept=_NAMES if name in kept else set(), written_before=written_before)


def _next_folders(root: Path) -> list[Path]:
    walk = _walks.pop(root, None)
    try:
        if walk is None:
            walk = os.scandir(root)
        folders = [Path(entry) for entry in islice(walk, FOLDERS_A_ROUND)]
    except FileNotFoundError:
        return []
    if len(folders) == FOLDERS_A_ROUND:
        _walks[root] = walk
    return folders


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _clear(folder: Path, *, kept: set[str], written_before: float) -> None:
    try:
        if not kept and folder.stat().st_mtime < written_before and not any(folder.iterdir()):
            folder.rmdir()
            return
        for file in folder.iterdir():
            if file.name not in kept and file.stat().st_mtime < written_before:
                logger.info("%s belongs to no clip and is removed", file.relative_to(folder.parent))
                file.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return  # somebody else was quicker
    except OSError as problem:
        logger.warning("What is left in %s stays: %s", folder.name, problem.strerror)
