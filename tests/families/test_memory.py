"""Memory before anybody has tried: what fits where, computed alike by the site and by the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import documents, measurements
from catalog.models import ModelVersion
from gpu_worker.contract import ComponentSource, ModelSpec, RenderJob, Stage
from gpu_worker.engine import Cpu
from gpu_worker.engine.memory.headroom import Headroom
from gpu_worker.engine.memory.memory_needs import Room, needs_of
from gpu_worker.engine.memory.open_models import OpenModel
from gpu_worker.engine.memory.placement import place
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.families import FAMILIES, family
from gpu_worker.families.activations import Shape
from gpu_worker.families.memory import (
    CARDS_GIB,
    GIB,
    Fit,
    Placement,
    memory_needs,
    stage_of,
    usable_bytes,
    weights_bytes,
)

ROOT = Path(__file__).parents[2]
WAN_5B = {"text_encoder": 11_360_000_000, "transformer": 10_000_000_000, "vae": 1_400_000_000}
WAN_A14B = {"text_encoder": 11_360_000_000, "transformer": 28_580_000_000, "transformer_2": 28_580_000_000}
BETTER = list(Fit)
_SEEDED = documents.read((ROOT / "catalog" / "seed.yaml").read_text())["models"]
ROWS: dict[str, dict[str, Any]] = {
    slug: row["version"] for slug, row in _SEEDED.items() if row["version"]["family"] in FAMILIES
}


def of(sizes: dict[str, int], quantisation: str, card: int, *, width: int = 1280, num_frames: int = 121) -> Fit:
    wan = family("wan")
    transformer = sizes.get("transformer", 0)
    shape = Shape(
        family=wan, width=width, height=704, num_frames=num_frames, transformer_bytes=transformer, mode="text"
    )
    return memory_needs(weights_bytes(wan, sizes, quantisation), shape).fit(usable_bytes(card * GIB))


@pytest.mark.parametrize(
    ("sizes", "quantisation", "expected"),
    [
        (WAN_5B, "none", [Fit.BLOCK_SWAP, Fit.ENCODER_LEAVES, Fit.RESIDENT, Fit.RESIDENT, Fit.RESIDENT]),
        (WAN_A14B, "none", [Fit.BLOCK_SWAP, Fit.BLOCK_SWAP, Fit.BLOCK_SWAP, Fit.BLOCK_SWAP, Fit.RESIDENT]),
        (WAN_A14B, "int8", [Fit.BLOCK_SWAP, Fit.BLOCK_SWAP, Fit.BLOCK_SWAP, Fit.RESIDENT, Fit.RESIDENT]),
    ],
)
def test_known_models_fit_where_people_run_them(sizes: dict[str, int], quantisation: str, expected: list[Fit]) -> None:
    assert [of(sizes, quantisation, card) for card in CARDS_GIB] == expected


def test_quantisation_applies_to_the_part_that_the_family_says_and_full_precision_doubles_everything() -> None:
    hunyuan, sizes = family("hunyuan"), {"text_encoder": 1_000, "transformer": 1_000, "vae": 1_000}
    fraction = hunyuan.builds[0].quantised_fraction
    assert weights_bytes(hunyuan, sizes, "int8") == {
        "text_encoder": round(1_000 * (1 - hunyuan.quantised_text_fraction / 2)),
        "transformer": round(1_000 * (1 - fraction / 2)),
        "vae": 1_000,
    }
    assert weights_bytes(hunyuan, sizes, "none", dtype="float32") == dict.fromkeys(sizes, 2_000)


def test_a_component_from_elsewhere_has_the_quantisation_that_it_names() -> None:
    sizes = {"text_encoder": 1_000, "transformer": 1_000}
    sources = {"text_encoder": ComponentSource(quantisation="int8"), "transformer": ComponentSource(file="q.gguf")}
    found = weights_bytes(family("wan"), sizes, "none", sources=sources)
    assert found == weights_bytes(family("wan"), sizes, "int8") | {"transformer": found["transformer"]}
    assert 500 < found["transformer"] < 560


def test_a_clip_that_no_swapping_can_save_is_refused() -> None:
    assert of(WAN_5B, "int8", 16, num_frames=1_000) == Fit.NO


def test_a_row_that_must_stay_resident_is_not_said_to_swap_blocks() -> None:
    needs = memory_needs(WAN_A14B, Shape(family=family("wan"), width=832, height=480, num_frames=81, mode="text"))
    assert needs.fit(40 * GIB) == Fit.BLOCK_SWAP
    assert needs.fit(40 * GIB, "resident") == Fit.NO


components = st.dictionaries(
    st.sampled_from(["text_encoder", "transformer", "transformer_2", "vae"]), st.integers(1, 60 * 10**9), min_size=1
)


@given(
    components, st.sampled_from(["none", "int8", "nf4"]), st.integers(4, 96), st.integers(5, 241), st.integers(0, 40)
)
def test_a_larger_card_a_smaller_clip_and_fewer_bytes_are_never_worse(
    sizes: dict[str, int], quantisation: str, card: int, num_frames: int, more: int
) -> None:
    found = of(sizes, quantisation, card, num_frames=num_frames)
    for easier in (
        of(sizes, quantisation, card + more, num_frames=num_frames),
        of(sizes, quantisation, card, num_frames=max(5, num_frames - more)),
        of(sizes, "nf4", card, num_frames=num_frames),
    ):
        assert BETTER.index(easier) <= BETTER.index(found)


# --- both sides ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Declared:
    """A component of a full-size model, of which nothing is known but what its files declare."""

    key: str
    name: str
    declared_bytes: int
    whole_bytes: int


@dataclass(frozen=True)
class NoHulls:
    """A library that opens nothing: what block swap keeps of a component is told to it."""

    swapped: dict[str, int]

    def block_swap_share(self, component: Declared) -> float:
        return self.swapped[component.name] / component.declared_bytes


def seeded_version(slug: str) -> ModelVersion:
    row = ROWS[slug]
    fields = ("family", "component_bytes", "components", "quantisation", "dtype", "placement", "fps", "modes", "speed")
    return ModelVersion(**{name: row[name] for name in fields if name in row})


SEEDED = [
    (slug, size, seconds)
    for slug, row in ROWS.items()
    for size in row["sizes"]
    for seconds in sorted({row.get("default_seconds", 5), row.get("max_seconds", 5)})
]


@pytest.mark.parametrize(("slug", "size", "seconds"), SEEDED, ids=["-".join(map(str, case)) for case in SEEDED])
def test_site_and_engine_compute_the_same_of_every_seeded_row_and_size(
    slug: str, size: str, seconds: float, tmp_path: Path
) -> None:
    version = seeded_version(slug)
    width, height = map(int, size.split("x"))
    num_frames = version.family_facts.frames_for(seconds, version.fps)
    mode, preset = version.modes[0], next(iter(ROWS[slug]["presets"].values()))
    call = {name: value for name, value in preset.items() if name != "steps"}
    on_site = measurements.needs(version, width=width, height=height, num_frames=num_frames, mode=mode, call=call)
    assert on_site is not None

    spec = ModelSpec(
        slug=slug,
        version=1,
        family=version.family,
        source="",
        dtype=version.dtype,
        quantisation=version.quantisation,
        components={name: ComponentSource.from_wire(source) for name, source in version.components.items()},
    )
    job = RenderJob(
        generation_id="1", attempt=1, model=spec, mode=mode, prompt="", seed=1, width=width, height=height,
        num_frames=num_frames, fps=version.fps, steps=1, call=call, outputs={}, timeout_seconds=1,
    )  # fmt: skip
    whole = version.component_bytes
    sizes = weights_bytes(version.family_facts, whole, spec.quantisation, dtype=spec.dtype, sources=spec.components)
    parts = {name: Declared(name, name, loaded, whole[name]) for name, loaded in sizes.items()}
    largest_bytes = max(size for name, size in sizes.items() if stage_of(name) is Stage.DENOISING)
    swapped = {name: on_site.block_swap_bytes * size // largest_bytes for name, size in sizes.items()}
    room = Room(
        residency=Residency(Cpu(2**30), lambda component: pytest.fail("nothing is to be loaded")),
        library=cast(Any, NoHulls(swapped)),
        headroom=Headroom(tmp_path / "headroom.json"),
        prompts=cast(Any, None),
    )
    on_worker = needs_of(job, OpenModel(spec, cast(Any, SimpleNamespace()), cast(Any, parts)), room)
    for name in ("encoders", "other_encoders", "denoisers", "decoders"):
        assert getattr(on_worker, f"{name}_bytes") == getattr(on_site, f"{name}_bytes"), name
    for name in ("encoding", "denoising", "decoding", "tiled_decoding", "is_decoded_between"):
        assert getattr(on_worker, name) == getattr(on_site, name), name
    assert on_worker.block_swap_bytes == pytest.approx(on_site.block_swap_bytes, abs=len(sizes))


@pytest.mark.parametrize("slug", sorted(ROWS))
def test_what_the_site_calls_fitting_the_engine_places(slug: str) -> None:
    version = seeded_version(slug)
    size = ROWS[slug]["sizes"][0]
    width, height = map(int, size.split("x"))
    num_frames = version.family_facts.frames_for(ROWS[slug].get("default_seconds", 5), version.fps)
    needs = measurements.needs(version, width=width, height=height, num_frames=num_frames)
    assert needs is not None
    for card in CARDS_GIB:
        usable = usable_bytes(card * GIB)
        fit = needs.fit(usable)
        if fit != Fit.NO:
            placement = place(needs, budget_bytes=usable, host_bytes=2**50)
            assert placement.is_block_swapped == (fit == Fit.BLOCK_SWAP)
            assert (needs.together_bytes <= usable) == (fit == Fit.RESIDENT)
            assert needs.peak_bytes(placement) <= usable
    assert needs.least_bytes() == min(
        needs.peak_bytes(Placement()), needs.least_bytes("tiled"), needs.least_bytes("block_swap")
    )


def test_every_component_of_every_family_belongs_to_a_stage_that_uses_weights() -> None:
    stages = {
        name: stage_of(name) for made_by in map(family, ("wan", "ltx2", "framepack")) for name in made_by.components
    }
    assert {stages[n] for n in ("text_encoder_2", "image_encoder", "connectors")} == {Stage.ENCODING_PROMPT}
    assert stages["transformer_2"] == Stage.DENOISING
    assert {stages[name] for name in ("vae", "audio_vae", "vocoder")} == {Stage.DECODING}


def test_ltx_2_3_distilled_is_resident_on_24_gb_and_larger_on_32() -> None:
    version = seeded_version("ltx-2.3-fast")
    call = {name: value for name, value in ROWS["ltx-2.3-fast"]["presets"]["standard"].items() if name != "steps"}
    for card, width, height in ((24, 768, 512), (32, 1280, 704)):
        needs = measurements.needs(version, width=width, height=height, num_frames=121, mode="text", call=call)
        assert needs is not None
        assert needs.fit(usable_bytes(card * GIB)) == Fit.ENCODER_LEAVES


def test_twenty_seconds_in_full_hd_are_made_on_24_gb() -> None:
    version, preset = seeded_version("ltx-2.3-fast"), ROWS["ltx-2.3-fast"]["presets"]["standard"]
    call = {name: value for name, value in preset.items() if name != "steps"}
    needs = measurements.needs(version, width=1920, height=1088, num_frames=481, mode="text", call=call)
    assert needs is not None
    assert needs.fit(usable_bytes(24 * GIB)) == Fit.BLOCK_SWAP
    assert needs.tiled_decoding.size_bytes < 10 * GIB


@pytest.mark.parametrize("size", ["832x480", "1280x720"])
@pytest.mark.parametrize("slug", ["wan-2.2-a14b", "wan-2.2-a14b-i2v"])
def test_wan_2_2_s_experts_take_turns_on_24_gb_and_nothing_comes_in_each_step(slug: str, size: str) -> None:
    version, usable = seeded_version(slug), usable_bytes(24 * GIB)
    width, height = map(int, size.split("x"))
    needs = measurements.needs(version, width=width, height=height, num_frames=81)
    assert needs is not None
    placement = place(needs, budget_bytes=usable, host_bytes=2**50)
    assert needs.peak_bytes(placement) <= usable
    assert needs.swapped_bytes_a_forward(placement, needs.denoisers_bytes // 2) == 0
    assert needs.swapped_bytes_a_forward(placement, needs.denoisers_bytes) > 0  # of one as large it would be


def test_of_two_experts_block_swap_keeps_the_least_of_one_on_the_card() -> None:
    shape = Shape(family=family("wan"), width=832, height=480, num_frames=81)
    one = memory_needs({"transformer": 14_000}, shape)
    two = memory_needs({"transformer": 14_000, "transformer_2": 14_000}, shape)
    assert two.denoisers_bytes == 2 * one.denoisers_bytes
    assert two.block_swap_bytes == one.block_swap_bytes > 0
