"""A fixture for tests of weights in 16 bits, which the processors that run them have few instructions for."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def convolutions_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes each convolution of a clip in single precision, and its answer what it was given.

    PyTorch's own in bfloat16 takes up to forty times as long on a processor without instructions for it.
    """
    convolve = torch.nn.Conv3d._conv_forward

    def quick(
        self: torch.nn.Conv3d, given: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        answer: torch.Tensor = convolve(self, given.float(), weight.float(), None if bias is None else bias.float())
        return answer.to(given.dtype)

    monkeypatch.setattr(torch.nn.Conv3d, "_conv_forward", quick)
