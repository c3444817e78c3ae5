"""The picture while it is being made: early, small, cheap, and of what is to come."""

from __future__ import annotations

import base64
import copy
import inspect
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    CogVideoXDDIMScheduler,
    CogVideoXDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)
from PIL import Image

from gpu_worker.engine.video.previews import PreviewPainter, colours_of, to_jpeg_address
from gpu_worker.engine.video.x0_preview import predict_clean, watch


class Watch:
    """A clock that moves by a fixed time at each look."""

    def __init__(self, seconds: float) -> None:
        self.now = 0.0
        self.seconds = seconds

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def picture_of(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_painting_takes_two_per_cent_of_the_time_at_most() -> None:
    watch_ = Watch(0.1)
    painter = PreviewPainter(watch_)
    latents, painted = torch.randn(1, 4, 3, 8, 8), 0
    for _ in range(1_000):
        painted += painter.paint(SimpleNamespace(), latents, num_frames=9, width=64, height=64) is not None
    assert painted * 0.1 <= 0.02 * watch_.now * 1.1
    assert painted > 5


def test_what_the_card_has_still_to_do_is_not_the_picture_s_cost() -> None:
    now, latents = [0.0], torch.randn(1, 4, 3, 8, 8)

    def wait_for_the_queue() -> None:
        now[0] += 60.0

    painter = PreviewPainter(lambda: now[0], wait_for_card=wait_for_the_queue)
    painted = [painter.paint(SimpleNamespace(), latents, num_frames=9, width=64, height=64) for _ in range(3)]
    assert all(painted)


def test_latents_that_are_no_numbers_are_a_picture_too() -> None:
    """What is wrong with them is said of the finished clip, in words; a picture on the way must not hide it."""
    broken = torch.full((4, 6, 5), torch.nan)
    assert colours_of(broken).shape == (6, 5, 3)
    assert colours_of(torch.full((3, 6, 5), torch.inf)).max() == 255


def test_the_first_picture_comes_at_once() -> None:
    latents = torch.randn(1, 4, 3, 8, 8)
    assert PreviewPainter().paint(SimpleNamespace(), latents, num_frames=9, width=64, height=64)


SHAPES = [(1280, 704, (160, 88)), (480, 832, (92, 160)), (48, 48, (160, 160))]


@pytest.mark.parametrize(("width", "height", "size"), SHAPES)
def test_it_has_the_shape_of_the_clip_and_is_small(width: int, height: int, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3)).astype(np.uint8)
    address = to_jpeg_address(noise, width=width, height=height)
    assert picture_of(address).size == size
    assert len(address) <= 6_100


def test_three_channels_are_pixels() -> None:
    latent = torch.tensor([1.0, -1.0, 0.0]).reshape(3, 1, 1).expand(3, 4, 4)
    assert (colours_of(latent) == (255, 0, 128)).all()


@pytest.mark.parametrize("channels", [1, 2, 4, 16, 128])
def test_any_other_number_of_channels_becomes_colours(channels: int) -> None:
    pixels = colours_of(torch.randn(channels, 6, 5, generator=torch.Generator().manual_seed(0)))
    assert pixels.shape == (6, 5, 3)
    assert pixels.std() > 20


def flow(scheduler: Any) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """A clip, and the step of a perfect model towards it from pure noise."""
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(1, 4, 3, 8, 8, generator=generator), torch.randn(1, 4, 3, 8, 8, generator=generator)
    scheduler.set_timesteps(4)
    watch(scheduler)
    sigma = scheduler.sigmas[0]
    latents = (1 - sigma) * clean + sigma * noise
    (after,) = scheduler.step(noise - clean, scheduler.timesteps[0], latents, return_dict=False)[:1]
    return scheduler, after, clean


@pytest.mark.parametrize(
    "scheduler",
    [
        FlowMatchEulerDiscreteScheduler(shift=3.0),
        UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
    ],
)
def test_the_clip_shows_from_the_first_step(scheduler: Any) -> None:
    scheduler, after, clean = flow(scheduler)
    assert torch.allclose(predict_clean(scheduler, after), clean, atol=1e-4)
    assert not torch.allclose(after, clean, atol=0.5)


def test_the_clip_shows_where_the_scheduler_predicts_it_itself() -> None:
    scheduler = CogVideoXDDIMScheduler(prediction_type="sample", rescale_betas_zero_snr=True)
    scheduler.set_timesteps(4)
    watch(scheduler)
    clean, latents = torch.randn(1, 3, 4, 8, 8).clamp(-1, 1), torch.randn(1, 3, 4, 8, 8)
    after = scheduler.step(clean, scheduler.timesteps[0], latents, return_dict=False)[0]
    assert torch.equal(predict_clean(scheduler, after), clean)


def test_watching_changes_no_step_and_a_copy_steps_itself() -> None:
    plain, watched = FlowMatchEulerDiscreteScheduler(), FlowMatchEulerDiscreteScheduler()
    watch(watched)
    assert isinstance(watched, FlowMatchEulerDiscreteScheduler)
    for scheduler in (plain, watched):
        scheduler.set_timesteps(4)
    other = copy.deepcopy(watched)
    latents, output = torch.randn(1, 8), torch.randn(1, 8)
    for step in range(2):
        results = [s.step(output, s.timesteps[step], latents, return_dict=False)[0] for s in (plain, watched)]
        assert torch.equal(*results)
    assert other.step_index is None
    other.step(output, other.timesteps[0], latents)
    assert [int(s.step_index or 0) for s in (other, watched)] == [1, 2]


def test_watching_keeps_what_pipelines_hand_to_the_step() -> None:
    """They look for ``eta`` and ``generator`` in its signature; without them a seed does not make the clip again."""
    scheduler = CogVideoXDPMScheduler()
    before = inspect.signature(scheduler.step)
    watch(scheduler)
    assert inspect.signature(scheduler.step) == before
    assert {"eta", "generator"} <= before.parameters.keys()


def test_latents_are_shown_where_nothing_is_predicted() -> None:
    latents = torch.randn(1, 8)
    assert predict_clean(SimpleNamespace(), latents) is latents
    assert predict_clean(SimpleNamespace(_predicted=torch.zeros(2, 8)), latents) is latents
