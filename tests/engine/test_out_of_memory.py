"""Memory runs out in the middle: each thing that can make room is tried once, then the job is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLLTXVideo, LTXVideoTransformer3DModel
from diffusers.video_processor import VideoProcessor
from transformers import T5EncoderModel

from gpu_worker.engine import Engine, FatalDeviceError, OutOfMemory
from gpu_worker.engine.memory.devices import Cpu
from gpu_worker.engine.memory.oom_fallbacks import Fallback, run_with_fallbacks
from tests.engine.jobs import Listener, frames_of, render
from tests.engine.tight_engines import StillCpu, engine_on, job, on_device, spec

Fail = Callable[..., None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """``fail(cls, method, calls)``: those calls of a method, counted from 0, run out of memory."""

    def script(cls: type, method: str, calls: range, error: type[Exception] = torch.OutOfMemoryError) -> None:
        original = getattr(cls, method)
        seen = 0

        def scripted(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen - 1 in calls:
                raise error("scripted")
            return original(*args, **kwargs)

        monkeypatch.setattr(cls, method, scripted)

    return script


def messages(listener: Listener) -> list[str]:
    return [entry.message for entry in listener.entries if entry.message]


def steps(listener: Listener) -> list[int]:
    return [entry.step for entry in listener.of("step")]


@pytest.fixture
def expected(repos: Path, tmp_path: Path) -> Any:
    return frames_of(render(engine_on(repos, tmp_path / "calm"), job("one"), tmp_path / "calm-clip").clip)


def test_decoding_is_tried_again_without_losing_the_steps(
    repos: Path, tmp_path: Path, fail: Fail, expected: Any
) -> None:
    fail(AutoencoderKLLTXVideo, "decode", range(1))
    listener = Listener()
    done = render(engine_on(repos, tmp_path), job("one"), tmp_path, listener=listener)
    assert steps(listener) == [1, 2, 3]
    assert messages(listener) == ["Memory ran out: freeing memory"]
    assert np.array_equal(frames_of(done.clip), expected)


@pytest.fixture
def tilings(monkeypatch: pytest.MonkeyPatch) -> list[AutoencoderKLLTXVideo]:
    """Every VAE that was told to decode in tiles, each time."""
    tilings: list[AutoencoderKLLTXVideo] = []
    enable = AutoencoderKLLTXVideo.enable_tiling

    def watched(vae: AutoencoderKLLTXVideo) -> None:
        tilings.append(vae)
        enable(vae)

    monkeypatch.setattr(AutoencoderKLLTXVideo, "enable_tiling", watched)
    return tilings


def test_decoding_goes_on_in_tiles(
    repos: Path, tmp_path: Path, fail: Fail, tilings: list[AutoencoderKLLTXVideo]
) -> None:
    fail(AutoencoderKLLTXVideo, "decode", range(2))
    engine, listener = engine_on(repos, tmp_path), Listener()
    engine.preload(spec("two"))
    done = render(engine, job("one"), tmp_path, listener=listener)
    assert messages(listener) == ["Memory ran out: freeing memory", "Memory ran out: evicting what is not needed now"]
    assert done.facts.num_frames == 9
    assert list(on_device(engine)) == ["vae"]  # its own transformer has done its part
    fail(AutoencoderKLLTXVideo, "decode", range(3))
    render(engine_on(repos, tmp_path / "fresh"), job("one"), tmp_path, listener=(listener := Listener()))
    assert messages(listener)[-1] == "Memory ran out: decoding in tiles"
    assert len(tilings) == 1
    assert not tilings[0].use_tiling


def test_what_an_attempt_took_that_failed_is_not_measured(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 0

    def greedy_at_first(vae: AutoencoderKLLTXVideo, *args: Any, **kwargs: Any) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            blocks = [torch.ones(2**18) for _ in range(200)]
            raise torch.OutOfMemoryError(f"{len(blocks)} MiB")
        return decode(vae, *args, **kwargs)

    decode = AutoencoderKLLTXVideo.decode
    monkeypatch.setattr(AutoencoderKLLTXVideo, "decode", greedy_at_first)
    engine = Engine(device=Cpu(2**30), models=repos, cache=tmp_path / "cache")
    assert render(engine, job("one"), tmp_path).peak_bytes < 150 * 2**20
    measured = json.loads((tmp_path / "cache" / "headroom.json").read_text())
    peaks = [peak for shapes in measured["measured"].values() for seen in shapes.values() for peak in seen["peaks"]]
    assert max(peaks) < 150 * 2**20


def test_room_that_others_took_before_decoding_costs_no_steps(
    repos: Path, tmp_path: Path, tilings: list[AutoencoderKLLTXVideo]
) -> None:
    listener = Listener()

    class Shared(StillCpu):
        """A device of which nothing is left once the steps are done."""

        def driver_free_bytes(self) -> int | None:
            return 0 if len(steps(listener)) == 3 else 2**30

    engine = Engine(device=Shared(2**30), models=repos, cache=tmp_path / "cache")
    done = render(engine, job("one"), tmp_path, listener=listener)
    assert (steps(listener), done.facts.num_frames) == ([1, 2, 3], 9)
    assert len(tilings) == 1


def test_denoising_begins_again_and_gives_the_same_frames(
    repos: Path, tmp_path: Path, fail: Fail, expected: Any
) -> None:
    fail(LTXVideoTransformer3DModel, "forward", range(1, 2))
    listener = Listener()
    done = render(engine_on(repos, tmp_path), job("one"), tmp_path, listener=listener)
    assert steps(listener) == [1, 1, 2, 3]
    assert np.array_equal(frames_of(done.clip), expected)


def test_denoising_goes_on_by_block_swap(repos: Path, tmp_path: Path, fail: Fail, expected: Any) -> None:
    fail(LTXVideoTransformer3DModel, "forward", range(3))
    engine, listener = engine_on(repos, tmp_path, host_bytes=2**30), Listener()
    done = render(engine, job("one"), tmp_path, listener=listener)
    assert messages(listener)[-1] == "Memory ran out: swapping all blocks of the model"
    assert np.array_equal(frames_of(done.clip), expected)
    assert "transformer" not in on_device(engine)


def test_encoding_is_tried_again(repos: Path, tmp_path: Path, fail: Fail, expected: Any) -> None:
    fail(T5EncoderModel, "forward", range(2))
    done = render(engine_on(repos, tmp_path), job("one"), tmp_path)
    assert np.array_equal(frames_of(done.clip), expected)


@pytest.mark.parametrize(
    ("cls", "method"),
    [(T5EncoderModel, "forward"), (LTXVideoTransformer3DModel, "forward"), (AutoencoderKLLTXVideo, "decode")],
)
def test_when_nothing_helps_the_job_fails_with_the_figure_and_the_next_one_runs(
    repos: Path,
    tmp_path: Path,
    fail: Fail,
    expected: Any,
    cls: type,
    method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = engine_on(repos, tmp_path, host_bytes=2**30)
    with monkeypatch.context():
        fail(cls, method, range(100))
        with pytest.raises(OutOfMemory, match=r"cpu with a budget of 1\.0 GiB ran out of memory") as raised:
            render(engine, job("one"), tmp_path)
        assert raised.value.code == "out_of_memory"
    monkeypatch.undo()
    assert all(r.leases == 0 for r in engine.status().residents)
    assert engine.status().counters["out_of_memory"] >= 3
    engine = engine_on(repos, tmp_path / "fresh")
    assert np.array_equal(frames_of(render(engine, job("one"), tmp_path / "again").clip), expected)


def test_the_next_render_is_laid_out_for_less_also_by_a_new_process(
    repos: Path, tmp_path: Path, fail: Fail, tilings: list[AutoencoderKLLTXVideo]
) -> None:
    engine = engine_on(repos, tmp_path)
    fail(AutoencoderKLLTXVideo, "decode", range(1))
    render(engine, job("one"), tmp_path)
    assert len(tilings) == 0
    render(engine, job("one"), tmp_path)
    assert len(tilings) == 1
    render(engine_on(repos, tmp_path), job("one"), tmp_path)
    assert len(tilings) == 2


class LostDevice(StillCpu):
    """A device that every error kills."""

    def is_fatal(self, error: BaseException) -> bool:
        return isinstance(error, RuntimeError) and not self.is_out_of_memory(error)


def test_a_lost_device_is_no_failed_render(repos: Path, tmp_path: Path, fail: Fail) -> None:
    fail(LTXVideoTransformer3DModel, "forward", range(1), RuntimeError)
    engine = Engine(device=LostDevice(2**30), models=repos, cache=tmp_path)
    with pytest.raises(FatalDeviceError, match="cpu: scripted"):
        render(engine, job("one"), tmp_path)


@pytest.mark.parametrize("error", [ZeroDivisionError, ValueError, TypeError])
def test_errors_that_nobody_expects_pass_unchanged(
    repos: Path, tmp_path: Path, fail: Fail, error: type[Exception]
) -> None:
    fail(LTXVideoTransformer3DModel, "forward", range(1), error)
    engine = engine_on(repos, tmp_path)
    with pytest.raises(error, match="scripted"):
        render(engine, job("one"), tmp_path)
    render(engine, job("one"), tmp_path)


def test_fallbacks_are_taken_in_order_and_once() -> None:
    done: list[str] = []
    fallbacks = [Fallback("one", lambda: done.append("one")), Fallback("two", lambda: done.append("two"))]

    def attempt() -> str:
        done.append("try")
        if len(done) < 4:
            raise torch.OutOfMemoryError("scripted")
        return "made"

    told: list[Fallback | None] = []
    assert run_with_fallbacks(attempt, fallbacks, device=Cpu(1), on_failure=told.append) == "made"
    assert done == ["try", "one", "try", "two", "try"]
    assert fallbacks == []
    assert [fallback.name for fallback in told if fallback] == ["one", "two"]
    done.clear()
    with pytest.raises(OutOfMemory):
        run_with_fallbacks(attempt, fallbacks, device=Cpu(1), on_failure=told.append)
    assert told[-1] is None


def test_a_card_without_room_for_one_frame_gives_it_to_main_memory(
    repos: Path, tmp_path: Path, fail: Fail, expected: Any
) -> None:
    fail(VideoProcessor, "postprocess", range(1))
    listener = Listener()
    done = render(engine_on(repos, tmp_path), job("one"), tmp_path, listener=listener)
    assert steps(listener) == [1, 2, 3]
    assert messages(listener) == []
    assert np.array_equal(frames_of(done.clip), expected)
