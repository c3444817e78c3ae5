"""The clips of the library that somebody ticked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.caller import Caller
from generation.models import Generation
from loremotion.refusals import Invalid

MOST: Final = 48
"""Clips that are chosen at once: two pages of the library."""


def sheet_of(clips: Iterable[Generation]) -> str:
    """Address of the page that shows these clips together."""
    return f"{reverse('generation:sheet')}?{urlencode([('clip', clip.id) for clip in clips])}"


def chosen_clips(caller: Caller, sent: QueryDict, choose: str) -> list[Generation]:
    """The clips that were chosen, in that order, in one query.

    Args:
        choose: what is said where none was chosen, or more than ``most``.

    Raises:
        Http404: one of them is not there for this caller.
        Invalid: none was chosen, or too many.
    """
    try:
        ids = list(dict.fromkeys(UUID(text) for text in sent.getlist("clip")))
    except ValueError:
        raise Http404 from None
    if not 0 < len(ids) <= MOST:
        raise Invalid(
            "wrong_number",
            choose % {"most": MOST},
            next_step=_("Go back and tick them."),
        )
    found = {clip.id: clip for clip in Generation.objects.seen_by(caller).kept().for_display().filter(id__in=ids)}
    if len(found) < len(ids):
        raise Http404
    return [found[clip_id] for clip_id in ids]
