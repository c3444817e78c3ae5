"""Finds the clip of this site that shows the same picture as a file, however many clips there are.

Most copies of a clip have a band of their hash in common with it. Each band is an index; of clips that have it a
bounded number is compared. So a copy that differs in every band is not found, nor may be a picture with nothing but
bands that many have; and none takes longer for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Substr

from generation.models import Clip
from gpu_worker.media.perceptual_hash import BAND_DIGITS, MOST_DIFFERENT_BITS, bands_of, distance

MOST_IN_BAND: Final = 100
_Row = tuple[UUID, str]


def nearest(hashes: Iterable[str]) -> UUID | None:
    """The clip whose picture differs least from one of these; None where each differs too much. One query."""
    hashes = sorted(set(hashes))
    queries = [_with_band(*band) for band in sorted({band for each in hashes for band in bands_of(each)})]
    if not queries:
        return None
    rows: Iterable[_Row] = queries[0].union(*queries[1:]) if queries[1:] else queries[0]
    found = [(min(distance(other, each) for each in hashes), clip) for clip, other in rows]
    bits, clip = min(found, default=(MOST_DIFFERENT_BITS + 1, None))
    return clip if bits <= MOST_DIFFERENT_BITS else None


def _with_band(place: int, band: str) -> QuerySet[Clip, _Row]:
    """Some of the clips that have it, by the index of its place (``generation.models.Clip``)."""
    part = Substr("perceptual_hash", 1 + place * BAND_DIGITS, BAND_DIGITS)
    clips = Clip.objects.exclude(perceptual_hash="").alias(band=part)
    return clips.filter(band=band).values_list("generation_id", "perceptual_hash")[:MOST_IN_BAND]
