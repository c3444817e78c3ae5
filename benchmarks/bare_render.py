"""The same pipeline call and encode as a job's, in a bare script: what the site is compared with.

The first line on standard input is a ``RenderJob`` as JSON; every further line asks for one render and is answered by
its seconds on standard output. Driven by ``end_to_end``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from gpu_worker.contract import RenderJob
from gpu_worker.engine.video.clip import write_clip
from gpu_worker.families import family


def load(job: RenderJob, models: Path) -> Any:
    """The job's pipeline, as anybody would load it."""
    mode = family(job.model.family).modes[job.mode]
    pipeline_class = getattr(diffusers, mode.pipeline)
    pipeline = pipeline_class.from_pretrained(models / job.model.source, dtype=getattr(torch, job.model.dtype))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def render(pipeline: Any, job: RenderJob, path: Path) -> float:
    """Seconds from the call to the finished MP4."""
    mode = family(job.model.family).modes[job.mode]
    began = time.perf_counter()
    generator = torch.Generator("cpu").manual_seed(job.seed)
    with torch.inference_mode():
        output = pipeline(prompt=job.prompt, generator=generator, output_type="np", **mode.arguments(job, {}))
    write_clip(path, (output.frames[0] * 255).round().astype("uint8"), job.fps, upscale=job.upscale)
    return time.perf_counter() - began


def main() -> None:
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    job = RenderJob.from_wire(json.loads(sys.stdin.readline()))
    pipeline = load(job, Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        for _ in sys.stdin:
            print(render(pipeline, job, Path(folder) / "clip.mp4"), flush=True)


if __name__ == "__main__":
    main()
