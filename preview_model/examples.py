"""Training examples by the batch: prompts' clips and clips that go on from a picture, and the weights of their loss."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import CogVideoXTransformer3DModel
from numpy.typing import NDArray

from gpu_worker.engine.video.watermark import mark_of
from preview_model.architecture import PATCH
from preview_model.architecture import WIDTH as TOKEN_WIDTH
from preview_model.chance import Chance
from preview_model.drawing import draw_masks, offsets, paint
from preview_model.motion import CENTRE, LANE, Pose, poses, poses_from
from preview_model.recipe import HEIGHT, NUM_FRAMES, UPSCALE, WIDTH
from preview_model.scene import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, Scene

Floats = NDArray[np.float32]

MARK_WORDS = "LoreMotion"
"""The site's watermark, unless its operator chose another."""
MP4_ERROR = 0.02
"""Standard deviation of what H.264 adds to a picture, after it was made small again."""
NEAR_WEIGHT = 3.0
OUTLINE_WEIGHT = 8.0
LEAST_CONTRAST = 0.2


def draw_starts(scene: Scene, rng: random.Random) -> tuple[Pose, ...]:
    """Where a given picture has the objects of ``scene``: anywhere, of any size, seldom cut by the edge or turned."""
    one = scene.count == 1
    radius = rng.uniform(4.5, 12.5) if one else rng.uniform(4.0, 8.5)
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < 0.1 else 0.0
    if rng.random() < 0.2:
        x, y = rng.uniform(0, 48), rng.uniform(0, 48)
    else:
        room = CENTRE - radius if one else 2.5
        x, y = CENTRE + rng.uniform(-room, room), CENTRE + rng.uniform(-room, room)
    if one:
        return (Pose(x, y, radius, angle),)
    is_usual = rng.random() < 0.8
    is_stacked = (scene.motion in ("right", "left")) == is_usual
    free = rng.uniform(-10, 10)  # along the line on which the two do not share the frame
    if is_stacked:
        return Pose(x + free, y - LANE, radius, angle), Pose(x + free, y + LANE, radius, angle)
    return Pose(x - LANE, y + free, radius, angle), Pose(x + LANE, y + free, radius, angle)


def places_of(scene: Scene, chance: Chance, starts: tuple[Pose, ...] | None) -> Floats:
    """The poses of a clip: by the prompt and chance, or from the picture that has its objects at ``starts``."""
    return poses(scene, chance) if starts is None else poses_from(scene, starts)


def draw_clip(scene: Scene, places: Floats) -> tuple[Floats, Floats]:
    """The clip in [-1, 1], shape (frames, 3, height, width), and its loss weights, with one channel.

    The outline weighs most, whichever shape it is. Low contrast weighs more, so that blue on dark blue counts as much
    as red on white.
    """
    clip = paint(draw_masks(scene, places), scene)
    ground = np.array(BACKGROUNDS[scene.background]) / 127.5 - 1
    contrasts = [np.square(np.array(COLOURS[thing.colour]) / 127.5 - 1 - ground).mean() for thing in scene.things]
    weights = np.ones((places.shape[1], 1, *clip.shape[2:]), np.float32)
    for path in places:
        right, down = offsets(path)
        distance = np.hypot(right, down) / path[:, 2, None, None]
        importance = NEAR_WEIGHT * (distance < 1.4) + OUTLINE_WEIGHT * ((distance > 0.45) & (distance < 1.25))
        np.maximum(weights, (1 + importance)[:, None], out=weights)
    return clip, np.asarray(weights / max(float(np.mean(contrasts)), LEAST_CONTRAST), np.float32)


def draw_clips(
    scenes: Sequence[Scene],
    chances: Sequence[Chance],
    starts: Sequence[tuple[Pose, ...] | None],
    frames: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips, shape (scenes, frames, 3, height, width), and their loss weights, with one channel.

    ``frames``: which frames of each clip, shape (scenes, frames).
    """
    drawn = [
        draw_clip(scene, places_of(scene, chance, start)[:, chosen])
        for scene, chance, start, chosen in zip(scenes, chances, starts, frames.numpy(), strict=True)
    ]
    clips, weights = zip(*drawn, strict=True)
    return torch.from_numpy(np.stack(clips)), torch.from_numpy(np.stack(weights))


def wear(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures in [-1, 1], (pictures, 3, height, width), as a clip of the site has them: marked, and out of an MP4."""
    mark = mark_of(MARK_WORDS, width=WIDTH * UPSCALE, height=HEIGHT * UPSCALE)
    cover = np.zeros((HEIGHT * UPSCALE, WIDTH * UPSCALE, 2), np.float32)
    box = slice(mark.top, mark.top + len(mark.cover)), slice(mark.left, mark.left + mark.cover.shape[1])
    cover[box] = np.concatenate([mark.cover, mark.cover * (mark.colour / 127.5 - 1)], -1)
    share, light = torch.from_numpy(cover.reshape(HEIGHT, UPSCALE, WIDTH, UPSCALE, 2).mean((1, 3))).permute(2, 0, 1)
    worn: torch.Tensor = pictures * (1 - share) + light + MP4_ERROR * torch.randn_like(pictures)
    return worn


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
        rotation = torch.linalg.qr(torch.randn(TOKEN_WIDTH, TOKEN_WIDTH))[0][:, :components]
        whitening = rotation @ (0.35 * self.directions / (self.deviations**2 + 1).sqrt()).T
        transformer.patch_embed.proj.weight.copy_(whitening.view(TOKEN_WIDTH, 3, PATCH, PATCH))
        transformer.patch_embed.proj.bias.copy_(-(whitening @ self.mean))
        transformer.proj_out.weight.copy_((self.directions * self.deviations * 0.3) @ rotation.T)
        transformer.proj_out.bias.copy_(self.mean)


def patch_components(*, components: int = 128, sample: int = 256) -> PatchComponents:
    """The components of the patches of ``sample`` clips, each patch flattened as (channel, row, column)."""
    rng = random.Random(0)
    scenes = [
        Scene(
            shape=rng.choice(SHAPES),
            colour=rng.choice(tuple(COLOURS)),
            motion=rng.choice(MOTIONS),
            background=rng.choice(tuple(BACKGROUNDS)),
        )
        for _ in range(sample)
    ]
    frames = torch.arange(0, NUM_FRAMES, 4).expand(sample, -1)
    chances = [Chance(*(rng.uniform(-1, 1) for _ in Chance._fields)) for _ in scenes]
    drawn, _ = draw_clips(scenes, chances, [None] * sample, frames)
    patches = drawn.unfold(3, PATCH, PATCH).unfold(4, PATCH, PATCH)  # scenes, frames, 3, rows, columns, PATCH, PATCH
    flat = patches.permute(0, 1, 3, 4, 2, 5, 6).reshape(-1, 3 * PATCH * PATCH)
    mean = flat.mean(0)
    _, singular, directions = torch.linalg.svd(flat - mean, full_matrices=False)
    return PatchComponents(
        mean=mean,
        directions=directions[:components].T.contiguous(),
        deviations=singular[:components] / len(flat) ** 0.5,
    )
