"""Clips as loose patches: training looks at those that have something to teach, in any arrangement.

The transformer knows a patch by its position alone, so patches of any frames can stand next to each other in a frame
of their own, and nobody need compute the plain background that most of a clip is.
"""

from __future__ import annotations

import torch

from preview_model.architecture import PATCH
from preview_model.recipe import HEIGHT, WIDTH

ROWS, COLUMNS = HEIGHT // PATCH, WIDTH // PATCH
CELLS = ROWS * COLUMNS
"""Patches in a frame."""


def split(clips: torch.Tensor) -> torch.Tensor:
    """(clips, frames, channels, height, width) → (clips, patches, channels, 8, 8), frame by frame, row by row."""
    cut = clips.unfold(3, PATCH, PATCH).unfold(4, PATCH, PATCH)  # clips, frames, channels, rows, columns, 8, 8
    return cut.permute(0, 1, 3, 4, 2, 5, 6).flatten(1, 3)


def join(patches: torch.Tensor) -> torch.Tensor:
    """The other way round; the number of patches must fill whole frames."""
    count, _, channels, *_ = patches.shape
    grid = patches.view(count, -1, ROWS, COLUMNS, channels, PATCH, PATCH)
    return grid.permute(0, 1, 4, 2, 5, 3, 6).reshape(count, -1, channels, HEIGHT, WIDTH)


def pick(patches: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The ``chosen`` patches of each clip, (clips, chosen), in that order."""
    return patches[torch.arange(len(chosen))[:, None], chosen]


def choose(importance: torch.Tensor, count: int) -> torch.Tensor:
    """``count`` different patches of each clip, each drawn as often as its ``importance``, (clips, patches), says."""
    keys = importance.log() - torch.empty_like(importance).exponential_().log()  # Gumbel: the largest are the draw
    return keys.topk(count, 1).indices
