"""Second stage of training: the transformer learns to draw what the registers say and to go on from a picture.

What makes so little computing enough:

- Prompts are understood already (``reading``), and the clip is a function of the prompt and the noise (``chance``), to
  which the first block listens from the beginning (``listening``).
- Most steps see the first frame and few patches of others, those that something is in. A patch is drawn from its own
  position, the prompt and the first frame, so this teaches the same thing at a sixth of the price; the last steps see
  whole clips, since attention to six hundred tokens is another thing than to a hundred.
- Most examples are pure noise, where everything must come from the prompt; sampling begins there.
- The loss weighs the neighbourhood of an outline more, whichever shape it is. It is divided by the contrast of the
  colours, so blue on dark blue counts as much as red on white.
- Muon for the blocks, AdamW for the rest, and an average of the weights over the last steps.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm
from transformers import T5EncoderModel

from gpu_worker.preview.architecture import ANYTHING, build_scheduler, build_tokenizer, build_transformer
from gpu_worker.preview.chance import read_chances
from gpu_worker.preview.examples import draw_clips, draw_starts, patch_components, wear
from gpu_worker.preview.gradients import Batch, Gradients
from gpu_worker.preview.inheritance import inherit_transformer
from gpu_worker.preview.listening import set_ear
from gpu_worker.preview.motion import Pose
from gpu_worker.preview.patches import CELLS
from gpu_worker.preview.reading import draw_caption, tokenize, train_text_encoder
from gpu_worker.preview.recipe import HEIGHT, NUM_FRAMES, STEPS, WIDTH
from gpu_worker.preview.scene import Scene, is_held_out, is_visible


class Look(NamedTuple):
    """What of its clips a step sees."""

    since_step: int
    batch: int
    frames: int
    """How many frames of each clip beside the first are drawn ..."""
    patches_of_frames: int | None
    """... and how many frames' worth of their patches are seen, by their weight in the loss. None: all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A training run. The same plan gives the same weights on machines of a kind, however often it was interrupted.

    The defaults have not been run to their end yet; ``docs/preview-model.md`` tells how far, and where the shipped
    weights come from.
    """

    reading_steps: int = 2500
    steps: int = 4600
    looks: tuple[Look, ...] = (Look(0, 32, 4, 1), Look(2400, 20, 8, 4), Look(3300, 9, NUM_FRAMES - 1, None))
    """How training looks at clips, from which step on."""
    muon_rate: float = 0.015
    adam_rate: float = 1.5e-3
    schedule: tuple[tuple[int, float], ...] = ((0, 0.0), (30, 1.0), (900, 1.0), (4500, 0.03), (4600, 0.01))
    """(step, share of the two rates): straight lines between these points."""
    least_chance: float = 0.3
    """How much chance decides in the beginning; growing little by little keeps what is drawn sharp."""
    whole_chance_step: int = 600
    """The step from which it decides all it may."""
    pure_noise_rate: float = 0.65
    sampled_rate: float = 0.25
    """Share of the examples at the other timesteps that sampling by the recipe visits; the rest are at any."""
    anything_rate: float = 0.02
    averaging: float = 0.985
    clip_norm: float = 0.5
    pair_rate: float = 0.25
    """Share of the scenes with two different objects."""
    picture_rate: float = 0.25
    """Share of the examples whose first frame is given, in the end."""
    worn_rate: float = 0.4
    """Share of the given pictures that come as the site's clips end: with a watermark, out of an MP4."""
    pictures_from: tuple[int, int] = (0, 1)
    """The steps between which their share grows from none."""
    other_picture_rate: float = 0.4
    """Share of these whose caption is of other things than the picture shows, moving alike."""
    seed: int = 0
    start: str = ""
    """Folder of a trained pipeline of the same size to go on from; none: from nothing."""

    @staticmethod
    def preference(scene: Scene) -> float:
        """How likely a drawn scene is to be trained on. Turning is hardest to draw, then a square's corners."""
        if scene.motion == "spinning" and is_visible(scene):
            return 1.0
        return 1 / 3 if scene.shape == "square" else 1 / 6

    def look(self, step: int) -> Look:
        """How ``step`` looks at its clips."""
        return next(look for look in reversed(self.looks) if look.since_step <= step)

    def share_of_rates(self, step: int) -> float:
        """By how much ``schedule`` scales the rates at ``step``."""
        steps, shares = [s for s, _ in self.schedule], [share for _, share in self.schedule]
        return float(np.interp(step, steps, shares))

    def share_of_pictures(self, step: int) -> float:
        """The share of the examples whose first frame is given at ``step``."""
        return float(np.interp(step, self.pictures_from, (0, self.picture_rate)))

    def share_of_chance(self, step: int) -> float:
        """How much chance decides at ``step``, as a share of what it decides in the end."""
        return float(np.interp(step, (0, self.whole_chance_step), (self.least_chance, 1)))


class Training:
    """The transformer, its average, its optimisers and the step they have reached, kept in ``folder/training.pt``."""

    def __init__(self, plan: Plan, folder: Path, encoder: T5EncoderModel, *, threads: int = 1) -> None:
        self.plan, self.folder, self.encoder = plan, folder, encoder.eval().requires_grad_(False)
        torch.manual_seed(plan.seed)
        self.tokenizer = build_tokenizer()
        scheduler = build_scheduler()
        scheduler.set_timesteps(STEPS)
        self.signal, self.visited = scheduler.alphas_cumprod.float(), scheduler.timesteps[1:]
        self.transformer = build_transformer()
        if plan.start:
            inherit_transformer(self.transformer, Path(plan.start), self.tokenizer, self.encoder)
        else:
            patch_components().initialise(self.transformer)
        set_ear(self.transformer)
        self.average = copy.deepcopy(self.transformer).requires_grad_(False)
        self.gradients = Gradients(self.transformer, threads=threads)
        hidden = [
            weight
            for name, weight in self.transformer.named_parameters()
            if weight.ndim == 2 and "transformer_blocks" in name and "norm" not in name
        ]
        chosen = {id(weight) for weight in hidden}
        others = [weight for weight in self.transformer.parameters() if id(weight) not in chosen]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(half, lr=plan.muon_rate, momentum=0.95, weight_decay=0.0)
            for half in (hidden[::2], hidden[1::2])  # two, so that two threads can take one each
        ]
        self.optimisers.append(torch.optim.AdamW(others, lr=plan.adam_rate, betas=(0.9, 0.98), weight_decay=0.0))
        self.peak_rates = [plan.muon_rate, plan.muon_rate, plan.adam_rate]
        self.step = 0
        self.resume()

    def resume(self) -> None:
        """Continue from the kept step, if one was kept."""
        kept = self.folder / "training.pt"
        if not kept.is_file():
            return
        state = torch.load(kept, weights_only=True)
        self.transformer.load_state_dict(state["transformer"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step = state["step"]

    def keep(self) -> None:
        """Keep everything that resuming needs; a crash half-way leaves the step kept before."""
        state: dict[str, Any] = {
            "transformer": self.transformer.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
        }
        unfinished = self.folder / "training.pt.unfinished"
        torch.save(state, unfinished)
        unfinished.rename(self.folder / "training.pt")

    def draw_prompts(self, rng: random.Random, count: int) -> Iterator[tuple[Scene, str, tuple[Pose, ...] | None]]:
        """Scenes outside the held-out combinations, each with a caption and, for some, what a given picture has.

        The hard ones come more often. With a picture, the caption may be of other things: it is the picture that says
        what moves, and the caption how.
        """
        plan = self.plan
        while count:
            scene, text = draw_caption(rng, pair_rate=plan.pair_rate)
            if is_held_out(scene) or rng.random() > plan.preference(scene):
                continue
            count -= 1
            if rng.random() >= plan.share_of_pictures(self.step):
                yield scene, ANYTHING if rng.random() < plan.anything_rate else text, None
                continue
            if rng.random() < plan.other_picture_rate:
                shown, _ = draw_caption(rng, pair_rate=plan.pair_rate)
                while not is_visible(shown := replace(shown, motion=scene.motion)) or is_held_out(shown):
                    shown, _ = draw_caption(rng, pair_rate=plan.pair_rate)
                scene = shown
            yield scene, text, draw_starts(scene, rng)

    def draw_times(self, count: int) -> torch.Tensor:
        """Timesteps: pure noise, those that sampling visits after it, or any."""
        plan = self.plan
        visited = self.visited[torch.randint(0, len(self.visited), (count,))]
        times = torch.randint(0, 1000, (count,))
        kind = torch.rand(count)
        times = torch.where(kind < plan.pure_noise_rate + plan.sampled_rate, visited, times)
        return torch.where(kind < plan.pure_noise_rate, 999, times)

    def draw_batch(self) -> Batch:
        """The examples of the present step; the same whenever this step is taken.

        Every example has its first frame: chance is read there, and a given picture lies there.
        """
        plan = self.plan
        look = plan.look(self.step)
        count = look.batch
        rng = random.Random(f"{plan.seed}/{self.step}")
        torch.manual_seed(plan.seed * 1_000_003 + self.step)
        scenes, texts, starts = zip(*self.draw_prompts(rng, count), strict=True)
        others = [1 + torch.randperm(NUM_FRAMES - 1)[: look.frames].sort().values for _ in range(count)]
        frames = torch.cat([torch.zeros(count, 1, dtype=torch.long), torch.stack(others)], 1)
        noise = torch.randn(count, 1 + look.frames, 3, HEIGHT, WIDTH)
        chances = [chance.scaled(plan.share_of_chance(self.step)) for chance in read_chances(noise[:, 0])]
        clips, weights = draw_clips(scenes, chances, starts, frames)
        times = self.draw_times(count)
        signal = self.signal[times].view(-1, 1, 1, 1, 1)
        noisy = signal.sqrt() * clips + (1 - signal).sqrt() * noise
        given = torch.tensor([start is not None for start in starts])
        noisy[given, 0] = clips[given, 0]
        worn = given & (torch.rand(count) < plan.worn_rate)
        noisy[worn, 0] = wear(clips[worn, 0])
        weights[given, 0] = 0
        with torch.no_grad():
            prompts = self.encoder(tokenize(self.tokenizer, list(texts)))[0]
        batch = Batch(
            clips=clips,
            noisy=noisy,
            weights=weights,
            prompts=prompts,
            times=times,
            places=(frames[..., None] * CELLS + torch.arange(CELLS)).flatten(1),
            given=given,
        )
        return batch if look.patches_of_frames is None else batch.of_patches(CELLS * look.patches_of_frames)

    def advance(self) -> tuple[float, float]:
        """One step. The unweighted squared errors of its examples: of those with a picture, and from pure noise."""
        batch = self.draw_batch()
        errors = self.gradients.compute(batch)
        self._descend()
        return errors[batch.given].mean().item(), errors[~batch.given & (batch.times == 999)].mean().item()

    def _descend(self) -> None:
        plan = self.plan
        scale = plan.share_of_rates(self.step + 1)
        for optimiser, peak in zip(self.optimisers, self.peak_rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * scale
        torch.nn.utils.clip_grad_norm_(self.transformer.parameters(), plan.clip_norm)
        list(self.gradients.pool.map(lambda optimiser: optimiser.step(), self.optimisers))
        self.step += 1
        decay = min(plan.averaging, self.step / (self.step + 10))
        with torch.no_grad():
            averages, weights = list(self.average.parameters()), list(self.transformer.parameters())
            torch._foreach_lerp_(averages, weights, 1 - decay)


def train(plan: Plan, folder: Path, *, threads: int = 1, keep_every: int = 100) -> Training:
    """Run ``plan`` to its end, or on from the step that ``folder`` holds, on ``threads`` threads."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    encoder = train_text_encoder(folder, steps=plan.reading_steps, seed=plan.seed)
    torch.set_num_threads(1)
    training = Training(plan, folder, encoder, threads=threads)
    progress = tqdm(total=plan.steps, initial=training.step, desc="drawing", unit="step", mininterval=10)
    pictures, noise, log = [], [], folder / "losses.tsv"
    while training.step < plan.steps:
        from_picture, from_noise = training.advance()
        pictures.append(from_picture)
        noise.append(from_noise)
        progress.update()
        if training.step % 20 == 0:
            means = float(np.nanmean(pictures)), float(np.nanmean(noise))
            progress.set_postfix(from_picture=f"{means[0]:.4f}", from_noise=f"{means[1]:.4f}")
            with log.open("a") as lines:
                lines.write(f"{training.step}\t{means[0]:.5f}\t{means[1]:.5f}\n")
            pictures, noise = [], []
        if training.step % keep_every == 0 or training.step == plan.steps:
            training.keep()
    return training
