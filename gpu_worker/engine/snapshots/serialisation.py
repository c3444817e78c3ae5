"""A recorder's state as bytes and back: tensors as safetensors, everything around them as JSON in its header.

No pickle: what cannot be said in these is refused, and the render then goes without snapshots.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from gpu_worker.engine.snapshots.recorder import laid_out


class CannotBeSaved(Exception):
    """The state is too large, or holds something that is neither a tensor nor plain."""


def to_bytes(state: dict[str, Any], header: dict[str, Any], *, most_bytes: int = 2**63) -> bytes:
    """``state`` as the content of a safetensors file, with ``header`` beside it.

    Raises:
        CannotBeSaved: naming what, or how large its tensors are. Before any of them is copied.
    """
    tensors: dict[str, torch.Tensor] = {}
    encoded = _encoded(state, tensors, {})
    if (size_bytes := sum(tensor.nbytes for tensor in tensors.values())) > most_bytes:
        raise CannotBeSaved(f"{size_bytes} bytes")
    for name, tensor in tensors.items():  # copied, since two views of one storage are refused
        tensors[name] = tensor.to("cpu", copy=True, memory_format=torch.contiguous_format)
    content: bytes = save(tensors, metadata={"header": json.dumps(header), "state": json.dumps(encoded)})
    return content


def read_state(path: Path, device: torch.device) -> dict[str, Any]:
    """The state in ``path``, with what lay on a device now on ``device``.

    Raises:
        OSError, SafetensorError, LookupError, TypeError, ValueError: there is no such file, or it is none of ours.
    """
    with safe_open(path, "pt") as file:
        return dict(_decoded(json.loads(file.metadata()["state"]), file, device))


def dtype_named(name: Any) -> torch.dtype:
    """
    Raises:
        ValueError: none is called so. A file of another host's must not name whatever else torch has.
    """
    found = getattr(torch, name, None) if isinstance(name, str) else None
    if not isinstance(found, torch.dtype):
        raise ValueError(f"{name!r} is no type of numbers")
    return found


def _encoded(tree: Any, tensors: dict[str, torch.Tensor], seen: dict[Any, str]) -> Any:
    if isinstance(tree, torch.Tensor):
        key = tree.data_ptr(), tuple(tree.shape), tree.stride(), tree.dtype
        if key not in seen:
            seen[key] = str(len(seen))
            tensors[seen[key]] = tree.detach()
        return {"tensor": seen[key], "is_on_device": tree.device.type != "cpu", "strides": list(tree.stride())}
    if isinstance(tree, dict):
        return {"items": [[_encoded(k, tensors, seen), _encoded(v, tensors, seen)] for k, v in tree.items()]}
    if isinstance(tree, list | tuple):
        return {"list" if isinstance(tree, list) else "tuple": [_encoded(value, tensors, seen) for value in tree]}
    if isinstance(tree, torch.dtype):
        return {"dtype": str(tree).partition(".")[2]}
    if isinstance(tree, torch.device):
        return {"is_on_device": tree.type != "cpu"}
    if isinstance(tree, bool | int | float | str | None):
        return tree
    raise CannotBeSaved(type(tree).__name__)


def _decoded(tree: Any, file: Any, device: torch.device) -> Any:
    match tree:
        case {"tensor": name, "strides": strides, "is_on_device": is_on_device}:
            return laid_out(file.get_tensor(name), strides, device if is_on_device else torch.device("cpu"))
        case {"items": items}:
            return {_decoded(k, file, device): _decoded(v, file, device) for k, v in items}
        case {"list": values}:
            return [_decoded(value, file, device) for value in values]
        case {"tuple": values}:
            return tuple(_decoded(value, file, device) for value in values)
        case {"dtype": name}:
            return dtype_named(name)
        case {"is_on_device": is_on_device}:
            return device if is_on_device else torch.device("cpu")
    return tree
