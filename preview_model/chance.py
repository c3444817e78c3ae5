"""How a seed decides what a prompt leaves open: the noise that a clip is made of says it.

A denoiser that cannot know where a thing starts draws the mean of all the places, which is a blur. So nothing is left
to its guess: five numbers are read off the noise of the first frame, as its correlation with five textures, and the
clips of training start where, and are as large and as fast as, their own noise says. Noise → clip stays a function,
which a small model can learn, and each seed of the stock pipeline brings numbers of its own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from preview_model.recipe import HEIGHT, WIDTH

PATCH = 8
SATURATION = 1.5
"""Standard deviations beyond which a number is at its end: one seed in seven is."""


class Chance(NamedTuple):
    """What the prompt leaves open, each in [-1, 1]; 0 is the middle."""

    along: float = 0.0
    """Where the path lies, in its own direction."""
    across: float = 0.0
    """How far beside its usual place the path lies."""
    size: float = 0.0
    speed: float = 0.0
    phase: float = 0.0
    """How far a jump or a turn has come when the clip begins."""

    def scaled(self, share: float) -> Chance:
        """The same, nearer to the middle."""
        return Chance(*(share * number for number in self))


_WAVES = ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2))
"""Half waves, across and down, that each number's texture has in each of the model's patches."""
NUMBERS = len(_WAVES)


def _textures() -> torch.Tensor:
    """One texture for each number, shape (numbers, 3 · height · width), each of length 1."""
    place = (torch.arange(PATCH) + 0.5) * math.pi / PATCH
    made = []
    for across, down in _WAVES:
        patch = (down * place).cos()[:, None] * (across * place).cos()
        texture = patch.repeat(HEIGHT // PATCH, WIDTH // PATCH).expand(3, -1, -1)
        made.append(texture.flatten() / texture.norm())
    return torch.stack(made)


_TEXTURES = _textures()


def read_chances(noise: torch.Tensor) -> list[Chance]:
    """The numbers in the noise of first frames, shape (clips, 3, height, width)."""
    numbers = noise.float().flatten(1) @ _TEXTURES.T
    return [Chance(*row) for row in (numbers / SATURATION).clamp(-1, 1).tolist()]


def textures_of_a_patch() -> torch.Tensor:
    """What one patch shows of the textures, shape (numbers, 3 · 8 · 8), each of length 1."""
    patches = _TEXTURES.view(NUMBERS, 3, HEIGHT, WIDTH)[..., :PATCH, :PATCH].flatten(1)
    lengths: torch.Tensor = patches.norm(dim=1, keepdim=True)
    return patches / lengths


@torch.no_grad()
def emphasise(patch_embedding: torch.nn.Conv2d, *, gain: float) -> None:
    """Begin training with the numbers loud in every patch's embedding."""
    directions = torch.linalg.qr(torch.randn(patch_embedding.out_channels, NUMBERS))[0]
    patch_embedding.weight += gain * (directions @ textures_of_a_patch()).view_as(patch_embedding.weight)
