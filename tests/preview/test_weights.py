"""The weights that the repository ships."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from diffusers import CogVideoXPipeline

from gpu_worker.preview import checkpoint, recipe
from gpu_worker.preview.checker import look
from gpu_worker.preview.evaluation import load, render
from gpu_worker.preview.publishing import LIMIT_BYTES
from tests.preview.ten_prompts import TEN_PROMPTS


@pytest.fixture(scope="module")
def pipeline() -> CogVideoXPipeline:
    torch.set_num_threads(1)
    return load(checkpoint.SHIPPED)


def test_the_shipped_weights_are_what_a_worker_is_given(tmp_path: Path) -> None:
    assert checkpoint.checkpoint(tmp_path) == checkpoint.SHIPPED
    assert list(tmp_path.iterdir()) == []
    assert checkpoint.place(tmp_path / "models").resolve() == checkpoint.SHIPPED.resolve()


def test_they_are_small_enough_for_a_repository() -> None:
    weights = list(checkpoint.SHIPPED.rglob("*.safetensors"))
    assert sum(file.stat().st_size for file in weights) <= LIMIT_BYTES
    assert {file.parent.name for file in weights} == {"text_encoder", "transformer", "vae"}
    assert not list(checkpoint.SHIPPED.rglob("*.py"))


def test_ten_prompts_show_what_they_say(pipeline: CogVideoXPipeline) -> None:
    clips = render(pipeline, list(TEN_PROMPTS), list(range(len(TEN_PROMPTS))))
    for clip, (prompt, scene) in zip(clips, TEN_PROMPTS.items(), strict=True):
        wrong = [name for name, agrees in look(clip).agrees(scene).items() if not agrees]
        assert not wrong, (prompt, look(clip))


def test_words_that_it_does_not_know_change_nothing(pipeline: CogVideoXPipeline) -> None:
    plain, adorned = render(
        pipeline, ["a red circle moving right", "A glorious RED circle, moving right!! (zorgling, 8k)"], [3, 3]
    )
    assert abs(plain.astype(int) - adorned).max() <= 1


def test_seeds_differ_and_repeat(pipeline: CogVideoXPipeline) -> None:
    first, again, other = render(pipeline, ["a yellow star moving left"] * 3, [1, 1, 2])
    assert abs(first.astype(int) - again).max() <= 1
    assert abs(first.astype(int) - other).mean() > 0.2


def test_a_clip_takes_seconds(pipeline: CogVideoXPipeline) -> None:
    render(pipeline, ["a red circle"], [0])
    started = time.process_time()
    render(pipeline, ["a red circle"], [0])
    assert time.process_time() - started < 10, "five seconds on each of two cores"


def test_the_recipe_needs_no_torch() -> None:
    code = "import sys, gpu_worker.preview.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert recipe.CALL["max_sequence_length"] == recipe.TEXT_TOKENS
