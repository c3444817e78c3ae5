"""Most main memory that a first load in eight bits takes, the file that is kept of it included."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel

from gpu_worker.engine.memory import main_memory
from gpu_worker.engine.weights.checkpoint import Part
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.engine.weights.storages import module_bytes

MB = 10**6
_MOST = 1.25
"""Of the weights that are left."""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        transformer = Path(folder) / "transformer"
        _write_checkpoint(transformer)
        checkpoint_bytes = sum(file.stat().st_size for file in transformer.glob("*.safetensors"))
        part = Part("transformer", transformer, "diffusers", "WanTransformer3DModel")
        held_bytes, is_anew = main_memory.forget_peak()
        module = Loader(QuantisedStore(Path(folder))).load(Component("first", part, "bfloat16", "int8"))
        peak_bytes = main_memory.peak_bytes() - held_bytes
    weights = module_bytes(module)
    if not is_anew:
        print("This system does not count the peak anew: nothing can be said.")
        return 0
    print(f"checkpoint {checkpoint_bytes / MB:.0f} MB, in int8 {weights / MB:.0f} MB: peak {peak_bytes / MB:.0f} MB")
    return 0 if peak_bytes < _MOST * weights else 1


def _write_checkpoint(folder: Path) -> None:
    """Wan's 1.3B with 12 of its 30 layers, weights unset."""
    torch.set_default_dtype(torch.bfloat16)
    try:
        WanTransformer3DModel(
            num_attention_heads=12, ffn_dim=8960, num_layers=12, cross_attn_norm=True, qk_norm="rms_norm_across_heads"
        ).save_pretrained(folder)
    finally:
        torch.set_default_dtype(torch.float32)
    main_memory.give_back_free_blocks()


if __name__ == "__main__":
    sys.exit(main())
