"""Renders that go on where they ended on a card that has another amount of room by then."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gpu_worker.contract import RenderJob
from gpu_worker.engine import Engine, RenderedClip, RenderStopped
from gpu_worker.engine.memory import render_memory
from gpu_worker.engine.memory.placement import place
from gpu_worker.engine.snapshots import render_snapshots
from gpu_worker.engine.weights.storages import storage_bytes
from gpu_worker.families.memory import Placement
from gpu_worker.snapshot_files import SnapshotFiles
from tests.engine.jobs import Listener
from tests.engine.tight_engines import job
from tests.late_card.conftest import EngineOnCard
from tests.late_card.short_text import SHORT_TEXT


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SnapshotFiles:
    monkeypatch.setattr(render_snapshots, "MOST_COST", float("inf"))  # a tiny step is shorter than writing a file
    return SnapshotFiles(tmp_path / "snapshots", every_seconds=0.0)


@pytest.fixture
def placements(monkeypatch: pytest.MonkeyPatch) -> list[Placement]:
    """The placement of each render, as it was chosen."""
    chosen: list[Placement] = []

    def watched(*args: Any, **kwargs: Any) -> Placement:
        chosen.append(place(*args, **kwargs))
        return chosen[-1]

    monkeypatch.setattr(render_memory, "place", watched)
    return chosen


def rendered(
    engine: Engine, job: RenderJob, folder: Path, files: SnapshotFiles | None = None, stop_after: int | None = None
) -> RenderedClip:
    listener = Listener(stop_after)
    folder.mkdir()
    return engine.render(
        job, inputs={}, folder=folder, on_progress=listener, should_stop=listener.should_stop, snapshots=files
    )


def test_a_render_goes_on_to_the_same_bytes_with_more_or_less_swapped(
    engine_on_card: EngineOnCard, tmp_path: Path, files: SnapshotFiles, placements: list[Placement]
) -> None:
    own = job("one", call=SHORT_TEXT)
    engine = engine_on_card()
    expected = rendered(engine, own, tmp_path / "at home")  # measures, too
    [transformer] = [e for e in engine._residency.entries.values() if e.component.name == "transformer"]
    budget_bytes = storage_bytes(transformer.weights.tensors) + 2**19
    engine.evict_all()
    with pytest.raises(RenderStopped):
        rendered(engine_on_card(budget_bytes=budget_bytes), own, tmp_path / "cut off", files, stop_after=2)
    tighter = engine_on_card(budget_bytes=budget_bytes - 2**10)
    resumed = rendered(tighter, replace(own, attempt=2), tmp_path / "resumed", files)
    assert 0 < placements[-2].swapped_bytes < placements[-1].swapped_bytes
    assert (resumed.resumed_from_step, resumed.facts.sha256) == (2, expected.facts.sha256)


def test_steps_that_an_earlier_attempt_made_are_not_measured(
    engine_on_card: EngineOnCard, tmp_path: Path, files: SnapshotFiles
) -> None:
    own = job("one", call=SHORT_TEXT)
    with pytest.raises(RenderStopped):
        rendered(engine_on_card(), own, tmp_path / "cut off", files, stop_after=own.steps)
    resumed = rendered(engine_on_card(), replace(own, attempt=2), tmp_path / "resumed", files)
    assert resumed.resumed_from_step == own.steps
    measured = json.loads((tmp_path / "card" / "headroom.json").read_text())["measured"]
    assert [group for group in measured if ":denoising:" in group] == []
    assert [group for group in measured if ":decoding:" in group] != []
