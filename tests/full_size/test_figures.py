"""What each family states of its checkpoints is what its classes take at full size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from catalog import documents
from gpu_worker.engine.weights.footprint import footprint_bytes
from gpu_worker.families import FAMILIES
from gpu_worker.families.builds import Build
from gpu_worker.families.memory import weights_bytes
from tests.full_size.figures import decoding_bytes, denoising_bytes, encoding_bytes, weights_of
from tests.full_size.models import MODELS, TEXT_ENCODERS, FullSize
from tests.full_size.tracer import COMPILER, full_size_card, is_possible

ROWS = documents.read((Path(__file__).parents[2] / "catalog" / "seed.yaml").read_text())["models"]
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
    for quantisation in ("int8", "fp8", "nf4"):
        declared = weights_bytes(FAMILIES[ROWS[model.row]["version"]["family"]], row, quantisation)
        assert declared["transformer"] == pytest.approx(found[quantisation], rel=0.05), (
            quantisation
        )  # rows count no buffers


def test_every_row_that_a_card_renders_is_of_a_build_that_is_counted() -> None:
    builds = {stated(model) for model in MODELS.values()}
    for slug, row in ROWS.items():
        family = FAMILIES.get(row["version"]["family"])  # none: other people's machines render it
        if family is not None and slug != "preview":  # the project's own, of a few megabytes
            assert family.build(row["version"]["component_bytes"]["transformer"]) in builds, slug


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
    "wan-2.2-5b": 9,
    "ltx-video-2b": 121,
    "ltx-2": 121,
    "ltx-2.3": 121,
    "hunyuan-video": 121,
    "cogvideox-5b": 49,
}
"""Frames: where it does not depend on them, few are quicker to count. HunyuanVideo 1.5 takes minutes: ``python -m
tests.full_size hunyuan-video-1.5`` counts it."""


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


@pytest.mark.parametrize("row", sorted(TEXT_ENCODERS))
def test_text_encoders_weigh_what_the_rows_say_and_are_quantised_as_far_as_the_families_say(row: str) -> None:
    version = ROWS[row]["version"]
    with torch.device("meta"):
        encoder = TEXT_ENCODERS[row]()
    whole_bytes = footprint_bytes(encoder, torch.bfloat16, "none")
    assert version["component_bytes"]["text_encoder"] == pytest.approx(whole_bytes, rel=0.005)
    declared = weights_bytes(FAMILIES[version["family"]], {"text_encoder": whole_bytes}, "int8")
    assert declared["text_encoder"] == pytest.approx(footprint_bytes(encoder, torch.bfloat16, "int8"), rel=0.005)
