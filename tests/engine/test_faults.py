"""Disks that fail, files that are cut short, time that runs out anywhere: the next job runs all the same."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import T5TokenizerFast

from gpu_worker.contract import RenderJob
from gpu_worker.engine import CheckpointBroken, Cpu, Engine, ModelMissing, OutOfMemory
from gpu_worker.engine.memory.open_models import Library
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.engine.weights.tensor_files import write_tensors
from tests.engine.jobs import frames_of, model_spec, render, render_job
from tests.engine.tight_engines import StillCpu, engine_on, job, spec

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"
FILES = {"transformer": WEIGHTS, "text_encoder": "text_encoder/model.safetensors", "vae": f"vae/{Path(WEIGHTS).name}"}


@pytest.fixture
def broken(repos: Path, tmp_path: Path) -> Path:
    """A copy of a model, to be broken."""
    return shutil.copytree(repos / "two", tmp_path / "broken")


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def garble(file: Path) -> None:
    file.write_bytes(b"\xff" * 5_000)


def reshape(file: Path) -> None:
    config = file.parent / "config.json"
    config.write_text(config.read_text().replace('"attention_head_dim": 48', '"attention_head_dim": 64'))


@pytest.mark.parametrize(
    ("name", "damage"),
    [*itertools.product(FILES, [truncate, garble, Path.unlink]), ("transformer", reshape)],
)
def test_a_broken_checkpoint_says_so_and_harms_nobody_else(
    repos: Path, tmp_path: Path, broken: Path, name: str, damage: Callable[[Path], None]
) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    before = render(engine, job("one"), tmp_path / "1")
    damage(broken / FILES[name])
    with pytest.raises(CheckpointBroken, match=name):
        render(engine, job(str(broken)), tmp_path / "2")
    assert consistent(engine)
    again = render(engine, job("one"), tmp_path / "3")
    assert np.array_equal(frames_of(before.clip), frames_of(again.clip))


@pytest.mark.parametrize("name", ["transformer", "text_encoder", "vae"])
def test_a_file_that_is_overwritten_after_loading_changes_nothing(
    repos: Path, tmp_path: Path, broken: Path, name: str
) -> None:
    component = Library(repos, tmp_path).open(spec(str(broken))).components[name]
    module = Loader(QuantisedStore(tmp_path)).load(component)
    before = {place: tensor.clone() for place, tensor in module.state_dict().items()}
    for file in component.part.folder.glob("*.safetensors"):
        size_bytes = file.stat().st_size
        with file.open("r+b") as content:
            content.write(b"\x11" * size_bytes)
    assert all(torch.equal(before[place], tensor) for place, tensor in module.state_dict().items())


def test_a_pickled_checkpoint_is_never_opened(repos: Path, tmp_path: Path, broken: Path) -> None:
    (broken / WEIGHTS).rename(broken / "transformer/diffusion_pytorch_model.bin")
    with pytest.raises(CheckpointBroken, match="safetensors"):
        render(engine_on(repos, tmp_path / "cache"), job(str(broken)), tmp_path)


def test_a_class_that_is_not_of_the_libraries_is_refused(repos: Path, tmp_path: Path, broken: Path) -> None:
    index = broken / "model_index.json"
    index.write_text(index.read_text().replace('"LTXVideoTransformer3DModel"', '"system"').replace("diffusers", "os"))
    with pytest.raises(CheckpointBroken, match="do not have"):
        render(engine_on(repos, tmp_path / "cache"), job(str(broken)), tmp_path)


@pytest.mark.parametrize("source", ["nowhere", "/nowhere/at/all", "../outside"])
def test_a_model_that_is_not_there_is_named(engine: Engine, tmp_path: Path, source: str) -> None:
    with pytest.raises(ModelMissing, match="No checkpoint at"):
        render(engine, render_job(model=model_spec(source=source)), tmp_path)
    assert engine.loading_seconds(model_spec(source=source)) is None
    assert engine.can_hold(render_job(model=model_spec(source=source))) is None


class TooLate(Exception):
    """What the worker raises at a safe point when a job has used up its time."""


def consistent(engine: Engine) -> bool:
    status = engine.status()
    on_device = sum(r.size_bytes for r in status.residents if r.tier == "device")
    return status.used_bytes == on_device and not any(r.leases for r in status.residents)


class Countdown:
    """Raises ``TooLate`` the ``at``-th time that the engine asks whether to go on."""

    def __init__(self, at: int | None = None) -> None:
        self.asked = 0
        self._at = at

    def __call__(self) -> bool:
        self.asked += 1
        if self.asked == self._at:
            raise TooLate
        return False


LAYOUTS = {"from disk": {}, "from main memory": {"host_bytes": 2**30}, "block swap": {"host_bytes": 2**30}}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_timeout_at_any_safe_point_is_just_that_and_leaves_a_working_engine(
    repos: Path, tmp_path: Path, layout: str
) -> None:
    swapped = {"placement": "block_swap"} if layout == "block swap" else {}

    def again(number: int) -> RenderJob:
        return job("small", prompt=f"prompt {number}", spec_changes=swapped)

    calm = Countdown()
    expected = frames_of(
        render(engine_on(repos, tmp_path / "calm", **LAYOUTS[layout]), again(0), tmp_path / "0", should_stop=calm).clip
    )
    components, stages, steps = 3, 5, 3
    assert calm.asked > components + stages + steps  # and between tensors

    engine, point, is_late = engine_on(repos, tmp_path / "cache", **LAYOUTS[layout]), 0, True
    while is_late:  # how often a render asks is also the clock's to say, which decides on previews: until one ends
        point, is_late = point + 1, False
        engine.evict_all()
        try:
            render(engine, again(point), tmp_path / "clip", should_stop=Countdown(point))
        except TooLate:
            is_late = True
        assert consistent(engine), point
    assert point > components + stages + steps

    assert np.array_equal(frames_of(render(engine, again(0), tmp_path / "clip").clip), expected)
    engine.evict_all()
    assert engine.status().used_bytes == 0


def test_a_timeout_is_asked_for_and_never_rings(repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a tokenizer nothing happens; the next safe point after it says what it was."""
    spent = []

    def slow(self: T5TokenizerFast, *args: Any, **kwargs: Any) -> Any:
        spent.append(1)
        return call(self, *args, **kwargs)

    def should_stop() -> bool:
        if spent:
            raise TooLate
        return False

    call = T5TokenizerFast.__call__
    monkeypatch.setattr(T5TokenizerFast, "__call__", slow)
    with pytest.raises(TooLate):
        render(engine_on(repos, tmp_path / "cache"), job("one"), tmp_path, should_stop=should_stop)
    assert spent


@pytest.mark.parametrize("name", ["text_encoder", "transformer", "vae"])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError(), RuntimeError("unforeseen")])
def test_an_error_while_any_component_is_brought_leaves_nothing_behind(
    repos: Path, tmp_path: Path, name: str, error: Exception
) -> None:
    class Failing(StillCpu):
        broken_bytes = 0

        def bring(self, tensor: torch.Tensor, *, is_original_kept: bool) -> torch.Tensor:
            if tensor.nbytes == self.broken_bytes:
                raise error
            return super().bring(tensor, is_original_kept=is_original_kept)

    device = Failing(2**30)
    engine = Engine(device=device, models=repos, cache=tmp_path / "cache")
    module = Loader(QuantisedStore(tmp_path)).load(Library(repos, tmp_path).open(spec("one")).components[name])
    device.broken_bytes = max(t.nbytes for t in module.parameters())
    with pytest.raises((type(error), OutOfMemory)):
        render(engine, job("one"), tmp_path / "1")
    assert consistent(engine)
    device.broken_bytes = 0
    render(engine, job("one"), tmp_path / "2")


def killed(act: Callable[[], object]) -> bool:
    """Whether ``act`` ended a copy of this process by SIGKILL, instead of returning."""
    child = os.fork()
    if not child:
        os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"  # torch's threads do not survive a fork in new threads of ours
        with contextlib.suppress(BaseException):
            act()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("convolutions_in_single_precision")
def test_a_process_that_is_killed_at_any_point_of_loading_leaves_nothing_that_stops_the_next(
    repos: Path, tmp_path: Path
) -> None:
    row = {"dtype": "bfloat16", "quantisation": "int8"}
    expected = frames_of(render(engine_on(repos, tmp_path / "calm"), job("one", spec_changes=row), tmp_path / "0").clip)
    calm = Countdown()
    render(engine_on(repos, tmp_path / "counted"), job("one", spec_changes=row), tmp_path / "0", should_stop=calm)

    class Deadly(Countdown):
        def __call__(self) -> bool:
            try:
                return super().__call__()
            except TooLate:
                kill_myself()
            raise AssertionError

    points = range(1, calm.asked + 1, max(1, calm.asked // 8))
    for point in points:
        engine, deadly = engine_on(repos, tmp_path / "cache"), Deadly(point)
        act = partial(render, engine, job("one", spec_changes=row), tmp_path / "clip", should_stop=deadly)
        assert killed(act), point
    again = render(engine_on(repos, tmp_path / "cache"), job("one", spec_changes=row), tmp_path / "clip")
    assert np.array_equal(frames_of(again.clip), expected)


@pytest.mark.parametrize("half_way", [False, True])
def test_a_process_that_is_killed_while_it_keeps_what_it_quantised_leaves_no_half_of_it(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half_way: bool
) -> None:
    def deadly(file: Path, tensors: Callable[[], Iterable[tuple[str, torch.Tensor]]], metadata: dict[str, str]) -> None:
        write_tensors(file, tensors, metadata)
        if half_way:
            truncate(file)
        kill_myself()

    row = {"dtype": "bfloat16", "quantisation": "int8"}
    monkeypatch.setattr("gpu_worker.engine.weights.quantisation.write_tensors", deadly)
    assert killed(lambda: engine_on(repos, tmp_path / "cache").preload(spec("one", **row)))
    monkeypatch.undo()
    assert list((tmp_path / "cache/quantised").iterdir())
    assert not list((tmp_path / "cache/quantised").glob("*.safetensors"))
    engine = engine_on(repos, tmp_path / "cache")
    engine.preload(spec("one", **row))
    assert consistent(engine)


def test_what_cannot_be_written_of_a_measurement_keeps_no_lease(repos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    engine = Engine(device=Cpu(2**30), models=repos, cache=cache)
    (unwritable := cache / f"headroom.{os.getpid()}.unfinished").mkdir(parents=True)
    with pytest.raises(OSError, match=r"headroom\.\d+\.unfinished"):
        render(engine, job("one"), tmp_path / "1")
    assert not any(resident.leases for resident in engine.status().residents)
    unwritable.rmdir()
    assert render(engine, job("one"), tmp_path / "2").facts.num_frames == 9
