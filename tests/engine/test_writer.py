"""A clip that is written while it is made: the same file, nothing lost, and no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.overrides import TorchFunctionMode

from gpu_worker.engine import EncodingFailed, Engine, RenderedClip, RenderStopped
from gpu_worker.engine.video import writer as writing
from gpu_worker.engine.video.clip import Frame, Frames, measure_clip, write_clip
from gpu_worker.engine.video.writer import ClipWriter
from gpu_worker.sounds import Audio
from tests.engine.jobs import Listener, render, render_job


def clip_of(num_frames: int = 12, *, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).integers(0, 255, (num_frames, 32, 48, 3)).astype(np.uint8)


def write(folder: Path, frames: Frames, *, audio: Audio | None = None, **how: Any) -> None:
    with ClipWriter(folder / "clip.mp4", 24, **how) as writer:
        for index, frame in enumerate(frames):
            writer.put(index, frame)
        writer.finish(frames, audio=audio)


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "clip writer"]


@pytest.mark.parametrize("audio", [None, Audio(np.zeros((1, 12_000), np.float32), 24_000)], ids=["silent", "sound"])
def test_the_file_is_that_of_a_clip_written_in_one_go(tmp_path: Path, audio: Audio | None) -> None:
    frames = clip_of()
    write_clip(tmp_path / "expected.mp4", frames, 24, upscale=2, watermark="preview", audio=audio)
    write(tmp_path, frames, audio=audio, upscale=2, watermark="preview")
    assert (tmp_path / "clip.mp4").read_bytes() == (tmp_path / "expected.mp4").read_bytes()
    assert writers() == []


@pytest.mark.parametrize("given", [0, 5, 12], ids=["none", "some", "all"])
def test_a_clip_that_is_another_than_what_came_on_the_way_is_written_as_it_is(tmp_path: Path, given: int) -> None:
    frames, earlier = clip_of(), clip_of(seed=1)
    write_clip(tmp_path / "expected.mp4", frames, 24)
    with ClipWriter(tmp_path / "clip.mp4", 24) as writer:
        for index in range(given):
            writer.put(index, earlier[index])
        writer.finish(frames)
    assert (tmp_path / "clip.mp4").read_bytes() == (tmp_path / "expected.mp4").read_bytes()


def test_a_clip_that_is_decoded_anew_begins_anew(tmp_path: Path) -> None:
    frames = clip_of()
    write_clip(tmp_path / "expected.mp4", frames, 24)
    with ClipWriter(tmp_path / "clip.mp4", 24) as writer:
        for index in range(7):
            writer.put(index, clip_of(seed=1)[index])
        for index, frame in enumerate(frames):
            writer.put(index, frame)
        writer.finish(frames)
    assert (tmp_path / "clip.mp4").read_bytes() == (tmp_path / "expected.mp4").read_bytes()


def failing_from(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []

    def show(frame: Frame, upscale: int, watermark: str) -> Frame:
        shown.append(1)
        if len(shown) > number:
            raise EncodingFailed("scripted")
        return frame

    monkeypatch.setattr(writing, "show_frame", show)


def test_what_goes_wrong_in_the_thread_ends_the_render_at_a_later_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_from(2, monkeypatch)
    with pytest.raises(EncodingFailed, match="scripted"):
        write(tmp_path, clip_of())
    assert writers() == []


def test_what_cannot_be_encoded_is_the_render_s_own_error(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_from(2, monkeypatch)
    with pytest.raises(EncodingFailed, match="scripted"):
        render(engine, render_job(), tmp_path)
    assert writers() == []
    assert [r.leases for r in engine.status().residents] == [0] * len(engine.status().residents)


@pytest.mark.parametrize("at", ["a frame", "the end"])
def test_whoever_waits_for_the_encoder_is_asked_whether_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    go_on = threading.Event()

    def slow(frame: Frame, upscale: int, watermark: str) -> Frame:
        go_on.wait(60)
        return frame

    asked: list[int] = []

    def stop() -> None:
        asked.append(1)
        if len(asked) > (6 if at == "a frame" else 14):
            go_on.set()
            raise RenderStopped(0, 0, {})

    monkeypatch.setattr(writing, "show_frame", slow)
    with pytest.raises(RenderStopped):
        write(tmp_path, clip_of(), stop_if_asked=stop)
    assert writers() == []


def test_frames_are_encoded_while_others_are_still_decoded(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder gives its ninth frame only after the first has been encoded."""
    encoded = threading.Event()
    waited: list[bool] = []

    def shown(frame: Frame, upscale: int, watermark: str) -> Frame:
        encoded.set()
        return frame

    put: Callable[..., None] = ClipWriter.put

    def put_later(writer: ClipWriter, index: int, frame: Frame) -> None:
        if index == 8:
            waited.append(encoded.wait(60))
        put(writer, index, frame)

    monkeypatch.setattr(writing, "show_frame", shown)
    monkeypatch.setattr(ClipWriter, "put", put_later)
    listener = Listener()
    done = render(engine, render_job(), tmp_path, listener=listener)
    assert waited == [True]
    assert measure_clip(done.clip).num_frames == 9
    assert writers() == []


class NoTorch(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{function} of torch is called")


def test_a_clip_is_written_without_torch_while_the_next_is_rendered(engine: Engine, tmp_path: Path) -> None:
    job, listener, expected = render_job("ltx"), Listener(), render(engine, render_job("ltx"), tmp_path)
    folder = tmp_path / "beside"
    folder.mkdir()
    frames = engine.render_frames(job, inputs={}, folder=folder, on_progress=listener, should_stop=listener.should_stop)
    assert listener.stages == ["loading", "encoding_prompt", "denoising", "decoding"]
    assert list(frames.stage_seconds) == listener.stages
    written: list[RenderedClip] = []

    def write() -> None:
        with NoTorch():
            written.append(frames.write())

    other = render_job("ltx", seed=2)
    thread = threading.Thread(target=write)
    thread.start()
    render(engine, other, tmp_path / "other")
    thread.join()
    frames.discard()

    [clip] = written
    assert clip.clip.read_bytes() == expected.clip.read_bytes()
    assert clip.poster.read_bytes() == expected.poster.read_bytes()
    assert list(clip.stage_seconds) == [*listener.stages]
    assert writers() == []


def test_frames_that_are_discarded_leave_no_thread(engine: Engine, tmp_path: Path) -> None:
    listener = Listener()
    frames = engine.render_frames(
        render_job("ltx"), inputs={}, folder=tmp_path, on_progress=listener, should_stop=listener.should_stop
    )
    frames.discard()
    assert writers() == []
