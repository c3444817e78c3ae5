"""A job goes in, a clip comes out: the engine's face with real pipelines."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLLTXVideo
from PIL import Image

from gpu_worker.engine import Engine, RenderStopped, UnsupportedRequest
from tests.engine.jobs import Listener, frames_of, model_spec, render, render_job

FAMILIES = ("ltx", "cogvideox")


@pytest.mark.parametrize("family", FAMILIES)
def test_it_works(engine: Engine, tmp_path: Path, family: str) -> None:
    listener = Listener()
    done = render(engine, render_job(family), tmp_path, listener=listener)
    assert (done.facts.width, done.facts.height, done.facts.num_frames, done.facts.fps) == (64, 64, 9, 24)
    assert frames_of(done.clip).shape == (9, 64, 64, 3)
    assert Image.open(done.poster).size == (64, 64)
    assert listener.stages == ["loading", "encoding_prompt", "denoising", "decoding", "encoding_video"]
    assert [(e.step, e.steps_total) for e in listener.of("step")] == [(1, 3), (2, 3), (3, 3)]
    assert (done.steps_done, done.steps_total) == (3, 3)
    assert list(done.stage_seconds) == listener.stages
    assert done.peak_bytes > 0


def test_what_decoding_takes_beside_the_weights_is_seen_every_time(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the process keeps, from the render before, all the memory that it will need."""

    def greedy(vae: AutoencoderKLLTXVideo, *args: Any, **kwargs: Any) -> Any:
        blocks = [torch.ones(2**16) for _ in range(4 * 60)]
        del blocks
        return decode(vae, *args, **kwargs)

    decode = AutoencoderKLLTXVideo.decode
    monkeypatch.setattr(AutoencoderKLLTXVideo, "decode", greedy)
    render(engine, render_job("ltx"), tmp_path)  # opens libraries, which stays
    peaks = [render(engine, render_job("ltx"), tmp_path).peak_bytes for _ in range(2)]
    assert all(50 * 2**20 < peak_bytes < 90 * 2**20 for peak_bytes in peaks), peaks


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_comes_with_the_first_step(engine: Engine, tmp_path: Path, family: str) -> None:
    listener = Listener()
    render(engine, render_job(family, width=96, height=64), tmp_path, listener=listener)
    kinds = [entry.kind for entry in listener.entries if entry.kind in ("step", "preview")]
    assert kinds[:2] == ["step", "preview"]
    header, _, content = listener.of("preview")[0].preview.partition(",")
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert header == "data:image/jpeg;base64"
    assert picture.size == (160, 107)
    assert len(listener.of("preview")[0].preview) <= 6_100


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_gives_the_same_frames_again(engine: Engine, tmp_path: Path, family: str) -> None:
    first = frames_of(render(engine, render_job(family), tmp_path / "1").clip)
    again = frames_of(render(engine, render_job(family), tmp_path / "2").clip)
    other_seed = frames_of(render(engine, render_job(family, seed=2), tmp_path / "3").clip)
    other_prompt = frames_of(render(engine, render_job(family, prompt="zzz"), tmp_path / "4").clip)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other_seed)
    assert not np.array_equal(first, other_prompt)


def test_a_picture_can_be_the_first_frame(engine: Engine, tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 64), "red")
    done = render(engine, render_job(mode="image"), tmp_path, inputs={"image": picture})
    assert done.facts.num_frames == 9


@pytest.mark.parametrize("family", FAMILIES)
def test_it_stops_after_the_step_in_which_it_was_asked_to(engine: Engine, tmp_path: Path, family: str) -> None:
    listener = Listener(stop_after_steps=2)
    with pytest.raises(RenderStopped) as stopped:
        render(engine, render_job(family, steps=50), tmp_path, listener=listener)
    assert (stopped.value.steps_done, stopped.value.steps_total) == (2, 50)
    assert "denoising" in stopped.value.stage_seconds
    assert "decoding" not in listener.stages
    assert all(r.leases == 0 for r in engine.status().residents)


def test_it_stops_before_it_loads_anything(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(RenderStopped):
        render(engine, render_job(), tmp_path, should_stop=lambda: True)
    assert engine.status().residents == ()


def test_small_clips_are_enlarged_to_a_size_that_can_be_watched(engine: Engine, tmp_path: Path) -> None:
    done = render(engine, render_job(upscale=4), tmp_path)
    assert (done.facts.width, done.facts.height) == (256, 256)
    assert Image.open(done.poster).size == (256, 256)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"width": 50}, "multiples of 32: 64x64 instead of 50x64"),
        ({"num_frames": 10}, "cannot make 10 frames; 9 is the nearest"),
        ({"mode": "song"}, "no mode 'song'; there are: text"),
        ({"mode": "image"}, "needs image"),
        ({"model": model_spec(family="nothing")}, "No model family 'nothing'"),
        ({"steps": 0}, "have to be positive"),
        ({"call": {"guidance": 3}}, "LTXPipeline refused: .*unexpected keyword argument 'guidance'"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_reason(
    engine: Engine, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnsupportedRequest, match=reason):
        render(engine, render_job(**changes), tmp_path)
    assert all(r.leases == 0 for r in engine.status().residents)
