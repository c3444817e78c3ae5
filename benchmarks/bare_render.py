"""The same pipeline call and encode as a job's, in a bare script: what the site is compared with.

Reads a ``RenderJob`` as JSON on standard input and prints one list of seconds, a render each. Run by ``end_to_end``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import diffusers
import torch

from gpu_worker.contract import RenderJob
from gpu_worker.engine.clip import write_clip
from gpu_worker.families import family


def render_times(job: RenderJob, models: Path, repeats: int) -> list[float]:
    """Seconds from the call to the finished MP4, warm: the first render is not counted."""
    mode = family(job.model.family).modes[job.mode]
    dtype = getattr(torch, job.model.dtype)
    pipeline = getattr(diffusers, mode.pipeline).from_pretrained(models / job.model.source, torch_dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    seconds = []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for _ in range(repeats + 1):
            began = time.perf_counter()
            generator = torch.Generator("cpu").manual_seed(job.seed)
            output = pipeline(prompt=job.prompt, generator=generator, output_type="np", **mode.arguments(job, {}))
            frames = (output.frames[0] * 255).round().astype("uint8")
            write_clip(Path(folder) / "clip.mp4", frames, job.fps, upscale=job.upscale)
            seconds.append(time.perf_counter() - began)
    return seconds[1:]


if __name__ == "__main__":
    diffusers.utils.logging.set_verbosity_error()
    asked = RenderJob.from_wire(json.load(sys.stdin))
    print(json.dumps(render_times(asked, Path(sys.argv[1]), int(sys.argv[2]))))
