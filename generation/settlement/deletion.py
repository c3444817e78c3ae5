"""One clip is deleted by whoever may make clips: its files and its words go, the receipt stays."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.boards import keeping
from generation.models import Clip, Generation
from generation.moderation import reviews
from generation.storage import files, retention, traces
from loremotion.refusals import Conflict


@transaction.atomic
def delete(generation: Generation) -> None:
    """Forget what was asked for and what was made. Deleting twice is deleting once.

    The files' time is over with the same commit, so that the retention's sweeps take what a crash leaves.

    Raises:
        Conflict: it has not ended yet.
    """
    if generation.is_open:
        raise Conflict("not_ended", _("This clip is still in progress."), next_step=_("Cancel it first."))
    now = timezone.now()
    reviews.forget(generation)
    Clip.objects.filter(generation=generation).update(expires_at=now)
    Generation.objects.filter(id=generation.id, deleted_at=None).update(
        prompt="", negative_prompt="", error_message="", ask_digest="", user_ref="", deleted_at=now
    )
    keeping.forget(generation.id)
    retention.let_uploads_go(generation.id)
    transaction.on_commit(lambda: _remove_files(generation))


def _remove_files(generation: Generation) -> None:
    files.delete(generation)
    traces.forget([generation])
    Clip.objects.filter(generation=generation).delete()
    Generation.objects.filter(id=generation.id).update(inputs={})
