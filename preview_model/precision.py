"""In which precision the preview model is trained."""

from __future__ import annotations

import torch

BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")


def autocast() -> torch.autocast:
    """Calculates in bfloat16 where the processor has instructions for it, which halves the time of a step.

    Without them PyTorch emulates it, and a step takes several times as long as in single precision.
    """
    capabilities = torch.cpu.get_capabilities()
    has_instructions = any(capabilities.get(name) for name in BFLOAT16_INSTRUCTIONS)
    return torch.autocast("cpu", torch.bfloat16, enabled=has_instructions)
