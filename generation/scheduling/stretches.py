"""The queue behind the clips that are played one by one, in a bounded number of parts. Of the first of it the kinds are
known (``front``), so that places are right where most people wait, many with the same tag; the rest is known as the
beat has counted it (``queue_depth``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, groupby
from operator import attrgetter

from generation.scheduling.fair_order import Key
from generation.scheduling.front import Counted
from generation.scheduling.queue_depth import Depth
from generation.scheduling.snapshot import Stretch

MOST_STRETCHES = 16
"""Of what is only counted."""


def of_kinds(counted: Sequence[Counted], seconds_of: Callable[[Counted], float]) -> Iterator[Stretch]:
    """Yield stretches of what was counted by kind. A clip of a kind takes so long on a card."""
    for _, group in groupby(counted, key=attrgetter("stretch")):
        kinds = list(group)
        seconds = sum(kind.clips * seconds_of(kind) for kind in kinds)
        end = kinds[0].end
        clips = sum(kind.clips for kind in kinds)
        yield Stretch(end.fair_finish, clips, seconds, end.created_at.timestamp(), kinds[0].middle_tag)


def of_counts(depth: Depth, last: Key, each_seconds: float) -> Iterator[Stretch]:
    """Yield stretches of what waits after ``last``, as far as it was counted. Each of its clips takes so long."""
    told = depth.before(last)
    if told is None:
        return
    counted = accumulate(stretch.fitting for stretch in depth.stretches)
    deeper = [(s.end, n) for s, n in zip(depth.stretches, counted, strict=True) if s.end > last]
    if not deeper:
        return
    stride = math.ceil(len(deeper) / MOST_STRETCHES)
    for end, before in deeper[stride - 1 :: stride]:
        clips = max(0, before - told)
        yield Stretch(end.fair_finish, clips, clips * each_seconds, end.created_at.timestamp())
        told = max(told, before)
