"""HunyuanVideo, text and image.

Image to video is for checkpoints that put the picture in the place of the first latent (``HunyuanVideo-I2V``). Those
with 33 channels (``HunyuanVideo-I2V-33ch``) drop four frames of every clip and are not served.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families.builds import Activations, Build, VaeActivations
from gpu_worker.families.family import Family, FrameRule, Mode
from gpu_worker.families.pictures import fit


def _text(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """``guidance_scale`` is a number that the model was trained to read; real guidance is ``true_cfg_scale``."""
    return {
        "width": job.width,
        "height": job.height,
        "num_frames": job.num_frames,
        "num_inference_steps": job.steps,
        **job.call,
    }


def _image(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**_text(job, inputs), "image": fit(inputs["image"], job)}


VAE = VaeActivations(
    decoding=Activations(per_voxel=8.5, per_pixel=39_140),
    tiled_decoding=Activations(per_voxel=11.5, per_pixel=4_500),
    encoding=Activations(per_pixel=20_000),
)

FAMILY = Family(
    name="hunyuan",
    title="HunyuanVideo",
    modes={
        "text": Mode(title="Text to video", pipeline="HunyuanVideoPipeline", arguments=_text),
        "image": Mode(
            title="Image to video",
            pipeline="HunyuanVideoImageToVideoPipeline",
            needs=("image",),
            arguments=_image,
            caches=("mag_cache",),
        ),
    },
    size_multiple=16,
    sizes=("960x544", "544x960", "1280x720", "720x1280"),
    frames=FrameRule(step=4, offset=1, least=5, most=129),
    fps=24,
    components=("text_encoder", "text_encoder_2", "transformer", "vae"),
    quantised_text_fraction=0.93,
    builds=(
        Build(
            transformer_bytes=25_640_000_000,
            quantised_fraction=0.709,
            swapped_fraction=0.081,
            denoising=Activations(per_voxel=109, per_pixel=363),
            vae=VAE,
        ),
    ),
    shared={"text_encoder": "Llama 3 8B", "text_encoder_2": "CLIP-L", "vae": "HunyuanVideo VAE"},
    prompt_tokens=256,
    prompt_marks=5,
    call=(
        "guidance_scale",
        "true_cfg_scale",
        "sigmas",
        "prompt_template",
        "max_sequence_length",
    ),
    presets={
        "draft": {"steps": 20, "guidance_scale": 6.0},
        "standard": {"steps": 30, "guidance_scale": 6.0},
        "final": {"steps": 50, "guidance_scale": 6.0},
    },
)
