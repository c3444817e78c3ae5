"""The inputs of a render as one file of plain tensors, for the processes of the other cards: no pickle between them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open

from gpu_worker.engine.weights.tensor_files import write_tensors
from gpu_worker.sounds import Audio


def write_inputs(file: Path, inputs: Mapping[str, Any]) -> None:
    """Write pictures, lists of them and sounds by role.

    Raises:
        OSError: it could not be written.
    """
    kinds = {role: _kind(value) for role, value in inputs.items()}
    write_tensors(file, lambda: _tensors(inputs), {"kinds": json.dumps(kinds)})


def read_inputs(file: Path) -> dict[str, Any]:
    """Return what ``write_inputs`` was given.

    Raises:
        OSError, SafetensorError: it is not there, or not whole.
    """
    with safe_open(file, "np") as opened:
        kinds = json.loads(opened.metadata()["kinds"])
        return {role: _value(role, kind, opened) for role, kind in kinds.items()}


def _kind(value: Any) -> dict[str, Any]:
    if isinstance(value, Audio):
        return {"rate_hertz": value.rate_hertz}
    return {"frames": len(value)} if isinstance(value, list) else {}


def _tensors(inputs: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    for role, value in inputs.items():
        if isinstance(value, Audio):
            yield role, torch.from_numpy(np.ascontiguousarray(value.samples))
        elif isinstance(value, list):
            for index, frame in enumerate(value):
                yield f"{role}.{index}", _pixels(frame)
        else:
            yield role, _pixels(value)


def _pixels(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture))  # RGB or grey: what the fetcher decodes to


def _value(role: str, kind: Mapping[str, Any], opened: Any) -> Any:
    if "rate_hertz" in kind:
        return Audio(opened.get_tensor(role), kind["rate_hertz"])
    if "frames" in kind:
        return [Image.fromarray(opened.get_tensor(f"{role}.{index}")) for index in range(kind["frames"])]
    return Image.fromarray(opened.get_tensor(role))
