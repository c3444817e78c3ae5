"""A site's own queue as a trace that may be shown to others: when clips were asked for, of which kind, and what they
took. ``benchmarks.forecast --trace`` plays it again.

No prompt, no name and no id is in it: models, kinds, machines and lines of the fair queue are numbers in the order in
which they occur, and times count from the first clip.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from generation.models import FleetSample, Generation, State
from generation.scheduling import service_rates
from generation.tiers import yields
from gpu_worker.contract import OFF_THE_CARD, Stage
from loremotion.row_security import across_workspaces

FORMAT: Final = 1
MOST_CLIPS: Final = 20_000
_DIGITS: Final = 3


@dataclass(slots=True)
class Kind:
    """Clips that take about as long."""

    model: int
    steps: int
    voxels: int
    reference_seconds: float


@dataclass(slots=True)
class Trace:
    """As it is written to a file. Bytes are those of cards and of what clips need on them."""

    format: int = FORMAT
    machines: list[int] = field(default_factory=list)
    models: list[int] = field(default_factory=list)
    """What the largest clip of each needs."""
    kinds: list[Kind] = field(default_factory=list)
    clips: list[list[float]] = field(default_factory=list)
    """``[asked at, kind, is free, line, credits, loading, denoising, rest]``, oldest first; seconds."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class _Numbers(dict[Any, int]):
    """The number of each thing, in the order in which they occur."""

    def __missing__(self, key: Any) -> int:
        self[key] = len(self)
        return self[key]


@across_workspaces("the queue is everybody's, and nobody is named")
def record(*, days: float) -> Trace:
    """Return the trace of the clips that were made on cards in the last days, ``MOST_CLIPS`` at most."""
    since = timezone.now() - timedelta(days=days)
    made = Generation.objects.filter(state=State.SUCCEEDED, created_at__gte=since, resumed_from_step=0)
    rows = made.exclude(needs_bytes__lt=0).exclude(stage_seconds={}).select_related("version__model")
    return of_clips(rows.order_by("created_at", "id")[:MOST_CLIPS].iterator(chunk_size=500), _budgets(since))


def of_clips(clips: Iterable[Generation], budgets: dict[str, int]) -> Trace:
    """The trace of clips, oldest first, and of the machines that made them, whose memory is known by name."""
    trace = Trace()
    models, kinds, lines, machines = _Numbers(), _Numbers(), _Numbers(), _Numbers()
    began: datetime | None = None
    for clip in clips:
        began = began or clip.created_at
        work = service_rates.work_of(clip)
        model = models[clip.version.build]
        if model == len(trace.models):
            trace.models.append(0)
        trace.models[model] = max(trace.models[model], clip.needs_bytes or 0)
        kind = kinds[work.name]
        if kind == len(trace.kinds):
            trace.kinds.append(Kind(model, work.steps, work.voxels, round(work.reference_seconds, _DIGITS)))
        machines[clip.worker]
        trace.clips.append(
            [
                round((clip.created_at - began).total_seconds(), _DIGITS),
                kind,
                int(yields(clip.fair_finish)),
                lines[clip.workspace_id],
                clip.credits_quoted,
                *_seconds(clip.stage_seconds),
            ]
        )
    largest = max(trace.models, default=0)
    trace.machines = [budgets.get(name, largest) for name in machines]
    return trace


def _seconds(stages: dict[str, float]) -> tuple[float, float, float]:
    """Loading, denoising and the rest of what a clip took on its card."""
    on_card = {stage: seconds for stage, seconds in stages.items() if stage not in OFF_THE_CARD}
    loading, denoising = (on_card.pop(stage.value, 0.0) for stage in (Stage.LOADING, Stage.DENOISING))
    return round(loading, _DIGITS), round(denoising, _DIGITS), round(sum(on_card.values()), _DIGITS)


def _budgets(since: datetime) -> dict[str, int]:
    seen = FleetSample.objects.filter(at__gte=since).order_by("worker", "-at").distinct("worker")
    return dict(seen.values_list("worker", "budget_bytes"))
