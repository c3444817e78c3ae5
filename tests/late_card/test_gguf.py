"""Weights of a GGUF file on the simulated card: their blocks are parameters of diffusers' own, and swap like others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_worker.contract import ComponentSource, RenderJob
from tests.engine.jobs import frames_of, render
from tests.engine.tight_engines import job, on_device
from tests.late_card.card import Card
from tests.late_card.conftest import EngineOnCard
from tests.late_card.short_text import SHORT_TEXT
from tests.tiny import gguf


def packed_job(folder: Path, packing: str, **changes: Any) -> RenderJob:
    source = ComponentSource(source=str(folder), file=f"one-{packing}.gguf")
    row = {"dtype": "bfloat16", "quantisation": "gguf", "components": {"transformer": source}, **changes}
    return job("one", spec_changes=row, call=SHORT_TEXT)


@pytest.mark.parametrize("packing", ["Q8_0", "Q4_0"])
def test_packed_blocks_come_from_pinned_copies_and_go_without_a_byte(
    card: Card, engine_on_card: EngineOnCard, repos: Path, tmp_path: Path, packing: str
) -> None:
    gguf.write(tmp_path / f"one-{packing}.gguf", repos / "one/transformer", packing)
    engine = engine_on_card()
    whole = frames_of(render(engine, packed_job(tmp_path, packing), tmp_path / "whole").clip)
    engine.evict_all()
    before = {way: card.moved_bytes(way) for way in ("to_card", "to_card_pageable", "to_host")}
    swapped_job = packed_job(tmp_path, packing, placement="block_swap")
    assert np.array_equal(frames_of(render(engine, swapped_job, tmp_path / "swapped").clip), whole)
    assert "transformer" not in on_device(engine)
    moved = {way: card.moved_bytes(way) - bytes_before for way, bytes_before in before.items()}
    [transformer] = [e for e in engine._residency.entries.values() if e.component.name == "transformer"]
    weights_bytes = transformer.record.size_bytes
    assert moved["to_card"] > 2 * weights_bytes  # in each of three steps nearly all of it
    assert moved["to_card_pageable"] < weights_bytes / 10  # latents, pictures, questions
    assert moved["to_host"] < weights_bytes / 10
