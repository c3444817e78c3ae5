"""A sound that somebody sent as the latents that a pipeline follows, by the checkpoint's own audio VAE."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank

from gpu_worker.sounds import Audio

WINDOW_SAMPLES = 1024
_FAINTEST = 1e-5


def audio_latents(pipeline: Any, sound: Audio) -> torch.Tensor:
    """``(1, channels, frames, mel bins)``, as LTX-2's pipelines take them: unpacked and not normalised."""
    vae = pipeline.audio_vae
    waveform = torch.from_numpy(resample(sound, vae.config.sample_rate).samples)
    heard = log_mel(
        waveform, rate_hertz=vae.config.sample_rate, hop_samples=vae.config.mel_hop_length, bins=vae.config.mel_bins
    )
    with torch.no_grad():
        latents: torch.Tensor = vae.encode(heard[None].to(vae.device, vae.dtype)).latent_dist.mode()
    return latents.float()


def log_mel(waveform: torch.Tensor, *, rate_hertz: int, hop_samples: int, bins: int) -> torch.Tensor:
    """``(channels, frames, bins)`` from ``(channels, samples)``: what LTX-2's audio VAE was trained on, which is
    magnitudes on Slaney's scale and their natural logarithm."""
    missing = max(0, WINDOW_SAMPLES - waveform.shape[-1])
    padded = torch.nn.functional.pad(waveform.float(), (0, missing))
    spectrum = torch.stft(
        padded,
        WINDOW_SAMPLES,
        hop_length=hop_samples,
        window=torch.hann_window(WINDOW_SAMPLES),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    ).abs()
    filters = mel_filter_bank(
        num_frequency_bins=WINDOW_SAMPLES // 2 + 1,
        num_mel_filters=bins,
        min_frequency=0.0,
        max_frequency=rate_hertz / 2,
        sampling_rate=rate_hertz,
        norm="slaney",
        mel_scale="slaney",
    )
    mel = torch.from_numpy(filters).float().T @ spectrum
    return mel.clamp(min=_FAINTEST).log().transpose(1, 2)


def resample(sound: Audio, rate_hertz: int) -> Audio:
    """The same at another rate, in two channels: one is as loud in both."""
    samples = np.ascontiguousarray(np.broadcast_to(sound.samples, (2, sound.samples.shape[-1])), np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    frame.sample_rate, frame.pts = sound.rate_hertz, 0
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate_hertz)
    pieces = [piece.to_ndarray() for each in (frame, None) for piece in resampler.resample(each)]
    return Audio(np.concatenate(pieces, axis=1), rate_hertz)
