"""Disks that fail, files that are cut short, alarms that ring anywhere: the next job runs all the same."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
import torch

from gpu_worker.engine import CheckpointBroken, Engine, ModelMissing
from gpu_worker.engine.library import Library
from gpu_worker.engine.loading import Loader
from gpu_worker.engine.quantisation import QuantisedStore
from tests.engine.jobs import frames_of, model_spec, render, render_job
from tests.engine.shelves import engine_on, job, spec

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def broken(shelf: Path, tmp_path: Path) -> Path:
    """A copy of a model, to be broken."""
    return shutil.copytree(shelf / "two", tmp_path / "broken")


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def garble(file: Path) -> None:
    file.write_bytes(b"\xff" * 5_000)


def reshape(file: Path) -> None:
    config = file.parent / "config.json"
    config.write_text(config.read_text().replace('"attention_head_dim": 48', '"attention_head_dim": 64'))


@pytest.mark.parametrize("damage", [truncate, garble, Path.unlink, reshape])
def test_a_broken_checkpoint_says_so_and_harms_nobody_else(
    shelf: Path, tmp_path: Path, broken: Path, damage: Callable[[Path], None]
) -> None:
    engine = engine_on(shelf, tmp_path / "cache")
    before = render(engine, job("one"), tmp_path / "1")
    damage(broken / WEIGHTS)
    with pytest.raises(CheckpointBroken, match="transformer"):
        render(engine, job(str(broken)), tmp_path / "2")
    assert all(r.leases == 0 for r in engine.status().residents)
    again = render(engine, job("one"), tmp_path / "3")
    assert np.array_equal(frames_of(before.clip), frames_of(again.clip))


@pytest.mark.parametrize("name", ["transformer", "text_encoder", "vae"])
def test_a_file_that_is_overwritten_after_loading_changes_nothing(
    shelf: Path, tmp_path: Path, broken: Path, name: str
) -> None:
    component = Library(shelf, tmp_path).open(spec(str(broken))).components[name]
    module = Loader(QuantisedStore(tmp_path)).load(component)
    before = {place: tensor.clone() for place, tensor in module.state_dict().items()}
    for file in component.part.folder.glob("*.safetensors"):
        size_bytes = file.stat().st_size
        with file.open("r+b") as content:
            content.write(b"\x11" * size_bytes)
    assert all(torch.equal(before[place], tensor) for place, tensor in module.state_dict().items())


def test_a_pickled_checkpoint_is_never_opened(shelf: Path, tmp_path: Path, broken: Path) -> None:
    (broken / WEIGHTS).rename(broken / "transformer/diffusion_pytorch_model.bin")
    with pytest.raises(CheckpointBroken, match="safetensors"):
        render(engine_on(shelf, tmp_path / "cache"), job(str(broken)), tmp_path)


def test_a_class_that_is_not_of_the_libraries_is_refused(shelf: Path, tmp_path: Path, broken: Path) -> None:
    index = broken / "model_index.json"
    index.write_text(index.read_text().replace('"LTXVideoTransformer3DModel"', '"system"').replace("diffusers", "os"))
    with pytest.raises(CheckpointBroken, match="do not have"):
        render(engine_on(shelf, tmp_path / "cache"), job(str(broken)), tmp_path)


@pytest.mark.parametrize("source", ["nowhere", "/nowhere/at/all", "../outside"])
def test_a_model_that_is_not_there_is_named(engine: Engine, tmp_path: Path, source: str) -> None:
    with pytest.raises(ModelMissing, match="No checkpoint at"):
        render(engine, render_job(model=model_spec(source=source)), tmp_path)
    assert engine.loading_seconds(model_spec(source=source)) is None
    assert engine.can_hold(render_job(model=model_spec(source=source))) is None


class Alarm(Exception):
    """What the worker's job timeout raises, between any two bytecodes."""


def _comes_from_an_alarm(error: BaseException | None) -> bool:
    """Whether it is the alarm, or what a library made of one that rang in the middle of its own clean-up."""
    return error is not None and (isinstance(error, Alarm) or _comes_from_an_alarm(error.__context__))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one that rang in a destructor
def test_an_alarm_at_any_moment_leaves_a_working_engine(shelf: Path, tmp_path: Path) -> None:
    def ring(number: int, frame: FrameType | None) -> None:
        raise Alarm

    expected = frames_of(render(engine_on(shelf, tmp_path / "calm"), job("one"), tmp_path / "0").clip)
    engine = engine_on(shelf, tmp_path / "cache", host_bytes=2**30)
    previous = signal.signal(signal.SIGALRM, ring)
    rang = 0
    try:
        for attempt in range(60):  # more than the bound below asks for, on a machine of any speed
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.003 * (attempt % 30 + 1))
                    render(engine, job("one", prompt=f"prompt {attempt}"), tmp_path / "clip")
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)  # it may ring just before this, too
            except Exception as error:
                if not _comes_from_an_alarm(error):
                    raise
                rang += 1
            if attempt % 3 == 0:
                engine.evict_all()
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert rang >= 15
    assert np.array_equal(frames_of(render(engine, job("one"), tmp_path / "clip").clip), expected)
    status = engine.status()
    assert status.used_bytes == sum(r.size_bytes for r in status.residents if r.tier == "device")
    assert all(r.leases == 0 for r in status.residents)
    assert engine.evict_all() == len(status.residents)
    assert engine.status().used_bytes == 0
    engine.preload(spec("two"))
