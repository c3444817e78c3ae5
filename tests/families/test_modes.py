"""Every family in every mode that it declares, through the engine, from a tiny checkpoint of the real classes.

No family is named here: a new one is tested by being there.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from gpu_worker.contract import ModelSpec, Progress, RenderJob
from gpu_worker.engine import Engine, RenderedClip
from gpu_worker.engine.video import previews
from gpu_worker.engine.video.audio_conditioning import audio_latents
from gpu_worker.engine.video.first_frame import HeldPictures
from gpu_worker.families import FAMILIES
from gpu_worker.sounds import Audio
from tests.families.checkpoints import checkpoint_for
from tests.families.tiny_calls import TINY_CALLS

CASES = [(family.name, mode) for family in FAMILIES.values() for mode in family.modes]

OWN_SIZES = {"preview": (48, 48), "hunyuan15_image": (64, 64)}
"""Checkpoints that know one size, or choose among a few."""


def job_for(family_name: str, mode: str, source: str) -> RenderJob:
    """The smallest clip of a family that is not square and not the pipeline's default."""
    family = FAMILIES[family_name]
    side = min(2 * family.size_multiple, 64)
    width, height = OWN_SIZES.get(source, (2 * side, side))
    return RenderJob(
        generation_id="g",
        attempt=1,
        model=ModelSpec(slug=source, version=1, family=family_name, source=source, dtype="float32"),
        mode=mode,
        prompt="a red fox runs in snow",
        seed=1,
        width=width,
        height=height,
        num_frames=family.frames.nearest(17),
        fps=family.fps,
        steps=2,
        call=TINY_CALLS.get(source, {}),
        outputs={},
        timeout_seconds=60,
    )


def picture(shade: int) -> Image.Image:
    """Of a shape that no clip has: what is uploaded seldom fits."""
    return Image.fromarray(np.random.default_rng(shade).integers(0, 255, (50, 70, 3), dtype=np.uint8))


def tone(hertz: float, seconds: float = 1.0) -> Audio:
    rate_hertz = 48_000
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hertz)) / rate_hertz)
    return Audio(np.stack([wave, wave]).astype(np.float32), rate_hertz)


def loaded(role: str) -> Any:
    """An input as the worker hands it to the engine."""
    if role == "audio":
        return tone(440.0)
    if "video" in role:
        return [picture(shade) for shade in range(20)]
    return picture(len(role))


def other(role: str) -> Any:
    """Another input for the same role."""
    if role == "audio":
        return tone(1_000.0)
    if role == "mask":
        return Image.new("L", (70, 50), 255)
    return [picture(shade + 100) for shade in range(20)] if "video" in role else picture(100 + len(role))


def render(
    engine: Engine, job: RenderJob, folder: Path, told: list[Progress] | None = None, **inputs: Any
) -> RenderedClip:
    """With ``inputs``, and something for every other role that the mode needs. ``told`` collects the progress."""
    roles = FAMILIES[job.model.family].modes[job.mode].needs
    return engine.render(
        job,
        inputs={role: loaded(role) for role in roles} | inputs,
        folder=folder,
        on_progress=(told if told is not None else []).append,
        should_stop=lambda: False,
    )


@pytest.fixture
def painted_channels(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Channels of what the pictures on the way are painted from, beside those of the VAE's latents.

    Pictures that a clip has to show later ride along as latents of their own; taken for the clip's, they do not divide.
    """
    seen = []
    painted = previews.latent_volume

    def spied(pipeline: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        volume = painted(pipeline, *args, **kwargs)
        config = pipeline.vae.config
        seen.append((volume.shape[0], getattr(config, "latent_channels", None) or config.z_dim))
        return volume

    monkeypatch.setattr(previews, "latent_volume", spied)
    return seen


@pytest.mark.parametrize(("family_name", "mode"), CASES)
def test_the_clip_is_what_the_request_said(
    engine: Engine, models: Path, tmp_path: Path, painted_channels: list[tuple[int, int]], family_name: str, mode: str
) -> None:
    family = FAMILIES[family_name]
    job = job_for(family_name, mode, checkpoint_for(family_name, mode, models))
    told: list[Progress] = []
    made = render(engine, job, tmp_path, told)
    assert (made.facts.width, made.facts.height) == (job.width, job.height)
    assert (made.facts.num_frames, made.facts.fps) == (job.num_frames, job.fps)
    assert made.facts.has_audio == family.has_audio
    with av.open(str(made.clip)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in container.decode(video=0)) == job.num_frames
    steps = [progress.step for progress in told if progress.kind == "step"]
    assert steps == list(range(1, made.steps_total + 1))  # also where only the scheduler tells
    assert painted_channels
    assert all(painted == own for painted, own in painted_channels)
    if family.has_audio:
        assert abs(audio_seconds(made.clip) - job.num_frames / job.fps) < 0.1


def audio_seconds(clip: Path) -> float:
    with av.open(str(clip)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.codec_context.channels) == ("aac", 2)
        return float(sum(frame.samples for frame in container.decode(audio=0)) / stream.rate)


@pytest.mark.parametrize(("family_name", "mode"), [case for case in CASES if FAMILIES[case[0]].modes[case[1]].accepts])
def test_what_a_mode_may_be_given_changes_the_clip(
    engine: Engine, models: Path, tmp_path: Path, family_name: str, mode: str
) -> None:
    job = job_for(family_name, mode, checkpoint_for(family_name, mode, models))
    for name in ("without", "with"):
        (tmp_path / name).mkdir()
    without = render(engine, job, tmp_path / "without")
    accepted = {role: loaded(role) for role in FAMILIES[family_name].modes[mode].accepts}
    made = render(engine, job, tmp_path / "with", **accepted)
    assert made.facts.num_frames == without.facts.num_frames
    assert made.facts.sha256 != without.facts.sha256


@pytest.mark.parametrize(
    ("family_name", "mode", "role"),
    [(name, mode, role) for name, mode in CASES for role in FAMILIES[name].modes[mode].needs],
)
def test_everything_that_a_mode_needs_has_an_effect(models: Path, family_name: str, mode: str, role: str) -> None:
    """LTX's own `image=[first, last]` drops the last one in silence: each input has to reach the latents."""
    job = job_for(family_name, mode, checkpoint_for(family_name, mode, models))
    inputs = {role: loaded(role) for role in FAMILIES[family_name].modes[mode].needs}
    assert not torch.equal(latents(job, models, inputs), latents(job, models, inputs | {role: other(role)}))


@pytest.mark.parametrize("family_name", FAMILIES)
def test_the_same_seed_and_inputs_make_the_same_clip(models: Path, family_name: str) -> None:
    """Without this, a difference in the test above would prove nothing."""
    mode = list(FAMILIES[family_name].modes)[-1]
    job = job_for(family_name, mode, checkpoint_for(family_name, mode, models))
    inputs = {role: loaded(role) for role in FAMILIES[family_name].modes[mode].needs}
    assert torch.equal(latents(job, models, inputs), latents(job, models, inputs))


@lru_cache(maxsize=1)
def loaded_pipeline(class_name: str, folder: Path) -> Any:
    pipeline = getattr(diffusers, class_name).from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def latents(job: RenderJob, models: Path, inputs: dict[str, Any]) -> torch.Tensor:
    """What the pipeline makes before the VAE and the MP4 round small differences away."""
    mode = FAMILIES[job.model.family].modes[job.mode]
    pipeline = loaded_pipeline(mode.pipeline, models / job.model.source)
    arguments = mode.arguments(job, inputs)
    if "audio" in inputs:
        arguments["audio_latents"] = audio_latents(pipeline, inputs["audio"])
    generator = torch.Generator().manual_seed(0)
    if mode.first_frame:
        held = HeldPictures([mode.first_frame(job, inputs)])
        arguments |= {"latents": held.latents(job.num_frames, [generator]), "callback_on_step_end": held.put_back}
    with torch.inference_mode():
        output = pipeline(prompt="a fox", generator=generator, output_type="latent", **arguments)
    sections = output.frames if isinstance(output.frames, list) else [output.frames]
    return torch.cat([section.flatten() for section in sections])


@pytest.mark.parametrize("mode", FAMILIES["ltx"].modes)
def test_a_distilled_ltx_takes_its_own_timesteps_in_every_mode(
    engine: Engine, models: Path, tmp_path: Path, mode: str
) -> None:
    preset = dict(FAMILIES["ltx"].presets["distilled"])
    job = job_for("ltx", mode, checkpoint_for("ltx", mode, models))
    made = render(engine, replace(job, steps=preset.pop("steps"), call=preset), tmp_path)
    assert (made.steps_total, made.facts.num_frames) == (8, job.num_frames)


def test_a_clip_made_to_a_sound_has_that_sound_and_its_own_length(engine: Engine, models: Path, tmp_path: Path) -> None:
    job = job_for("ltx2_sound", "sound", checkpoint_for("ltx2_sound", "sound", models))
    clip_seconds = job.num_frames / job.fps
    for given_seconds in (0.2, 3.0):
        made = render(engine, job, tmp_path, audio=tone(440.0, given_seconds))
        with av.open(str(made.clip)) as container:
            heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)[0]
        assert abs(len(heard) / 48_000 - clip_seconds) < 0.1
        sounding = heard[: round(min(given_seconds, clip_seconds) * 48_000)]
        assert np.argmax(np.abs(np.fft.rfft(sounding))) * 48_000 / len(sounding) == pytest.approx(440, abs=10)
    assert np.abs(heard).max() > 0.3


def test_the_distilled_call_of_ltx_2_runs_the_transformer_once_a_step(models: Path) -> None:
    """With the pipeline's defaults for the guidance that is not text it runs three times, at three times the price."""
    folder = models / checkpoint_for("ltx2", "text", models)
    pipeline = diffusers.LTX2Pipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    preset = dict(FAMILIES["ltx2"].presets["draft"])
    job = replace(job_for("ltx2", "text", "ltx2"), steps=preset.pop("steps"), call=preset)
    calls = 0
    forward = pipeline.transformer.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return forward(*args, **kwargs)

    pipeline.transformer.forward = counted
    arguments = FAMILIES["ltx2"].modes["text"].arguments(job, {})
    pipeline(prompt="a fox", output_type="latent", max_sequence_length=64, **arguments)
    assert calls == 8


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("family_name", "mode"), [(name, mode) for name, mode in CASES if FAMILIES[name].modes[mode].first_frame]
)
def test_a_held_picture_is_the_first_frame_of_the_clip_that_people_get(
    engine: Engine, models: Path, tmp_path: Path, family_name: str, mode: str, dtype: str
) -> None:
    job = job_for(family_name, mode, checkpoint_for(family_name, mode, models))
    job = replace(job, model=replace(job.model, dtype=dtype))
    plain = picture(5).resize((2, 2)).resize((70, 50), Image.Resampling.NEAREST)  # noise would not survive H.264
    inputs: dict[str, Any] = {"image": plain, "video": [picture(6), plain]}
    made = render(engine, job, tmp_path, **{role: inputs[role] for role in FAMILIES[family_name].modes[mode].needs})
    with av.open(str(made.clip)) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    take = FAMILIES[family_name].modes[mode].first_frame
    assert take is not None
    given = np.asarray(take(job, inputs), float)
    assert np.abs(first - given).mean() < 12
