"""Block swap on the simulated card: what moves, what stays, what is left behind, and the same frames all along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LTXVideoTransformer3DModel

from gpu_worker.contract import RenderJob
from gpu_worker.engine import Cpu, Cuda, Device, Engine
from gpu_worker.engine.memory import render_memory
from gpu_worker.engine.memory.block_swap import BlockSwap
from gpu_worker.engine.memory.cuda import FRAGMENTS_FRACTION
from gpu_worker.engine.memory.memory_needs import needs_of
from gpu_worker.engine.memory.placement import place
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import Lease
from gpu_worker.engine.video.previews import PreviewPainter
from gpu_worker.engine.weights.storages import storage_bytes
from gpu_worker.families.memory import Placement
from tests.engine.jobs import frames_of, render
from tests.engine.simulation import fake_component
from tests.engine.tight_engines import engine_on, job
from tests.late_card.card import KIND, Card
from tests.late_card.conftest import EngineOnCard
from tests.late_card.short_text import SHORT_TEXT
from tests.tiny import ltx

BLOCKS, WIDTH = 6, 128
BLOCK_BYTES = WIDTH * WIDTH * 4 + WIDTH * 4
QUANTISATIONS = ("none", "int8", "fp8", "nf4")


class Tower(torch.nn.Module):
    """Blocks one after the other, beside two layers that belong to none."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.entry = torch.nn.Linear(WIDTH, WIDTH)
        self.blocks = torch.nn.ModuleList(torch.nn.Linear(WIDTH, WIDTH) for _ in range(BLOCKS))
        self.exit = torch.nn.Linear(WIDTH, WIDTH)
        self.eval().requires_grad_(False)

    def forward(self, x: torch.Tensor, order: tuple[int, ...] = tuple(range(BLOCKS))) -> torch.Tensor:
        x = self.entry(x)
        for number in order:
            x = torch.tanh(self.blocks[number](x))
        exited: torch.Tensor = self.exit(x)
        return exited


def swap(device: Device, on_device_bytes: int = 0) -> tuple[BlockSwap, Tower, Residency]:
    tower = Tower()
    residency = Residency(device, lambda component: tower)
    lease = Lease({"transformer": fake_component("transformer")})
    residency.acquire_copies(lease, 0)
    return BlockSwap(residency, lease, on_device_bytes), tower, residency


def on_card(**changes: Any) -> Cuda:
    return Cuda(kind=KIND, **{"host_bytes": 2**30, "pinned_bytes": 2**29, **changes})


X = torch.linspace(-1, 1, 4 * WIDTH).reshape(4, WIDTH)


@pytest.fixture(scope="module")
def expected() -> torch.Tensor:
    frames: torch.Tensor = Tower()(X)
    return frames


@pytest.mark.parametrize("staying", range(BLOCKS + 1))
def test_as_many_blocks_stay_as_there_is_room_for(card: Card, expected: torch.Tensor, staying: int) -> None:
    room_bytes = (2 + 2 + staying) * BLOCK_BYTES
    swapped, tower, residency = swap(on_card(), room_bytes)
    x = X.to(KIND)
    before_bytes = card.moved_bytes("to_card")
    with swapped:
        began_bytes = card.moved_bytes("to_card") - before_bytes
        assert residency.used_bytes <= room_bytes
        for _ in range(3):
            assert torch.equal(tower(x).cpu(), expected)
        came_bytes = card.moved_bytes("to_card") - before_bytes - began_bytes
    visiting = BLOCKS - staying
    assert came_bytes == (0 if visiting <= 2 else 3 * visiting * BLOCK_BYTES)
    assert card.moved_bytes("to_card_pageable") == X.nbytes
    assert card.moved_bytes("to_host") == 3 * expected.nbytes
    assert residency.used_bytes == 0


def two_towers(room_bytes: int) -> tuple[BlockSwap, Tower, Tower, Residency]:
    """Two experts with room for one, if that."""
    first, second = Tower(), Tower()
    torch.nn.init.eye_(second.exit.weight)
    towers = {"transformer": first, "transformer_2": second}
    residency = Residency(on_card(), lambda component: towers[component.name])
    lease = Lease({name: fake_component(name) for name in towers})
    residency.acquire_copies(lease, 0)
    return BlockSwap(residency, lease, room_bytes), first, second, residency


def test_of_two_experts_one_at_a_time_has_the_room_and_each_moves_once(card: Card, expected: torch.Tensor) -> None:
    whole_bytes = (BLOCKS + 2) * BLOCK_BYTES
    swapped, first, second, residency = two_towers(whole_bytes)
    exited = Tower()
    torch.nn.init.eye_(exited.exit.weight)
    x = X.to(KIND)
    before_bytes = card.moved_bytes("to_card")
    with swapped:
        for tower, wanted in ((first, expected), (second, exited(X))):
            for _ in range(3):
                assert torch.equal(tower(x).cpu(), wanted)
                assert residency.used_bytes == whole_bytes
        assert card.moved_bytes("to_card") - before_bytes == 2 * whole_bytes
        assert torch.equal(first(x).cpu(), expected)  # and back, where somebody asks for it
    assert residency.used_bytes == 0
    assert all(not parameter.is_meta and parameter.device.type == "cpu" for parameter in second.parameters())


def test_experts_of_which_not_even_one_fits_come_block_by_block(card: Card, expected: torch.Tensor) -> None:
    swapped, first, second, residency = two_towers(0)
    with swapped:
        for tower in (first, second, first):
            tower(X.to(KIND))
            assert residency.used_bytes == 4 * BLOCK_BYTES
        assert torch.equal(first(X.to(KIND)).cpu(), expected)
    assert residency.used_bytes == 0


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (0, 0, 3), (2,), (1, 4, 1, 4)])
def test_blocks_that_are_called_in_another_order_come_too(card: Card, order: tuple[int, ...]) -> None:
    plain = Tower()
    swapped, tower, _ = swap(on_card())
    with swapped:
        for called in (order, tuple(range(BLOCKS)), order):
            assert torch.equal(tower(X.to(KIND), called).cpu(), plain(X, called))


def test_the_processor_swaps_blocks_by_the_same_rules(expected: torch.Tensor) -> None:
    swapped, tower, residency = swap(Cpu(2**30, 2**30))
    with swapped:
        assert residency.used_bytes == 4 * BLOCK_BYTES
        assert torch.equal(tower(X), expected)
    assert residency.used_bytes == 0


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, ZeroDivisionError])
def test_whatever_ends_a_forward_leaves_nothing_behind(
    card: Card, expected: torch.Tensor, error: type[Exception]
) -> None:
    swapped, tower, residency = swap(on_card())
    before_bytes = card.figure("allocated")

    def fails(*_: Any) -> None:
        raise error("scripted")

    hook = tower.blocks[3].register_forward_hook(fails)
    with pytest.raises(error, match="scripted"), swapped:
        tower(X.to(KIND))
    hook.remove()
    assert card.figure("allocated") == before_bytes
    assert residency.used_bytes == 0
    assert torch.equal(tower(X), expected)
    [entry] = residency.entries.values()
    assert storage_bytes(entry.copies or ()) == storage_bytes(tower.parameters()) == residency.host_used_bytes


def test_memory_that_runs_out_at_the_beginning_leaves_nothing_behind(card: Card, expected: torch.Tensor) -> None:
    swapped, tower, _ = swap(on_card())
    card.limit(3 * BLOCK_BYTES)
    with pytest.raises(torch.OutOfMemoryError), swapped:
        pass
    assert card.figure("allocated") == 0
    assert torch.equal(tower(X), expected)


def test_no_more_is_pinned_than_may_be(card: Card, expected: torch.Tensor) -> None:
    swapped, tower, _ = swap(on_card(pinned_bytes=4 * 2**17))
    with swapped:
        assert torch.equal(tower(X.to(KIND)).cpu(), expected)
    assert 0 < card.figure("pinned_peak") <= 4 * 2**17
    assert card.moved_bytes("to_card_pageable") > X.nbytes


# --- whole renders ---


def whole_job() -> RenderJob:
    return job("one", call=SHORT_TEXT)


def swapped_job(quantisation: str = "none", *, placement: str = "block_swap", **changes: Any) -> RenderJob:
    return job("one", spec_changes={"quantisation": quantisation, "placement": placement}, call=SHORT_TEXT, **changes)


@pytest.mark.parametrize("quantisation", QUANTISATIONS)
def test_frames_are_the_same_and_only_weights_that_visit_move(
    card: Card,
    engine_on_card: EngineOnCard,
    repos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quantisation: str,
) -> None:
    if quantisation == "nf4":
        pytest.importorskip("bitsandbytes")
    monkeypatch.setattr(PreviewPainter, "paint", lambda *_, **__: None)  # whether there is a picture is the clock's
    at_home, by_bus = swapped_job(quantisation, placement="auto"), swapped_job(quantisation)
    expected = frames_of(render(engine_on(repos, tmp_path / "processor"), at_home, tmp_path / "a").clip)
    engine, made = engine_on_card(), []
    render(engine, at_home, tmp_path / "b")  # reads and encodes
    engine.evict_all()
    resident = moved(card, lambda: made.append(render(engine, at_home, tmp_path / "c")))
    engine.evict_all()
    swapped = moved(card, lambda: made.append(render(engine, by_bus, tmp_path / "d")))
    of_resident, of_swapped = (frames_of(done.clip).astype(int) for done in made)
    assert np.array_equal(of_swapped, of_resident)
    assert np.abs(of_swapped - expected).mean() < 0.1  # the processor has kernels of its own for eight bits
    assert swapped["to_host"] == resident["to_host"]
    assert swapped["to_card_pageable"] == resident["to_card_pageable"]
    blocks_bytes = transformer_blocks_bytes(engine)
    # Three steps of three blocks each and two blocks that come for a step that never is, in place of three blocks.
    assert swapped["to_card"] - resident["to_card"] == pytest.approx(blocks_bytes * 8 / 3, rel=0.01)


@pytest.mark.parametrize("quantisation", ["int8", "fp8"])
def test_blocks_that_visit_multiply_in_eight_bits_as_those_that_stay(
    card: Card, engine_on_card: EngineOnCard, tmp_path: Path, quantisation: str
) -> None:
    changes = {"quantisation": quantisation, "speed": {"eight_bit_products": True}}
    engine = engine_on_card()
    resident, swapped = (
        frames_of(render(engine, job("one", spec_changes={**changes, **placed}, call=SHORT_TEXT), tmp_path / name).clip)
        for name, placed in (("a", {}), ("b", {"placement": "block_swap"}))
    )
    assert np.array_equal(swapped, resident)


def moved(card: Card, made: Callable[[], object]) -> dict[str, int]:
    """Bytes that ``made`` moved, by way."""
    ways = ("to_card", "to_host", "to_card_pageable")
    before = {way: card.moved_bytes(way) for way in ways}
    made()
    return {way: card.moved_bytes(way) - before[way] for way in ways}


def transformer_blocks_bytes(engine: Engine) -> int:
    entries = engine._residency.entries.values()
    [transformer] = [e.module for e in entries if e.component.name == "transformer"]
    assert isinstance(transformer, LTXVideoTransformer3DModel)
    return storage_bytes(transformer.transformer_blocks.parameters())


def deep_job(repos: Path, *, placement: str = "auto") -> RenderJob:
    """Of a model of six blocks: with three, of which two come at once, none can stay."""
    if not (repos / "deep").exists():
        ltx.build(repos / "deep", seed=1, width=192, layers=6)
    return job("deep", spec_changes={"placement": placement}, call=SHORT_TEXT)


def two_thirds_bytes(engine: Engine, wanted: RenderJob) -> int:
    """With what a render that was measured lacks two of six blocks; rounding up each tensor takes some."""
    needs = needs_of(wanted, engine._library.open(wanted.model), engine._room)
    return needs.peak_bytes(Placement()) - transformer_blocks_bytes(engine) // 3 + 2**17


def test_a_model_of_which_two_thirds_fit_is_swapped_no_more_than_it_has_to(
    card: Card, engine_on_card: EngineOnCard, repos: Path, tmp_path: Path
) -> None:
    wanted = deep_job(repos)
    engine = engine_on_card()
    expected = frames_of(render(engine, wanted, tmp_path / "b").clip)  # measures
    blocks_bytes, budget_bytes = transformer_blocks_bytes(engine), two_thirds_bytes(engine, wanted)
    engine.evict_all()
    tight, thrifty, made = engine_on_card(budget_bytes=budget_bytes), engine_on_card(), []
    some = moved(card, lambda: made.append(render(tight, wanted, tmp_path / "c")))
    tight.evict_all()
    all_of_it = deep_job(repos, placement="block_swap")
    every = moved(card, lambda: made.append(render(thrifty, all_of_it, tmp_path / "d")))
    assert [np.abs(frames_of(one.clip).astype(int) - expected).max() for one in made] == [0, 0]
    # Two of six blocks stay, and come once in place of once in each of three steps.
    assert every["to_card"] - some["to_card"] > blocks_bytes * 3 / 6


def test_room_that_others_take_between_plan_and_loading_is_made_up_for_by_block_swap(
    card: Card, engine_on_card: EngineOnCard, repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = deep_job(repos)
    engine = engine_on_card()
    expected = frames_of(render(engine, wanted, tmp_path / "a").clip)  # measures
    total_bytes = card.figure("total")
    left_bytes = two_thirds_bytes(engine, wanted) + int(total_bytes * FRAGMENTS_FRACTION)
    engine.evict_all()
    plans = []

    def planned(*args: Any, **kwargs: Any) -> Placement:
        plans.append(place(*args, **kwargs))
        card.resize(total_bytes, others_bytes=total_bytes - left_bytes)
        return plans[-1]

    monkeypatch.setattr(render_memory, "place", planned)
    assert np.array_equal(frames_of(render(engine, wanted, tmp_path / "b").clip), expected)
    assert plans == [Placement()]


def test_memory_that_runs_out_while_a_block_comes_spoils_no_later_render(
    card: Card, engine_on_card: EngineOnCard, repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = frames_of(render(engine_on(repos, tmp_path / "processor"), whole_job(), tmp_path / "a").clip)
    engine, calls = engine_on_card(), 0
    [block] = {type(block) for block in LTXVideoTransformer3DModel(num_layers=1).transformer_blocks}
    forward = block.forward

    def runs_out_once(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise torch.OutOfMemoryError("scripted")
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(block, "forward", runs_out_once)
    for name in ("b", "c"):
        assert np.array_equal(frames_of(render(engine, swapped_job(), tmp_path / name).clip), expected)
