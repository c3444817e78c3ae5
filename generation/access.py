"""What a caller reaches by its id. What is another's is as absent as what never was."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from accounts.caller import Caller
from generation.models import Clip, Generation


def own_generation(caller: Caller, generation_id: UUID) -> Generation:
    """The generation with all that is shown of it, unless it is deleted.

    Raises:
        Http404: there is none that the caller sees.
    """
    generation = own_receipt(caller, generation_id)
    if generation.deleted_at is not None:
        raise Http404
    return generation


def own_receipt(caller: Caller, generation_id: UUID) -> Generation:
    """As ``own_generation``, and what is left of a deleted one too."""
    return get_object_or_404(Generation.objects.seen_by(caller).for_display(), id=generation_id)


def own_clip(caller: Caller, generation_id: UUID) -> Clip:
    """The finished clip of a generation that is not deleted.

    Raises:
        Http404: there is none that the caller sees.
    """
    own = Generation.objects.seen_by(caller).kept().for_display()
    return get_object_or_404(own, id=generation_id, clip__isnull=False).clip


def titles(caller: Caller, generation_ids: Collection[UUID]) -> dict[UUID, str]:
    """What those of the generations that the caller sees are called to them: by their prompts."""
    seen = Generation.objects.seen_by(caller).filter(id__in=generation_ids)
    return {
        found: prompt if deleted_at is None else _("A deleted clip")
        for found, prompt, deleted_at in seen.values_list("id", "prompt", "deleted_at")
    }
