"""What is left of a clip that a machine has in hand, by what its worker says."""

from __future__ import annotations

from generation.scheduling.service_times import ServiceTimes, Spread, Work
from gpu_worker.contract import Progress, Stage
from gpu_worker.worker_status import WorkerStatus


def heard_of(progress: Progress | None) -> Progress | None:
    """Return what a worker says of its steps, where that can be."""
    if progress is None or not progress.steps_total or not 0 <= progress.step <= progress.steps_total:
        return None
    return progress


def seconds_per_step(heard: Progress, work: Work) -> float | None:
    """Return what a step takes as it runs: a long clip runs its steps once for each part."""
    pace = heard.seconds_per_step
    return pace * heard.steps_total / max(1, work.steps) if pace is not None and 0 < pace < 1e5 else None


def remaining(
    status: WorkerStatus, work: Work, times: ServiceTimes, heard: Progress | None, now: float, slowness: Spread
) -> Spread:
    """Return what is left of the clip in hand, by its steps where those are known, else by when it began."""
    if heard is None:
        elapsed = max(0.0, now - status.started_at) if status.started_at and status.stage != Stage.LOADING else 0.0
        is_past_steps = status.stage in (Stage.DECODING, Stage.ENCODING_VIDEO, Stage.UPLOADING)
        return times.remaining(
            work,
            steps_done=work.steps if is_past_steps else 0,
            since_step_seconds=0.0 if is_past_steps else elapsed,
            slowness=slowness,
        )
    done = round(heard.step / heard.steps_total * work.steps)
    pace = seconds_per_step(heard, work)
    return times.remaining(work, steps_done=done, seconds_per_step=pace, slowness=slowness)
