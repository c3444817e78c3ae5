"""Decoding in room that is made first: whole, or in tiles where it does not fit or the device has no kernel for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from gpu_worker.contract import Stage
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.memory.render_memory import RenderMemory
from gpu_worker.engine.video.frames import OnFrame, as_decoded, take_frames
from gpu_worker.engine.video.stages import StageClock
from gpu_worker.engine.video.tiling import decode_by_parts, decode_in_tiles


class Decoder:
    """A pipeline's own decoding, in the room that a render's memory has for it.

    Args:
        decode: the VAE's own method.
        frames_per_part: frames that are decoded at once in tiles; 0: all of the clip.
    """

    def __init__(
        self,
        pipeline: Any,
        decode: Callable[..., Any],
        memory: RenderMemory,
        stages: StageClock,
        *,
        frames_per_part: int,
        on_frame: OnFrame,
    ) -> None:
        self._pipeline, self._decode = pipeline, decode
        self._memory, self._stages = memory, stages
        self._frames_per_part, self._on_frame = frames_per_part, on_frame

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Decode as the VAE's own method would.

        Raises:
            OutOfMemory: not even tiles fit, with everything else evicted.
        """
        return self._memory.run_with_fallbacks(Stage.DECODING, lambda: self._attempt(*args, **kwargs))

    def _attempt(self, *args: Any, **kwargs: Any) -> Any:
        is_tiled = self._memory.placement.is_decoding_tiled
        workload = self._memory.workload(Stage.DECODING, is_tiled=is_tiled)
        if not self._memory.make_room_to_decode(workload) and not is_tiled:
            return self._attempt_in_tiles(*args, **kwargs)
        try:
            with decode_in_tiles(self._pipeline.vae) if is_tiled else nullcontext():
                self._memory.peaks.begin(workload)
                if is_tiled and self._frames_per_part:
                    return (self._by_parts(*args, **kwargs),)
                return self._decode(*args, **kwargs)
        except RuntimeError as error:
            if is_tiled or fault_of(error) is not DeviceFault.NO_KERNEL:
                raise
        return self._attempt_in_tiles(*args, **kwargs)

    def _attempt_in_tiles(self, *args: Any, **kwargs: Any) -> Any:
        self._memory.decode_in_tiles()
        return self._attempt(*args, **kwargs)

    def _by_parts(self, latents: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        def one_part(part: torch.Tensor) -> torch.Tensor:
            self._stages.stop_if_asked()
            decoded: torch.Tensor = self._decode(part, *args, **{**kwargs, "return_dict": False})[0]
            return decoded

        frames = decode_by_parts(
            one_part,
            latents,
            frames_per_part=self._frames_per_part,
            frames_per_latent=self._pipeline.vae.temporal_compression_ratio,
            take=lambda clip, into, first: take_frames(
                self._pipeline.video_processor, clip, into, self._on_frame, first=first
            ),
        )
        return as_decoded(frames)
