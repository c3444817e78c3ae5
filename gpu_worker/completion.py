"""How much of a render is done: the share of the time that all of its stages are expected to take, not of its steps.

What decoding, encoding and uploading take can be half of it, so the last step is nowhere near the end.
"""

from __future__ import annotations

from collections.abc import Mapping

from gpu_worker.contract import RenderJob, Stage

_MOST = 99
"""Until the clip is there, nobody is told that it is."""
_STEP_SECONDS = 1.0
"""Of a model that nobody has measured and whose row names no reference."""
_DECODING_SHARE = 0.1
"""Of the time that a clip takes on the card."""
_ENCODED_PIXELS_PER_SECOND = 20e6
"""By x264 on a few cores."""
_SHORT_SECONDS = 1.0
"""Reading a prompt, and sending a clip on its way."""


class Completion:
    """The percentage of one job that is done, by what it says of itself. Never falls, and is 99 at most."""

    def __init__(self, job: RenderJob, *, learned: Mapping[str, float], loading_seconds: float | None) -> None:
        """
        Args:
            learned: stage → seconds that it will take, as measured on this card; what is missing is reckoned.
            loading_seconds: what loading will take now; None where that cannot be told.
        """
        expected = {**_reckoned_seconds(job), **learned, Stage.LOADING.value: loading_seconds or 0.0}
        lengths = {stage.value: expected.get(stage, 0.0) for stage in Stage}
        total = sum(lengths.values()) or 1.0
        self._share = {stage: length / total for stage, length in lengths.items()}
        self._percent = 0

    def percent(self, *, stage: str, step: int, steps_total: int) -> int:
        """The percentage that is done at this point of the render."""
        stages = list(self._share)
        if stage in self._share:
            done = sum(self._share[each] for each in stages[: stages.index(stage)])
            if stage == Stage.DENOISING and steps_total > 0:
                done += self._share[stage] * min(step, steps_total) / steps_total
            self._percent = max(self._percent, min(_MOST, int(100 * done)))
        return self._percent


def _reckoned_seconds(job: RenderJob) -> dict[str, float]:
    on_the_card = job.reference_gpu_seconds or job.steps * _STEP_SECONDS
    pixels = job.width * job.height * job.upscale**2 * job.num_frames
    return {
        Stage.ENCODING_PROMPT: _SHORT_SECONDS,
        Stage.DENOISING: on_the_card * (1 - _DECODING_SHARE),
        Stage.DECODING: on_the_card * _DECODING_SHARE,
        Stage.ENCODING_VIDEO: pixels / _ENCODED_PIXELS_PER_SECOND,
        Stage.UPLOADING: _SHORT_SECONDS,
    }
