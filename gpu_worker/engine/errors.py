"""What can go wrong in a render, each with a stable ``code`` that reports and tests can rely on."""

from __future__ import annotations

from collections.abc import Mapping

from gpu_worker.error_codes import CLIP_BROKEN, DOES_NOT_FIT


class EngineError(Exception):
    """An expected failure of one render. The message names the cause and the figure; the engine stays usable."""

    code = "engine"
    is_retryable = False
    """Whether another attempt of the same job may succeed."""


class UnsupportedRequest(EngineError):
    """The family cannot make what the job asks for, or its pipeline refused the arguments."""

    code = "unsupported_request"


class UnsupportedHere(UnsupportedRequest):
    """This device or installation cannot do what the catalogue row asks for; another may."""


class ModelMissing(EngineError):
    """The checkpoint is not where the job says, and could not be downloaded."""

    code = "model_missing"
    is_retryable = True


class CheckpointBroken(EngineError):
    """The checkpoint is there and cannot be read: a missing file, a truncated one, an unknown class."""

    code = "checkpoint_broken"


class DoesNotFit(EngineError):
    """The render needs more memory than this device has, however much is evicted."""

    code = DOES_NOT_FIT


class OutOfMemory(EngineError):
    """Memory ran out during the render, after everything that could make room was tried."""

    code = "out_of_memory"


class FramesNotFinite(EngineError):
    """The pipeline made frames that are not numbers: broken weights, or a dtype too narrow for them."""

    code = "frames_not_finite"


class EncodingFailed(EngineError):
    """The frames could not be written as a clip."""

    code = "encoding_failed"
    is_retryable = True


class ClipBroken(EngineError):
    """The clip shows or sounds like nothing that anybody asks for."""

    code = CLIP_BROKEN
    is_retryable = True


class FatalDeviceError(Exception):
    """The device is in a state from which this process cannot recover; it must end and another must take over.

    Not an ``EngineError``: code that handles failed renders must not go on after this one.
    """

    code = "device_lost"
    is_retryable = True


class RenderStopped(Exception):
    """The render ended because ``should_stop`` turned true: an answer, not a failure."""

    def __init__(self, steps_done: int, steps_total: int, stage_seconds: Mapping[str, float]) -> None:
        super().__init__(f"Stopped after {steps_done} of {steps_total} steps")
        self.steps_done = steps_done
        self.steps_total = steps_total
        self.stage_seconds = dict(stage_seconds)
