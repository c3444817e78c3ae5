"""What each family states of its checkpoints is what its classes take at full size."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gpu_worker.families import FAMILIES
from gpu_worker.families.builds import Build
from tests.full_size.figures import decoding_bytes, denoising_bytes, encoding_bytes, weights_of
from tests.full_size.models import MODELS, FullSize
from tests.full_size.tracer import COMPILER, full_size_card, is_possible

ROWS = yaml.safe_load((Path(__file__).parents[2] / "catalog" / "seed.yaml").read_text())["models"]
SLACK = 0.08
"""How far a stated figure may be from the counted one: it is a line through a curve."""
SLOW = {"wan-2.1-vace-1.3b", "wan-2.1-vace-14b"}
"""All their layers have to be there: ``python -m tests.full_size`` counts them."""
UNTRACEABLE = {"framepack"}
"""It cuts the prompt by what a mask says. Its figure is HunyuanVideo's, with the tokens of frames before."""
counted = pytest.mark.skipif(
    not is_possible(),
    reason=f"fake tensors cannot be on a card here: PyTorch is built without CUDA and there is no {COMPILER}",
)
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def stated(model: FullSize) -> Build:
    version = ROWS[model.row]["version"]
    return FAMILIES[version["family"]].build(version["component_bytes"]["transformer"])


def size_of(model: FullSize, index: int = 0) -> tuple[int, int, int]:
    """One of the sizes of its row, and the frames of its default clip that are computed at once."""
    version = ROWS[model.row]["version"]
    made_by = FAMILIES[version["family"]]
    width, height = map(int, version["sizes"][index].split("x"))
    frames = made_by.frames_at_once(made_by.frames_for(version.get("default_seconds", 5), version["fps"]))
    return width, height, frames


@every_model
def test_weights_are_those_of_the_classes(model: FullSize) -> None:
    found, build, row = weights_of(model), stated(model), ROWS[model.row]["version"]["component_bytes"]
    assert build.transformer_bytes == pytest.approx(found["transformer_bytes"], rel=0.01)
    assert row["transformer"] == pytest.approx(found["transformer_bytes"], rel=0.015)
    assert row["vae"] == pytest.approx(found["vae_bytes"], rel=0.01)
    assert build.quantised_fraction == pytest.approx(found["quantised_fraction"], abs=0.003)
    assert build.swapped_fraction == pytest.approx(found["swapped_fraction"], abs=0.011)


@counted
@pytest.mark.parametrize("row", sorted(MODELS.keys() - SLOW - UNTRACEABLE))
def test_denoising_takes_what_the_family_states(row: str) -> None:
    model = MODELS[row]
    width, height, frames = size = size_of(model)
    with full_size_card():
        found = denoising_bytes(model, size)
    assert stated(model).denoising.size_bytes(width * height, frames) == pytest.approx(found, rel=SLACK)


DECODED = {
    "wan-2.1-14b": 33,
    "ltx-video-2b": 121,
    "ltx-2": 121,
    "ltx-2.3": 121,
    "hunyuan-video": 121,
    "cogvideox-5b": 49,
}
"""Frames: where it does not depend on them, few are quicker to count."""


@counted
@pytest.mark.parametrize("row", sorted(DECODED))
def test_decoding_takes_what_the_family_states(row: str) -> None:
    model = MODELS[row]
    width, height, _ = size_of(model)
    with full_size_card():
        found = decoding_bytes(model, (width, height, DECODED[row]))
    assert stated(model).vae.decoding.size_bytes(width * height, DECODED[row]) == pytest.approx(found, rel=SLACK)


@counted
@pytest.mark.parametrize("row", ["wan-2.1-14b", "ltx-2.3", "cogvideox-5b"])
def test_reading_a_given_clip_takes_what_the_family_states(row: str) -> None:
    model = MODELS[row]
    width, height, _ = size_of(model)
    with full_size_card():
        found = encoding_bytes(model, (width, height, 49))
    assert stated(model).vae.encoding.size_bytes(width * height, 49) == pytest.approx(found, rel=SLACK)
