"""A sound becomes what LTX-2's audio VAE was trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from gpu_worker.engine.video.audio_conditioning import WINDOW_SAMPLES, log_mel, resample
from gpu_worker.sounds import Audio


def tone(hertz: float, rate: int, seconds: float = 0.5) -> Audio:
    wave = 0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return Audio(np.stack([wave, -wave]).astype(np.float32), rate)


def test_the_mel_spectrogram_is_that_of_another_implementation() -> None:
    sound = tone(440, 16_000)
    filters = mel_filter_bank(513, 64, 0.0, 8_000.0, 16_000, norm="slaney", mel_scale="slaney")
    other = spectrogram(
        sound.samples[0].astype(np.float64),
        window_function(WINDOW_SAMPLES, "hann"),
        frame_length=WINDOW_SAMPLES,
        hop_length=160,
        power=1.0,
        mel_filters=filters,
        mel_floor=1e-5,
        log_mel="log",
    )
    made = log_mel(torch.from_numpy(sound.samples), rate_hertz=16_000, hop_samples=160, bins=64)
    assert made.shape == (2, 51, 64)
    np.testing.assert_allclose(made[0].numpy().T, other, atol=2e-3)


def test_a_sound_shorter_than_one_window_is_heard_too() -> None:
    made = log_mel(torch.zeros(2, 10), rate_hertz=16_000, hop_samples=160, bins=16)
    assert torch.isfinite(made).all()


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_resampling_keeps_pitch_length_and_channels(rate: int) -> None:
    made = resample(tone(440, rate), 16_000)
    assert made.samples.shape[0] == 2
    assert made.seconds == pytest.approx(0.5, abs=0.01)
    assert np.argmax(np.abs(np.fft.rfft(made.samples[0]))) / made.seconds == pytest.approx(440, abs=4)


def test_one_channel_is_as_loud_in_both() -> None:
    mono = Audio(tone(440, 48_000).samples[:1], 48_000)
    made = resample(mono, 16_000)
    np.testing.assert_array_equal(made.samples[0], made.samples[1])
    assert np.abs(made.samples).max() == pytest.approx(0.4, abs=0.02)


def test_a_sound_lasts_as_long_as_it_is_told() -> None:
    assert tone(440, 8_000, 2.0).lasting(0.5).seconds == 0.5
    longer = tone(440, 8_000, 0.5).lasting(1.0)
    assert longer.seconds == 1.0
    assert np.abs(longer.samples[:, 4_000:]).max() == 0
