"""The weights that the repository ships."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from diffusers import CogVideoXPipeline
from torch.utils.flop_counter import FlopCounterMode

from gpu_worker.families.preview import FAMILY
from gpu_worker.preview.checkpoint import SHIPPED
from preview_model import recipe
from preview_model.checker import look
from preview_model.evaluation import load, render
from preview_model.publishing import LIMIT_BYTES
from tests.preview_model.ten_prompts import TEN_PROMPTS


@pytest.fixture(scope="module")
def pipeline() -> CogVideoXPipeline:
    torch.set_num_threads(1)
    return load(SHIPPED)


def test_they_are_small_enough_for_a_repository() -> None:
    weights = list(SHIPPED.rglob("*.safetensors"))
    assert sum(file.stat().st_size for file in weights) <= LIMIT_BYTES
    assert {file.parent.name for file in weights} == {"text_encoder", "transformer", "vae"}
    assert not list(SHIPPED.rglob("*.py"))


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


def test_a_clip_depends_on_its_own_seed_alone(pipeline: CogVideoXPipeline) -> None:
    alone = render(pipeline, ["a red star"], [7])[0].astype(int)
    in_company = render(pipeline, ["a blue dot", "a red star"], [8, 7])[1].astype(int)
    assert abs(alone - in_company).max() <= 1


def test_seeds_differ_and_repeat(pipeline: CogVideoXPipeline) -> None:
    first, again, other = render(pipeline, ["a yellow star moving left"] * 3, [1, 1, 2])
    assert abs(first.astype(int) - again).max() <= 1
    assert abs(first.astype(int) - other).mean() > 0.2


def test_a_clip_is_made_in_few_calculations(pipeline: CogVideoXPipeline) -> None:
    """So few that a machine without a card makes it in seconds."""
    with FlopCounterMode(display=False) as counted:
        render(pipeline, ["a red circle"], [0])
    assert counted.get_total_flops() < 20e9


def test_the_row_of_a_fresh_installation_calls_them_by_their_recipe() -> None:
    version = yaml.safe_load(Path("catalog/seed.yaml").read_text())["models"]["preview"]["version"]
    assert version["sizes"] == [f"{recipe.WIDTH}x{recipe.HEIGHT}"]
    assert version["upscale"] == recipe.UPSCALE
    assert version["fps"] == recipe.FPS
    assert version["max_seconds"] * recipe.FPS == FAMILY.frames.most == recipe.NUM_FRAMES
    preset = {"steps": recipe.STEPS, "guidance_scale": recipe.CALL["guidance_scale"]}
    assert version["presets"] == {"standard": preset} == FAMILY.presets
