"""Decoding by parts of time: the same frames in the same place as in one go, and only those of one part on the card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLLTXVideo
from diffusers.video_processor import VideoProcessor

from gpu_worker.engine.errors import FramesNotFinite
from gpu_worker.engine.video.clip import Frames
from gpu_worker.engine.video.frames import as_decoded, frames_of, take_frames
from gpu_worker.engine.video.tiling import BLENDED_FRAMES, decode_by_parts
from tests.tiny import ltx

PROCESSOR = VideoProcessor(vae_scale_factor=8)


def take(clip: torch.Tensor, into: Frames, first: int) -> None:
    take_frames(PROCESSOR, clip, into, first=first)


def by_time_alone(latents: torch.Tensor) -> torch.Tensor:
    """What a decoder would make that looks at one moment only: one frame of the first latent, eight of each other."""
    return torch.cat([latents[:, :, :1], latents[:, :, 1:].repeat_interleave(8, dim=2)], dim=2)


@pytest.mark.parametrize("num_latents", [1, 2, 10, 11, 12, 17, 18, 31])
def test_every_frame_is_where_it_is_in_one_go(num_latents: int) -> None:
    latents = torch.linspace(-1, 1, num_latents)[None, None, :, None, None].expand(1, 3, -1, 2, 2)
    whole = frames_of(PROCESSOR, by_time_alone(latents))
    parts = decode_by_parts(by_time_alone, latents, frames_per_part=80, frames_per_latent=8, take=take)
    assert np.array_equal(parts, whole)


def test_only_a_part_is_decoded_at_once() -> None:
    counts: list[int] = []

    def decode(latents: torch.Tensor) -> torch.Tensor:
        counts.append(latents.shape[2])
        return by_time_alone(latents)

    decode_by_parts(decode, torch.zeros(1, 3, 61, 2, 2), frames_per_part=96, frames_per_latent=8, take=take)
    assert max(counts) == 13
    assert len(counts) == 7


def test_a_real_decoder_makes_the_same_away_from_the_seams_and_nearly_at_them(tmp_path: Path) -> None:
    vae = AutoencoderKLLTXVideo.from_pretrained(ltx.build(tmp_path), subfolder="vae").eval()
    latents = torch.randn(1, 8, 25, 2, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = frames_of(PROCESSOR, vae.decode(latents, return_dict=False)[0])
        parts = decode_by_parts(
            lambda part: vae.decode(part, return_dict=False)[0],
            latents,
            frames_per_part=96,
            frames_per_latent=8,
            take=take,
        )
    error = np.abs(parts.astype(int) - whole).mean(axis=(1, 2, 3))
    seam = slice(97 - BLENDED_FRAMES, 97)
    a_frame_too_late = np.abs(np.diff(whole.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert error[:32].max() < 0.1
    assert error[-8:].max() < 0.1
    assert error[seam].max() < a_frame_too_late[seam].mean() / 2  # the weights are random: real ones look less far


def test_frames_that_are_taken_already_are_not_copied() -> None:
    frames = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    again = frames_of(PROCESSOR, as_decoded(frames))
    assert np.shares_memory(again, frames)
    assert np.array_equal(again, frames)


def test_frames_are_those_of_the_processor() -> None:
    video = torch.randn(1, 3, 5, 4, 6, dtype=torch.bfloat16)
    whole = PROCESSOR.postprocess_video(video, output_type="pt")[0]
    expected = (whole.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(frames_of(PROCESSOR, video), expected)


def test_what_is_no_number_is_no_frame() -> None:
    video = torch.zeros(1, 3, 2, 4, 4)
    video[0, 1, 1, 2, 2] = torch.nan
    with pytest.raises(FramesNotFinite, match="1 of 48 values"):
        frames_of(PROCESSOR, video)
