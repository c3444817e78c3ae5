"""What people upload, brought to the size and length that a pipeline expects.

The pipelines stretch pictures of another shape and keep videos of another size; we crop, so nothing is distorted and
the clip has the size that was paid for.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageOps

from gpu_worker.contract import RenderJob
from gpu_worker.families.family import context_count

GREY = (127, 127, 127)


def fit(picture: Image.Image, job: RenderJob) -> Image.Image:
    """``picture`` scaled and cropped around its middle to the size of the clip."""
    return ImageOps.fit(picture.convert("RGB"), (job.width, job.height), Image.Resampling.LANCZOS)


def fitted_video(frames: Sequence[Image.Image], job: RenderJob) -> list[Image.Image]:
    """The first frames of a video, as many as the clip has; the last one stands still where it is too short."""
    made = [fit(frame, job) for frame in frames[: job.num_frames]]
    return made + [made[-1]] * (job.num_frames - len(made))


def fitted_mask(mask: Image.Image | Sequence[Image.Image], job: RenderJob) -> list[Image.Image]:
    """A mask for each frame of the clip, white where something new is to appear. One picture holds for all."""
    pictures = [mask] if isinstance(mask, Image.Image) else list(mask[: job.num_frames])
    made = [
        ImageOps.fit(picture.convert("L"), (job.width, job.height), Image.Resampling.NEAREST) for picture in pictures
    ]
    return made + [made[-1]] * (job.num_frames - len(made))


def last_frames(frames: Sequence[Image.Image], job: RenderJob, *, most: int, step: int) -> list[Image.Image]:
    """The end of a clip that is to be continued: ``k · step + 1`` frames, as many as there are, ``most``, and at
    least one ``step`` fewer than the new clip has. The new clip begins with them."""
    count = context_count(len(frames), job.num_frames, most=most, step=step)
    return [fit(frame, job) for frame in frames[-count:]]


def blank(job: RenderJob, count: int) -> list[Image.Image]:
    """Frames that say nothing: the grey that VACE reads as "to be made"."""
    return [Image.new("RGB", (job.width, job.height), GREY)] * count


def plain_mask(job: RenderJob, *, kept: int) -> list[Image.Image]:
    """Black for the first ``kept`` frames, which stay, and white for the rest."""
    size = (job.width, job.height)
    return [Image.new("L", size, 0)] * kept + [Image.new("L", size, 255)] * (job.num_frames - kept)
