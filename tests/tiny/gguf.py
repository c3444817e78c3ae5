"""A GGUF file as people publish them for LTX-Video: packed matrices, the names of the original checkpoint."""

from __future__ import annotations

from pathlib import Path

import gguf
import torch
from safetensors.torch import load_file

_ORIGINAL = {"proj_in": "patchify_proj", "time_embed": "adaln_single", "norm_q": "q_norm", "norm_k": "k_norm"}
_KEPT = ("scale_shift_table", "norm", "patchify_proj", "adaln_single")


def write(file: Path, transformer: Path, packing: str = "Q8_0") -> Path:
    """``transformer`` (a folder of diffusers) as one file; matrices of its blocks packed, the rest as 32-bit floats."""
    kind = gguf.GGMLQuantizationType[packing]
    writer = gguf.GGUFWriter(file, "ltxv")
    for name, tensor in load_file(transformer / "diffusion_pytorch_model.safetensors").items():
        for ours, original in _ORIGINAL.items():
            name = name.replace(ours, original)
        values = tensor.to(torch.float32).numpy()
        if values.ndim == 2 and values.shape[1] % 32 == 0 and not any(part in name for part in _KEPT):
            writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
