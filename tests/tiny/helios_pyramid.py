"""Helios Mid with random weights: Helios' parts and a scheduler of three scales."""

from __future__ import annotations

from pathlib import Path

from diffusers import HeliosPipeline, HeliosPyramidPipeline, HeliosScheduler

from tests.tiny import helios


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    parts = HeliosPipeline.from_pretrained(helios.build(folder)).components
    # At the real third the covariance of the noise between scales is singular, which LAPACK on a CPU may refuse.
    scheduler = HeliosScheduler(stages=3, gamma=0.33)
    HeliosPyramidPipeline(**parts | {"scheduler": scheduler}).save_pretrained(folder)
    return folder
