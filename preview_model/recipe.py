"""How the preview model is called, as data.

The model knows one size and one length. Its frames are thumbnails, so they are shown with each pixel repeated
``UPSCALE`` times.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gpu_worker.families.preview import TEXT_TOKENS as TEXT_TOKENS

WIDTH = 48
HEIGHT = 48
NUM_FRAMES = 16
FPS = 8
STEPS = 2
UPSCALE = 8

CALL: Mapping[str, Any] = MappingProxyType({"guidance_scale": 1.0, "max_sequence_length": TEXT_TOKENS})
"""Arguments of the pipeline call beside prompt, size, frames and steps. The positions of the text tokens are sized
for ``TEXT_TOKENS``: the pipeline's own default of 226 is refused by the transformer."""
