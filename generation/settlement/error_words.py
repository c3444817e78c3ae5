"""What people read of an error that a worker reports."""

from __future__ import annotations

import logging
import re
from typing import Final

from generation.models import TRIALS_WORKSPACE, Generation
from gpu_worker.contract import NOT_STORED, UPLOAD_FAILED, RenderError

logger = logging.getLogger(__name__)

NOT_LOADED: Final = "We couldn't load this model. That's on us, not on your prompt."
_FOLDER: Final = re.compile(r"(?<![\w/:.])/[\w.@-]+/[\w.@-]|\b[A-Za-z]:\\")
"""An absolute path of a machine. That of a web address has its host before it."""


def words_of(error: RenderError, generation: Generation) -> str:
    """Return the words that people see of an error: the worker's own, or ours where those name addresses or folders.

    Staff reads a trial's error as it came: whoever mends the model needs to know the folder.
    """
    if generation.workspace_id == TRIALS_WORKSPACE:
        return error.message
    if error.code == UPLOAD_FAILED:
        return NOT_STORED
    if _FOLDER.search(error.message) is None:
        return error.message
    logger.warning("The worker's words stay here, since they name a folder: %s", error.message)
    return NOT_LOADED


def sentence(words: str) -> str:
    """Return the words with a full stop at their end, so that more can follow."""
    words = words.rstrip()
    return words if not words or words.endswith((".", "!", "?")) else f"{words}."


def storable(message: str) -> str:
    """Return a worker's words cut to what the column takes: a report that cannot be stored would never be settled."""
    return message.encode(errors="replace").decode().replace("\x00", "")[:500]
