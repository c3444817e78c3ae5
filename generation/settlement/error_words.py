"""What people read of an error that a worker reports."""

from __future__ import annotations

import logging
import re
from typing import Final

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

from generation.models import TRIALS_WORKSPACE, Generation
from generation.provider_keys import remote_words
from generation.scheduling import aside
from gpu_worker.contract import RenderError
from gpu_worker.error_codes import DOES_NOT_FIT, NOT_STORED, OWN_KEY_REFUSED, OWN_KEY_UNOPENED, UPLOAD_FAILED
from loremotion.stored_words import StoredWords

logger = logging.getLogger(__name__)

NOT_LOADED: Final = gettext_noop("We couldn't load this model. That's on us, not on your prompt.")
TRIED_ONCE: Final = gettext_noop("We tried once.")
TRIED: Final = gettext_noop("We tried %(count)s times.")
AGAIN: Final = gettext_noop("Trying again.")
AGAIN_COUNTED: Final = gettext_noop("Trying again (%(number)s of %(most)s).")
_LOST_SINCE: Final = StoredWords(
    gettext_noop("its host or its supervisor ended"),
    gettext_noop("it was stopped before the render was done"),
    gettext_noop("it was silent for %(seconds)s s and had to be killed"),
    gettext_noop("%(signal)s was sent to its process alone"),
    gettext_noop("its process was killed by %(signal)s"),
    gettext_noop("its process ended with status %(status)s"),
)
"""``gpu_worker.supervisor``'s."""
_FAULTS: Final = StoredWords(
    gettext_noop("is damaged or cut off."),
    gettext_noop(
        "takes more than %(memory)s GiB of memory, %(busy)s seconds of a processor or %(all)s seconds in all to decode."
    ),
)
"""``gpu_worker.sandbox``'s."""
_KEPT: Final = StoredWords(
    NOT_LOADED,
    TRIED_ONCE,
    TRIED,
    AGAIN,
    AGAIN_COUNTED,
    aside.SENTENCE,
    gettext_noop("The finished clip could not be stored."),
    gettext_noop("The clip did not arrive."),
    gettext_noop("The clip did not arrive as its worker made it."),
    gettext_noop("The clip came out black."),
    gettext_noop("The clip came out as one plain colour."),
    gettext_noop("The clip came out as noise."),
    gettext_noop("The clip came out without a sound."),
    gettext_noop("The clip to go on from cannot be read whole: it %(fault)s"),
    gettext_noop("The GPU worker did not end it in time."),
    gettext_noop("The GPU worker fell silent."),
    gettext_noop("The GPU worker stopped it unasked."),
    gettext_noop("The GPU worker was lost: %(reason)s."),
    gettext_noop("The job cannot be read by this version of the worker."),
    gettext_noop("The render did not end in time: %(limit)s."),
    gettext_noop("The worker met an error of its own; its log has the details."),
    gettext_noop("The worker's disk is full."),
    gettext_noop("Its GPU worker had to stop."),
    gettext_noop("A short clip goes first."),
    gettext_noop(
        "What this clip shows looks sexual to the model that checks finished clips, so we keep it back. Another "
        "seed or other words may do better. If it got that wrong, ask for a review."
    ),
    *remote_words.PATTERNS,
    values={"reason": _LOST_SINCE.say, "fault": _FAULTS.say},
)
"""What GPU hosts and this site write about a clip."""
_BY_CODE: Final = {
    "unsupported_request": gettext_noop("The model can't make what was asked for."),
    "model_missing": NOT_LOADED,
    "checkpoint_broken": NOT_LOADED,
    DOES_NOT_FIT: gettext_noop("No GPU here has the memory for this clip. A smaller or shorter one may fit."),
    "out_of_memory": gettext_noop("The GPU ran out of memory. A smaller or shorter clip may fit."),
    "frames_not_finite": gettext_noop("The model made no pictures of it. That's on us, not on your prompt."),
    "encoding_failed": gettext_noop("The frames couldn't be written as a clip. That's on us, not on your prompt."),
    "input_unreadable": gettext_noop("A file that the clip starts from can't be read. Save it again, and use that."),
    "input_unavailable": gettext_noop("A file that the clip starts from couldn't be fetched."),
    "remote_unavailable": gettext_noop("The provider of this model can't be reached at the moment. Try again later."),
    "remote_refused": gettext_noop("The provider of this model refused the clip. Other words or settings may do."),
    "remote_failed": gettext_noop("The provider of this model made no clip. Try again, or choose another model."),
    "remote_lost": gettext_noop("The provider of this model lost the clip. Try again."),
    "remote_unsure": gettext_noop("We lost touch with the provider of this model, and can't tell whether it began."),
    "remote_not_as_asked": gettext_noop("The provider of this model sent something else than was asked for."),
    "remote_not_set_up": gettext_noop("This model isn't set up with its provider. That's on us, not on your prompt."),
    OWN_KEY_REFUSED: gettext_noop("The provider of this model does not take your workspace's own key."),
    OWN_KEY_UNOPENED: gettext_noop("We can't use your workspace's own key. Add it again under Provider keys."),
}
"""What a reader of another language is told instead of words that no pattern has: they name tensors and arguments."""
_SAID_BY_CODE: Final = {DOES_NOT_FIT, "out_of_memory"}
"""Codes whose own words are figures: everybody is told what to do. Staff reads the figures on the clip's row."""
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


def in_readers_language(words: str, code: str = "") -> str:
    """Return what is kept of an error, or told of a clip on its way, in the language in use.

    Args:
        code: of the error, which stands for words that nobody translated.
    """
    is_translated = translation.get_language() != settings.LANGUAGE_CODE
    if code in _BY_CODE and (is_translated or code in _SAID_BY_CODE) and not _KEPT.know(words):
        return gettext(_BY_CODE[code])
    return _KEPT.say(words)


def sentence(words: str) -> str:
    """Return the words with a full stop at their end, so that more can follow."""
    words = words.rstrip()
    return words if not words or words.endswith((".", "!", "?")) else f"{words}."


def storable(message: str) -> str:
    """Return a worker's words cut to what the column takes: a report that cannot be stored would never be settled."""
    return message.encode(errors="replace").decode().replace("\x00", "")[:500]
