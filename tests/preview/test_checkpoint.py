from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import CogVideoXPipeline, DiffusionPipeline

from gpu_worker.preview import checkpoint, recipe
from gpu_worker.preview.evaluation import load, render
from gpu_worker.preview.publishing import LIMIT_BYTES


@pytest.fixture
def unshipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder on a machine where no trained weights are shipped."""
    torch.set_num_threads(1)
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "nothing-shipped")
    return tmp_path / "cache"


def test_without_shipped_weights_a_stock_pipeline_is_built(unshipped: Path) -> None:
    folder = checkpoint.checkpoint(unshipped)
    pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    assert type(pipeline) is CogVideoXPipeline
    assert sum(file.stat().st_size for file in folder.rglob("*.safetensors")) <= LIMIT_BYTES
    assert [path.name for path in unshipped.iterdir()] == [folder.name]


def test_it_renders_by_the_recipe(unshipped: Path) -> None:
    clips = render(load(checkpoint.checkpoint(unshipped)), ["a red star"], [7])
    assert clips.shape == (1, recipe.NUM_FRAMES, recipe.HEIGHT, recipe.WIDTH, 3)
    assert clips.std() > 1


def test_a_clip_depends_on_its_own_seed_alone(unshipped: Path) -> None:
    pipeline = load(checkpoint.checkpoint(unshipped))
    alone = render(pipeline, ["a red star"], [7])[0].astype(int)
    in_company = render(pipeline, ["a blue dot", "a red star"], [8, 7])[1].astype(int)
    assert np.abs(alone - in_company).max() <= 1
    assert np.abs(alone - render(pipeline, ["a red star"], [8])[0]).max() > 1


def test_it_is_built_once(unshipped: Path) -> None:
    folder = checkpoint.checkpoint(unshipped)
    before = (folder / "model_index.json").stat().st_mtime_ns
    assert checkpoint.checkpoint(unshipped) == folder
    assert (folder / "model_index.json").stat().st_mtime_ns == before


def test_several_at_once_agree_on_one_whole_folder(unshipped: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        folders = set(pool.map(checkpoint.checkpoint, [unshipped] * 3))
    (folder,) = folders
    assert [path.name for path in unshipped.iterdir()] == [folder.name]
    DiffusionPipeline.from_pretrained(folder, local_files_only=True)


def test_building_leaves_the_caller_s_random_numbers_alone(unshipped: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    checkpoint.checkpoint(unshipped)
    assert torch.equal(torch.rand(3), expected)
