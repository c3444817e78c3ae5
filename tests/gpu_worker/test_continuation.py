"""A clip that goes on from another holds all of that one: its frames, its sound, then what is new."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from gpu_worker import media_input
from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.ending import Ending
from gpu_worker.engine.errors import RenderStopped
from gpu_worker.engine.video.clip import Frames, measure_clip, write_clip
from gpu_worker.engine.video.continuation import before_and_new
from gpu_worker.engine.video.frames import RawClip
from gpu_worker.families import FAMILIES, family
from gpu_worker.media_input import Wanted
from gpu_worker.render_errors import error_of
from gpu_worker.sandbox import FileUnreadable
from gpu_worker.sounds import Audio
from tests.gpu_worker.conftest import make_job

RATE = 16_000
FPS = 8.0


def grey(*levels: int, side: int = 64) -> Frames:
    return np.stack([np.full((side, side, 3), level, np.uint8) for level in levels])


def tone(seconds: float, *, channels: int = 1) -> Audio:
    wave = np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * 440 / RATE).astype(np.float32) * 0.5
    return Audio(np.stack([wave] * channels), RATE)


def extension(folder: Path, *, upscale: int = 1) -> RenderJob:
    model = ModelSpec(slug="preview", version=1, family="preview", source="preview")
    return make_job(folder, model=model, mode="extend", num_frames=3, fps=FPS, upscale=upscale)


def whole_of(
    folder: Path, source: Path, job: RenderJob, made: RawClip, asked: Callable[[], None] = lambda: None
) -> Path:
    """The file of a job whose pipeline has made ``made``."""
    given = media_input.ending(source, Wanted.by(job), lambda: None)
    mode = family(job.model.family).modes[job.mode]
    before, new = before_and_new(job, mode, {"video": given}, made, asked)
    whole = folder / "whole.mp4"
    write_clip(whole, new.frames, job.fps, upscale=job.upscale, audio=new.audio, before=before)
    return whole


def levels_of(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [round(float(frame.to_ndarray(format="gray").mean())) for frame in container.decode(video=0)]


def loudness_by_quarter_second(path: Path) -> list[bool]:
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        samples = np.concatenate([f.to_ndarray().mean(axis=0) for f in container.decode(audio=0)])
    step = rate // 4
    return [bool(np.abs(samples[at : at + step]).mean() > 0.05) for at in range(0, len(samples) - step // 2, step)]


def test_what_it_goes_on_from_comes_first_and_its_last_frame_once(tmp_path: Path) -> None:
    write_clip(tmp_path / "source.mp4", grey(20, 60, 100, 140), FPS)
    whole = whole_of(tmp_path, tmp_path / "source.mp4", extension(tmp_path), RawClip(grey(140, 180, 220)))
    levels = levels_of(whole)
    assert len(levels) == 4 + 3 - 1
    assert all(later - earlier > 20 for earlier, later in pairwise(levels)), levels
    facts = measure_clip(whole)
    assert (facts.num_frames, facts.has_audio) == (6, False)
    assert facts.duration_seconds == pytest.approx(6 / FPS)


def test_it_is_as_large_as_the_new_part_whatever_it_came_from(tmp_path: Path) -> None:
    write_clip(tmp_path / "source.mp4", grey(20, 60, side=200), 24.0)
    job = extension(tmp_path, upscale=2)
    facts = measure_clip(whole_of(tmp_path, tmp_path / "source.mp4", job, RawClip(grey(100, 140, 180))))
    assert (facts.width, facts.height, facts.fps) == (128, 128, FPS)
    assert facts.num_frames == 1 + 3 - 1  # two frames at 24 a second last for one at 8


@pytest.mark.parametrize(
    ("first", "then", "heard"),
    [
        (1.0, None, [True] * 4 + [False] * 4),
        (None, 1.0, [False] * 4 + [True] * 4),
        (1.0, 1.0, [True] * 8),
    ],
    ids=["the old part", "the new part", "both"],
)
def test_the_sound_of_each_part_stays_with_it(
    tmp_path: Path, first: float | None, then: float | None, heard: list[bool]
) -> None:
    source = tmp_path / "source.mp4"
    write_clip(source, grey(*[90] * 8), FPS, audio=tone(first, channels=2) if first else None)
    job = extension(tmp_path)
    made = RawClip(grey(*[90] * 9), tone(then + 1 / FPS) if then else None)
    assert loudness_by_quarter_second(whole_of(tmp_path, source, job, made))[:8] == heard


def test_a_render_that_is_not_wanted_any_more_ends_while_the_first_part_is_written(tmp_path: Path) -> None:
    write_clip(tmp_path / "source.mp4", grey(20, 60, 100), FPS)

    def stop() -> None:
        raise RenderStopped(0, 0, {})

    with pytest.raises(RenderStopped):
        whole_of(tmp_path, tmp_path / "source.mp4", extension(tmp_path), RawClip(grey(100, 140, 180)), stop)


def test_a_given_clip_whose_rest_takes_too_long_to_read_is_named_with_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "source.mp4", grey(20, 60, 100), FPS)
    job = extension(tmp_path)
    given = media_input.ending(tmp_path / "source.mp4", Wanted.by(job), lambda: None)
    mode = family("preview").modes["extend"]
    before, _ = before_and_new(job, mode, {"video": given}, RawClip(grey(100, 140, 180)), lambda: None)
    assert before is not None
    monkeypatch.setattr(media_input, "WALL_SECONDS", 0.0)
    with pytest.raises(FileUnreadable) as stopped:
        list(before.frames)
    reported = error_of(stopped.value)
    assert (reported.code, reported.is_retryable) == ("input_unreadable", False)
    assert reported.message == (
        "The clip to go on from cannot be read whole: it takes more than 3 GiB of memory, 120 seconds of a processor "
        "or 0 seconds in all to decode."
    )


def test_a_clip_that_only_changes_a_video_is_no_longer_than_before(tmp_path: Path) -> None:
    made, pictures = RawClip(grey(1, 2, 3)), [Image.new("RGB", (64, 64))]
    for name, each in FAMILIES.items():
        for mode_name, mode in each.modes.items():
            if mode_name != "extend":
                given = {"video": Ending(pictures, pictures=lambda *_: iter(()), sound=lambda _: None)}
                assert before_and_new(extension(tmp_path), mode, given, made, lambda: None) == (None, made), name


def test_each_family_that_continues_says_how_much_it_repeats() -> None:
    told = {name: each.modes["extend"] for name, each in FAMILIES.items() if "extend" in each.modes}
    repeated = {name: mode.repeated_frames(given=100, num_frames=97) for name, mode in told.items()}
    assert repeated["preview"] == 1
    assert repeated["helios"] == repeated["helios_pyramid"] == 0
    for name, mode in told.items():
        assert (repeated[name] or 1) % mode.context_step == (1 if mode.context_step > 1 else 0), name
