"""How the preview model is called, as data. No torch here: the catalogue row copies it.

The model knows one size and one length. Its frames are thumbnails, so they are shown with each pixel repeated
``UPSCALE`` times.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

FAMILY = "preview"
SLUG = "preview"
TITLE = "Preview (toy)"
DESCRIPTION = (
    "A toy model, trained from scratch on shapes that this project draws. It knows circles, squares, triangles and"
    " stars, nine colours, nine motions and five plain backgrounds, and nothing else. It is here so that everything"
    " can be tried without a GPU and without a download. Of 200 prompts in free wording, 198 came out right in shape,"
    " colour, motion, background and number."
)

WIDTH = 48
HEIGHT = 48
NUM_FRAMES = 16
FPS = 8
STEPS = 2
UPSCALE = 8
TEXT_TOKENS = 24

SIZES = ((WIDTH, HEIGHT),)
FRAME_COUNTS = (NUM_FRAMES,)

CALL: Mapping[str, Any] = MappingProxyType({"guidance_scale": 1.0, "max_sequence_length": TEXT_TOKENS})
"""Arguments of the pipeline call beside prompt, size, frames and steps. The positions of the text tokens are sized
for ``TEXT_TOKENS``: the pipeline's own default of 226 is refused by the transformer."""
