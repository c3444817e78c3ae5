"""Call arguments that tiny checkpoints, by name, need where the real ones do with the pipelines' defaults."""

from __future__ import annotations

from typing import Any

from tests.tiny import hunyuan_image

TINY_CALLS: dict[str, dict[str, Any]] = {
    # The default names block 28; a tiny transformer has two.
    "ltx2": {"spatio_temporal_guidance_blocks": [1], "max_sequence_length": 64},
    "ltx2_sound": {"sigmas": [1.0, 0.5], "max_sequence_length": 64},
    # The default template is cropped by the tokens that the real tokenizer makes of it.
    "hunyuan_image": {"prompt_template": hunyuan_image.PROMPT_TEMPLATE},
    "hunyuan": {"prompt_template": {"template": "{}", "crop_start": 0}},
    "framepack": {"prompt_template": {"template": "{}", "crop_start": 0}},
    "preview": {"guidance_scale": 1.0},
}
