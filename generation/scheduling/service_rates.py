"""Service times as the database keeps them: a few rows a kind of clip, each changed in place by every report."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from django.db import connection

from catalog.costs import reference_gpu_seconds
from catalog.models import ModelVersion
from catalog.offers import Offer
from catalog.requests import ClipRequest
from catalog.sizes import Size
from generation.models import Generation
from generation.scheduling.front import Counted
from generation.scheduling.service_times import DECAY, FORMULA_SHARES, ServiceTimes, Statistic, Work, observed_rates
from gpu_worker.contract import RenderReport
from loremotion.prepared import prepared_cursor

_LEAST_RATE = 1e-18


def work_of(generation: Generation, *, card: str = "") -> Work:
    """Return what decides how long the clip takes; ``card`` is what makes it (``capacity.card_of``), where known."""
    return _work(generation.version, generation, card)


def work_of_offer(offer: Offer) -> Work:
    """The same of a clip that nobody has asked for yet."""
    return _work(offer.version, offer.request, "")


def work_of_kind(version: ModelVersion, kind: Counted) -> Work:
    """The same of clips that were only counted."""
    return _work(version, kind, "")


def _work(version: ModelVersion, asked: Generation | ClipRequest | Counted, card: str) -> Work:
    frames, size = asked.num_frames, Size(asked.width, asked.height)
    return Work(
        build=version.build,
        mode=asked.mode,
        preset=asked.preset,
        card=card,
        steps=asked.steps,
        voxels=size.pixels * frames,
        reference_seconds=reference_gpu_seconds(version, size=size, frames=frames, steps=asked.steps),
    )


def record(generation: Generation, report: RenderReport, *, card: str = "") -> None:
    """Add what one finished clip took on such a card, in one statement, whatever other processes add meanwhile."""
    rates = observed_rates(work_of(generation, card=card), report.stage_seconds)
    # In the order of their keys, so that no two processes wait for each other.
    rows = [(key[:240], math.log(max(rates[key], _LEAST_RATE))) for key in sorted(rates)]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO generation_servicerate AS known (key, weight, mean, squares)
            SELECT key, 1, value, 0 FROM unnest(%(keys)s::text[], %(values)s::float[]) AS seen (key, value)
            ON CONFLICT (key) DO UPDATE SET
                weight = known.weight * %(decay)s + 1,
                mean = known.mean + (excluded.mean - known.mean) / (known.weight * %(decay)s + 1),
                squares = known.squares * %(decay)s + (excluded.mean - known.mean) * (
                    excluded.mean - known.mean - (excluded.mean - known.mean) / (known.weight * %(decay)s + 1)
                )
            """,
            {"keys": [key for key, _ in rows], "values": [value for _, value in rows], "decay": DECAY},
        )


def read(works: Iterable[Work]) -> ServiceTimes:
    """Return what is known of these kinds of clips, in one query."""
    keys = {key[:240] for work in works for part in FORMULA_SHARES for key in work.keys(part)}
    if not keys:
        return ServiceTimes()
    with prepared_cursor() as cursor:
        cursor.execute(_OF_KEYS, [sorted(keys)])
        return ServiceTimes({key: Statistic(*numbers) for key, *numbers in cursor.fetchall()})


_OF_KEYS: Final = "SELECT key, weight, mean, squares FROM generation_servicerate WHERE key = ANY(%s)"
