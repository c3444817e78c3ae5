"""When a clip that other people's machines make starts and is ready.

No forecast plays those machines, of which nothing is seen but how long earlier clips took. So each clip before it is
believed to take as long as it will itself, shared by the remote workers that are on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from generation.models import Generation, State
from generation.scheduling import service_rates
from generation.scheduling.calibration import Range
from generation.scheduling.forecast import Expected, plus
from generation.scheduling.places import Place, Precision
from generation.scheduling.service_times import Spread

_TENTH: Final = 1.2816
"""Standard deviations below and above which a tenth of a normal distribution lies."""
NOW: Final = Range(0.0, 0.0, 0.0)


def expectations(
    generations: Iterable[Generation], places: Mapping[UUID, Place], *, workers: int
) -> dict[UUID, Expected]:
    """Return by id what these open clips may expect, of which all are made elsewhere; those of which nobody can say
    are left out."""
    works = {each.id: (each, service_rates.work_of(each)) for each in generations}
    if not works:
        return {}
    times, now, said = service_rates.read([work for _, work in works.values()]), time.time(), {}
    for id_, (each, work) in works.items():
        if each.state == State.RUNNING:
            since = now - each.started_at.timestamp() if each.started_at is not None else 0.0
            left = times.remaining(work, steps_done=0, since_step_seconds=max(0.0, since))
            said[id_] = Expected(NOW, plus(NOW, left))
        elif (found := behind(places[id_], times.service(work), workers=workers)) is not None:
            said[id_] = found
    return said


def behind(place: Place, service: Spread, *, workers: int) -> Expected | None:
    """Return what a clip in this place may expect that takes ``service``; None while no worker is on, or where its
    place is deeper than anybody has looked."""
    if not workers or place.precision == Precision.AT_LEAST:
        return None
    turns = max(0, place.number - workers + 1) / workers
    sd = math.hypot(service.sd / math.sqrt(max(1.0, turns)), service.doubt)
    start = Range(*(turns * service.median_seconds * math.exp(end * sd) for end in (-_TENTH, 0.0, _TENTH)))
    return Expected(start, plus(start, service))
