"""Training examples by the batch: clips from a bank of drawn masks, and the weights of their loss."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import CogVideoXTransformer3DModel

from gpu_worker.preview.architecture import PATCH, WIDTH
from gpu_worker.preview.drawing import draw_mask
from gpu_worker.preview.scene import BACKGROUNDS, COLOURS, COUNTS, MOTIONS, SHAPES, Scene

TAKES = 20
PATH_WEIGHT = 3.0
SHAPE_WEIGHT = 8.0
LEAST_CONTRAST = 0.2


class Clips:
    """A bank of drawn masks, filled once; drawing from it costs a copy."""

    def __init__(self, *, seed: int, takes: int = TAKES) -> None:
        rng = np.random.default_rng(seed)
        self.takes = takes
        self.masks = {
            key: torch.from_numpy(
                np.stack([_to_bytes(draw_mask(_scene(*key), rng)) for _ in range(takes)]),
            )
            for key in itertools.product(SHAPES, MOTIONS, COUNTS)
        }
        self.weights = {key: self._weigh(*key) for key in itertools.product(MOTIONS, COUNTS)}

    def _weigh(self, motion: str, count: int) -> torch.Tensor:
        """The weight of each pixel of each frame, (frames, height, width): the same for every shape."""
        typical = torch.stack([self.masks[shape, motion, count].float().mean(0) / 255 for shape in SHAPES])
        path = (typical.amax(0) > 0.03).float()
        disagreement = typical.amax(0) - typical.amin(0)
        return 1 + PATH_WEIGHT * path + SHAPE_WEIGHT * disagreement

    def draw(
        self, scenes: Sequence[Scene], frames: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Clips in [-1, 1], shape (scenes, frames, 3, height, width), and their weights, with one channel.

        ``frames``: which frames of each clip, shape (scenes, frames).
        """
        takes = rng.integers(self.takes, size=len(scenes))
        keys = [(s.shape, s.motion, s.count) for s in scenes]
        masks = torch.stack([self.masks[k][t][f] for k, t, f in zip(keys, takes, frames, strict=True)]).float() / 255
        weights = torch.stack([self.weights[s.motion, s.count][f] for s, f in zip(scenes, frames, strict=True)])
        colours = torch.tensor([COLOURS[s.colour] for s in scenes]) / 127.5 - 1
        grounds = torch.tensor([BACKGROUNDS[s.background] for s in scenes]) / 127.5 - 1
        contrasts = (colours - grounds)[:, None, :, None, None]
        clips = grounds[:, None, :, None, None] + masks[:, :, None] * contrasts
        fairness = contrasts.square().mean((1, 2, 3, 4), keepdim=True).clamp_min(LEAST_CONTRAST)
        return clips, weights[:, :, None] / fairness


@dataclass(frozen=True, slots=True)
class PatchComponents:
    """The principal components of the clips' patches: ``directions`` (values, components) and their deviations."""

    mean: torch.Tensor
    directions: torch.Tensor
    deviations: torch.Tensor

    @torch.no_grad()
    def initialise(self, transformer: CogVideoXTransformer3DModel) -> None:
        """Start the transformer's entry and exit in this basis, so that it need not find what patches look like."""
        components = self.directions.shape[1]
        rotation = torch.linalg.qr(torch.randn(WIDTH, WIDTH))[0][:, :components]
        whitening = rotation @ (0.35 * self.directions / (self.deviations**2 + 1).sqrt()).T
        transformer.patch_embed.proj.weight.copy_(whitening.view(WIDTH, 3, PATCH, PATCH))
        transformer.patch_embed.proj.bias.copy_(-(whitening @ self.mean))
        transformer.proj_out.weight.copy_((self.directions * self.deviations * 0.3) @ rotation.T)
        transformer.proj_out.bias.copy_(self.mean)


def patch_components(clips: Clips, *, components: int = 128, sample: int = 256) -> PatchComponents:
    """The components of the patches of ``sample`` clips, each patch flattened as (channel, row, column)."""
    rng = np.random.default_rng(0)
    scenes = [
        Scene(
            shape=SHAPES[rng.integers(len(SHAPES))],
            colour=tuple(COLOURS)[rng.integers(len(COLOURS))],
            motion=MOTIONS[rng.integers(len(MOTIONS))],
            background=tuple(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))],
            count=COUNTS[rng.integers(len(COUNTS))],
        )
        for _ in range(sample)
    ]
    frames = torch.arange(0, 16, 4).expand(sample, -1)
    drawn, _ = clips.draw(scenes, frames, rng)
    patches = drawn.unfold(3, PATCH, PATCH).unfold(4, PATCH, PATCH)  # scenes, frames, 3, rows, columns, PATCH, PATCH
    flat = patches.permute(0, 1, 3, 4, 2, 5, 6).reshape(-1, 3 * PATCH * PATCH)
    mean = flat.mean(0)
    _, singular, directions = torch.linalg.svd(flat - mean, full_matrices=False)
    return PatchComponents(
        mean=mean,
        directions=directions[:components].T.contiguous(),
        deviations=singular[:components] / len(flat) ** 0.5,
    )


def _scene(shape: str, motion: str, count: int) -> Scene:
    return Scene(shape=shape, motion=motion, count=count)


def _to_bytes(
    mask: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(np.round(mask * 255), np.uint8)
