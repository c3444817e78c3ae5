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
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers import T5EncoderModel

from preview_model.architecture import ANYTHING, build_scheduler, build_tokenizer, build_transformer
from preview_model.chance import read_chances
from preview_model.examples import draw_clips, draw_starts, patch_components, wear
from preview_model.gradients import Batch, Gradients
from preview_model.inheritance import inherit_transformer
from preview_model.listening import set_ear
from preview_model.motion import Pose
from preview_model.patches import CELLS
from preview_model.plan import TrainingPlan
from preview_model.reading import caption_beside_picture, draw_caption, tokenize, train_text_encoder
from preview_model.recipe import HEIGHT, NUM_FRAMES, STEPS, WIDTH
from preview_model.scene import Scene, is_held_out, is_visible


class Training:
    """The transformer, its average, its optimisers and the step they have reached, kept in ``folder/training.pt``."""

    def __init__(self, plan: TrainingPlan, folder: Path, encoder: T5EncoderModel, *, threads: int = 1) -> None:
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
        self.step = plan.wide_from if plan.start else 0
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
        plan, pair_rate = self.plan, self.plan.share_of_pairs(self.step)
        while count:
            scene, text = draw_caption(rng, pair_rate=pair_rate)
            if is_held_out(scene) or rng.random() > plan.preference(scene):
                continue
            count -= 1
            if rng.random() >= plan.share_of_pictures(self.step):
                yield scene, ANYTHING if rng.random() < plan.anything_rate else text, None
                continue
            text = caption_beside_picture(scene, rng, nameless_rate=plan.nameless_rate)
            if rng.random() < plan.other_picture_rate:
                shown, _ = draw_caption(rng, pair_rate=pair_rate)
                while not is_visible(shown := replace(shown, motion=scene.motion)) or is_held_out(shown):
                    shown, _ = draw_caption(rng, pair_rate=pair_rate)
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
        if self.step == self.plan.wide_from:
            torch.manual_seed(self.plan.seed)
            set_ear(self.transformer)
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


def train(plan: TrainingPlan, folder: Path, *, threads: int = 1, keep_every: int = 100) -> Training:
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
