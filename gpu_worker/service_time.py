"""How long a render takes on this card, learned from those it has made."""

from __future__ import annotations

from gpu_worker.contract import RenderJob

_NEWEST_WEIGHT = 0.3


class ServiceTimes:
    """Seconds per pixel and step of each model version, as a moving average."""

    def __init__(self) -> None:
        self._seconds_per_work: dict[tuple[str, int], float] = {}

    def learn(self, job: RenderJob, seconds: float) -> None:
        """``job`` took ``seconds``, without loading its model."""
        key, measured = _key(job), seconds / _work(job)
        known = self._seconds_per_work.get(key, measured)
        self._seconds_per_work[key] = known + _NEWEST_WEIGHT * (measured - known)

    def seconds(self, job: RenderJob) -> float:
        """What ``job`` will take. Unmeasured: its whole timeout, so that nobody is overtaken on a guess."""
        known = self._seconds_per_work.get(_key(job))
        return float(job.timeout_seconds) if known is None else known * _work(job)


def _key(job: RenderJob) -> tuple[str, int]:
    return job.model.slug, job.model.version


def _work(job: RenderJob) -> float:
    return float(max(1, job.width * job.height * job.num_frames * job.steps))
