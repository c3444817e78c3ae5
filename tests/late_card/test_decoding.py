"""How frames leave the simulated card: one after the other, and in tiles part by part."""

from __future__ import annotations

import gc

import pytest
import torch
from diffusers.video_processor import VideoProcessor

from gpu_worker.engine.video.frames import frames_of
from tests.late_card.card import KIND, Card

PROCESSOR = VideoProcessor(vae_scale_factor=8)


def test_making_pictures_of_a_clip_takes_the_memory_of_a_few_frames(card: Card) -> None:
    clip = torch.rand(1, 3, 64, 64, 64, dtype=torch.float32).to(KIND)
    frame_bytes = clip.nbytes // 64
    gc.collect()
    card._extension.reset_peak()
    before = card.figure("allocated")
    assert frames_of(PROCESSOR, clip).shape == (64, 64, 64, 3)
    assert card.figure("peak") - before <= 6 * frame_bytes


def test_a_full_card_is_enough_for_the_last_frames(card: Card) -> None:
    clip = torch.rand(1, 3, 4, 64, 64).to(KIND)
    expected = frames_of(PROCESSOR, clip)
    card.limit(card.figure("allocated") + 100)
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(1000, device=KIND)
    assert (frames_of(PROCESSOR, clip) == expected).all()
