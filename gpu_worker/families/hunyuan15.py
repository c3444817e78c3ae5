"""HunyuanVideo-1.5, text and image.

Guidance lives in the checkpoint's ``guider``; the call takes none. Image to video takes no size either: it picks the
one of its buckets that is nearest to the picture's shape, so rows of image checkpoints list sizes that are buckets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families.builds import Activations, Build, VaeActivations
from gpu_worker.families.family import Family, FrameRule, Mode
from gpu_worker.families.pictures import fit


def _text(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"width": job.width, "height": job.height, **_length(job)}


def _image(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"image": fit(inputs["image"], job), **_length(job)}


def _length(job: RenderJob) -> dict[str, Any]:
    return {"num_frames": job.num_frames, "num_inference_steps": job.steps, **job.call}


VAE = VaeActivations(
    decoding=Activations(per_voxel=1_796),
    tiled_decoding=Activations(per_voxel=296),
    encoding=Activations(per_voxel=300),
)

FAMILY = Family(
    name="hunyuan15",
    title="HunyuanVideo 1.5",
    modes={
        "text": Mode(title="Text to video", pipeline="HunyuanVideo15Pipeline", arguments=_text),
        "image": Mode(
            title="Image to video", pipeline="HunyuanVideo15ImageToVideoPipeline", needs=("image",), arguments=_image
        ),
    },
    size_multiple=16,
    sizes=("848x480", "480x848"),
    frames=FrameRule(step=4, offset=1, least=5, most=241),
    fps=24,
    components=("text_encoder", "text_encoder_2", "image_encoder", "transformer", "vae"),
    repeated_guidance=("guidance_scale",),
    quantised_text_fraction=0.923,
    builds=(
        Build(
            transformer_bytes=16_650_000_000,
            quantised_fraction=0.654,
            swapped_fraction=0.057,
            denoising=Activations(per_voxel=70, per_pixel=210, per_pair=1.75e-6),
            vae=VAE,
        ),
    ),
    shared={"text_encoder": "Qwen2.5-VL 7B"},
    has_step_callback=False,
    caches=("taylorseer_cache",),
    prompt_tokens=1_000,
    prompt_marks=6,
    whole_texts=("tokenizer", "tokenizer_2"),
    call=("sigmas",),
    presets={"draft": {"steps": 20}, "standard": {"steps": 30}, "final": {"steps": 50}},
)
