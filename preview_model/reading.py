"""First stage of training: the text encoder learns to read.

Each register of the encoder must tell its attribute of the scene, through a linear layer that is thrown away
afterwards. Captions cost nothing next to clips, so the encoder reads hundreds of thousands of them before the first
clip is drawn, and the transformer starts with prompts that are understood.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from preview_model import recipe
from preview_model.architecture import ANYTHING, TEXT_WIDTH, build_text_encoder, build_tokenizer
from preview_model.captions import caption, motion_caption, partial_caption, perturb
from preview_model.precision import autocast
from preview_model.scene import ALL_SCENES, COLOURS, REGISTERS, SHAPES, Scene, Thing, register

BATCH = 256
PEAK_RATE = 2e-3
OMISSION_RATE = 0.12
PERTURBATION_RATE = 0.03
ANYTHING_RATE = 0.02
CONFUSABLE_RATE = 0.3
PAIR_RATE = 0.35

_CONFUSABLE = tuple(
    scene
    for scene in ALL_SCENES
    if scene.colour in ("blue", "white") and scene.background in ("white", "light blue", "dark blue")
)
"""Blue and white are colours of things and of backgrounds: only the sentence tells which is which."""


def draw_caption(
    rng: random.Random, *, confusable_rate: float = 0.0, pair_rate: float = PAIR_RATE
) -> tuple[Scene, str]:
    """A scene and a caption of it as training sees them: any wording, parts left out, linking words astray."""
    scene = rng.choice(_CONFUSABLE if rng.random() < confusable_rate else ALL_SCENES)
    if rng.random() < pair_rate:
        second = Thing(rng.choice(SHAPES), rng.choice(tuple(COLOURS)))
        kept = rng.random()
        if kept < 0.15:
            second = second._replace(shape=scene.shape)
        elif kept < 0.25:
            second = second._replace(colour=scene.colour)
        if second != (scene.shape, scene.colour):
            scene = replace(scene, count=2, second=second)
    scene, text = partial_caption(scene, rng, omission_rate=OMISSION_RATE)
    return scene, perturb(text, rng, rate=PERTURBATION_RATE)


def caption_beside_picture(scene: Scene, rng: random.Random, *, nameless_rate: float) -> str:
    """A caption for a picture of ``scene``: it names everything, or nothing but the motion."""
    text = motion_caption(scene, rng) if rng.random() < nameless_rate else caption(scene, rng)
    return perturb(text, rng, rate=PERTURBATION_RATE)


def tokenize(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> torch.Tensor:
    """Token ids as the pipeline makes them, shape (texts, ``recipe.TEXT_TOKENS``)."""
    tokens = tokenizer(texts, padding="max_length", max_length=recipe.TEXT_TOKENS, truncation=True, return_tensors="pt")
    ids: torch.Tensor = tokens.input_ids
    return ids


class Readout(torch.nn.Module):
    """One linear classifier per register; the last class of each stands for "not asked"."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleList(torch.nn.Linear(TEXT_WIDTH, len(v) + 1) for v in REGISTERS.values())

    def forward(self, states: torch.Tensor) -> list[torch.Tensor]:
        return [head(states[:, place]) for place, head in enumerate(self.heads)]


def targets(scenes: list[Scene | None]) -> torch.Tensor:
    """The class of each register, shape (registers, scenes); ``None`` is a prompt that asks for nothing."""
    return torch.tensor(
        [
            [len(values) if scene is None else values.index(register(scene, name)) for scene in scenes]
            for name, values in REGISTERS.items()
        ]
    )


def read(encoder: T5EncoderModel, readout: Readout, texts: list[str]) -> list[Scene]:
    """The scenes that the encoder understands ``texts`` to mean."""
    ids = tokenize(build_tokenizer(), texts)
    with torch.no_grad():
        answers = [logits[:, :-1].argmax(-1).tolist() for logits in readout(encoder(ids)[0])]
    return [_scene(*row) for row in zip(*answers, strict=True)]


def _scene(*classes: int) -> Scene:
    found: dict[str, Any] = {
        name: values[index] for (name, values), index in zip(REGISTERS.items(), classes, strict=True)
    }
    second = Thing(found.pop("second_shape"), found.pop("second_colour"))
    is_pair = found["count"] == 2 and second != (found["shape"], found["colour"])
    return Scene(**found, second=second if is_pair else None)


def train_text_encoder(folder: Path, *, steps: int, seed: int) -> T5EncoderModel:
    """The trained encoder; kept as ``folder/reader.pt`` and loaded from there when it is finished already."""
    kept = folder / "reader.pt"
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    encoder, readout = build_text_encoder(len(tokenizer)), Readout()
    if kept.is_file():
        state = torch.load(kept, weights_only=True)
        encoder.load_state_dict(state["encoder"])
        return encoder
    rng = random.Random(seed)
    optimiser = torch.optim.AdamW(
        [*encoder.parameters(), *readout.parameters()], lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps, pct_start=0.05)
    progress = tqdm(range(steps), desc="reading", unit="step", mininterval=10)
    for step in progress:
        pairs: list[tuple[Scene | None, str]] = [
            (None, ANYTHING) if rng.random() < ANYTHING_RATE else draw_caption(rng, confusable_rate=CONFUSABLE_RATE)
            for _ in range(BATCH)
        ]
        texts = [text for _, text in pairs]
        with autocast():
            states = encoder(tokenize(tokenizer, texts))[0].float()
        answers = readout(states)
        goals = targets([scene for scene, _ in pairs])
        loss = sum((cross_entropy(a, g) for a, g in zip(answers, goals, strict=True)), torch.zeros(()))
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_([*encoder.parameters(), *readout.parameters()], 1.0)
        optimiser.step()
        schedule.step()
        if step % 20 == 0:
            right = torch.stack([(a.argmax(-1) == g) for a, g in zip(answers, goals, strict=True)]).all(0)
            progress.set_postfix(loss=f"{loss.item():.3f}", right=f"{right.float().mean().item():.3f}")
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"encoder": encoder.state_dict(), "readout": readout.state_dict()}, kept)
    return encoder
