"""How long the stages of a render take on this card, learned from those it has made."""

from __future__ import annotations

from collections.abc import Mapping

from gpu_worker.contract import OFF_THE_CARD, RenderJob, Stage

_NEWEST_WEIGHT = 0.3


def on_the_card(stage_seconds: Mapping[str, float]) -> dict[str, float]:
    """Return those of the stages that run until the frames have left the card."""
    return {stage: seconds for stage, seconds in stage_seconds.items() if stage not in OFF_THE_CARD}


def off_the_card(stage_seconds: Mapping[str, float]) -> dict[str, float]:
    """Return those of the stages that come after, which may run beside the next job."""
    return {stage: seconds for stage, seconds in stage_seconds.items() if stage in OFF_THE_CARD}


class ServiceTimes:
    """Seconds that each stage takes for a unit of its work, by model version, as moving averages."""

    def __init__(self) -> None:
        self._seconds_per_work: dict[tuple[str, int], dict[str, float]] = {}

    def learn(self, job: RenderJob, stage_seconds: Mapping[str, float]) -> None:
        """Take in how long the stages of ``job`` took. Loading is left out: it says nothing of the next time."""
        known = self._seconds_per_work.setdefault(_key(job), {})
        for stage, seconds in stage_seconds.items():
            if stage != Stage.LOADING:
                measured = seconds / _work(job, stage)
                average = known.get(stage, measured)
                known[stage] = average + _NEWEST_WEIGHT * (measured - average)

    def by_stage(self, job: RenderJob) -> dict[str, float]:
        """Return the seconds of each stage of ``job`` but loading; nothing for what was never measured."""
        known = self._seconds_per_work.get(_key(job), {})
        return {stage: seconds * _work(job, stage) for stage, seconds in known.items()}

    def seconds(self, job: RenderJob) -> float:
        """Return the seconds that ``job`` will take; unmeasured, its whole timeout, so that no job is overtaken on a
        guess."""
        by_stage = self.by_stage(job)
        return sum(by_stage.values()) if by_stage else float(job.timeout_seconds)


def _key(job: RenderJob) -> tuple[str, int]:
    return job.model.slug, job.model.version


def _work(job: RenderJob, stage: str) -> float:
    pixels = job.width * job.height * job.num_frames
    return float(max(1, pixels * job.steps if stage == Stage.DENOISING else pixels))
