"""Models resident on one device, and clips out of them. Plain Python over torch: no queue, no network, no Django.

A remote worker, which makes clips by other people's APIs, takes the parts that know no torch: errors, writer, marks.
"""

import gc

from gpu_worker import without_torch

if not without_torch.is_chosen():
    # Half a million objects are made here, and all stay: looking for garbage among them takes a fifth of the time.
    _looks_for_garbage = gc.isenabled()
    gc.disable()
    try:
        from gpu_worker.engine import bitsandbytes_import  # noqa: F401  # before whatever imports diffusers
        from gpu_worker.engine.engine import Engine
        from gpu_worker.engine.engine_status import EngineStatus
        from gpu_worker.engine.errors import (
            CheckpointBroken,
            DoesNotFit,
            EncodingFailed,
            EngineError,
            FatalDeviceError,
            FramesNotFinite,
            ModelMissing,
            OutOfMemory,
            RenderStopped,
            UnsupportedRequest,
        )
        from gpu_worker.engine.memory.cuda import Cuda
        from gpu_worker.engine.memory.devices import Cpu, Device, device_from_environment
        from gpu_worker.engine.video.rendered import RenderedClip, RenderedFrames
    finally:
        if _looks_for_garbage:
            gc.enable()

__all__ = [
    "CheckpointBroken",
    "Cpu",
    "Cuda",
    "Device",
    "DoesNotFit",
    "EncodingFailed",
    "Engine",
    "EngineError",
    "EngineStatus",
    "FatalDeviceError",
    "FramesNotFinite",
    "ModelMissing",
    "OutOfMemory",
    "RenderStopped",
    "RenderedClip",
    "RenderedFrames",
    "UnsupportedRequest",
    "device_from_environment",
]
