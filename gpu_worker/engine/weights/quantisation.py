"""Smaller weights: linear layers in 8 bits by torchao or 4 by bitsandbytes, made once per host and kept on disk."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict, unflatten_tensor_state_dict
from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, quantize_

from gpu_worker.engine.errors import UnsupportedHere, UnsupportedRequest
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.module_weights import Weights
from gpu_worker.engine.weights.quantised_layers import quantised_linears
from gpu_worker.engine.weights.storages import map_plain
from gpu_worker.engine.weights.tensor_files import stored_tensors, write_tensors

CPU = torch.device("cpu")
_FP8_CAPABILITY = (8, 9)

_CONFIGS: Mapping[str, Callable[[], Any]] = {
    "int8": lambda: Int8WeightOnlyConfig(version=2, set_inductor_config=False),
    "fp8": lambda: Float8WeightOnlyConfig(version=2, set_inductor_config=False),
}
"""Without a change to how the whole process compiles: one that reads kept weights would compile otherwise."""
_LIBRARIES = {"nf4": "bitsandbytes", "gguf": "gguf"}
_UNFINISHED = ".unfinished"
NAMES = ("none", *_CONFIGS, *_LIBRARIES)


def check_quantisation(name: str, device: torch.device) -> None:
    """
    Raises:
        UnsupportedRequest: there is no such quantisation.
        UnsupportedHere: this card or installation cannot do it.
    """
    if name not in NAMES:
        raise UnsupportedRequest(f"No quantisation {name!r}; there are: {', '.join(NAMES)}")
    if name == "fp8" and device.type == "cuda" and torch.cuda.get_device_capability(device) < _FP8_CAPABILITY:
        raise UnsupportedHere("fp8 needs a card of compute capability 8.9 or newer; use int8")
    library = _LIBRARIES.get(name)
    if library and importlib.util.find_spec(library) is None:
        raise UnsupportedHere(f"{name} needs the package {library!r}, which is not installed on this worker; use int8")


def quantise(module: torch.nn.Module, component: Component, device: torch.device = CPU) -> torch.nn.Module:
    """Replace the weights of ``module``'s linear layers in place, one after the other.

    Raises:
        ImportError: nf4, where bitsandbytes is not installed; ``check_quantisation`` says so beforehand.
    """
    for layer in quantised_linears(module, getattr(torch, component.dtype)).values():
        layer.weight = torch.nn.Parameter(
            quantise_weight(layer.weight, component.quantisation, device), requires_grad=False
        )
    return module


def quantise_weight(weight: torch.Tensor, quantisation: str, device: torch.device = CPU) -> torch.Tensor:
    """The matrix of a linear layer, quantised, in main memory. It is computed on ``device`` where that has the room.

    Raises:
        ImportError: as ``quantise``.
    """
    weight = weight.detach()
    if device.type != "cpu":
        try:
            return map_plain(_quantised(weight.to(device), quantisation), torch.Tensor.cpu)
        except RuntimeError as error:
            if fault_of(error) is not DeviceFault.OUT_OF_MEMORY:
                raise
    return _quantised(weight, quantisation)


def _quantised(weight: torch.Tensor, quantisation: str) -> torch.Tensor:
    if quantisation == "nf4":
        from gpu_worker.engine.weights import nf4  # its library may be missing where nobody needs it

        return nf4.Nf4Tensor.of(weight)
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = torch.nn.Parameter(weight, requires_grad=False)
    quantize_(torch.nn.Sequential(layer), _CONFIGS[quantisation]())
    return layer.weight.detach()


class QuantisedStore:
    """Quantised components as safetensors files, named by the key of the component and checked by it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, component: Component, module: torch.nn.Module) -> None:
        """Write all tensors of ``module``. The file appears whole or not at all.

        Raises:
            OSError: the file could not be written.
        """
        weights = Weights(module)
        metadata = {"stamp": _stamp(component), "names": json.dumps(weights.names)}

        def parts() -> Iterator[tuple[str, torch.Tensor]]:
            for index, tensor in enumerate(weights.tensors):
                own, metadata[_name(index)] = _taken_apart(index, tensor.data)  # torchao's copies them
                yield from own.items()

        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.file(component).with_suffix(f".{os.getpid()}{_UNFINISHED}")
        try:
            write_tensors(unfinished, parts, metadata)
            unfinished.replace(self.file(component))
        finally:
            unfinished.unlink(missing_ok=True)

    def fill(self, component: Component, meta_module: torch.nn.Module) -> bool:
        """Put the kept tensors into ``meta_module``. False when there are none that this version made or can read."""
        weights = Weights(meta_module)
        file = self.file(component)
        try:
            with safe_open(file, "pt", backend="pread") as header:
                metadata = header.metadata() or {}
            if metadata.get("stamp") != _stamp(component) or json.loads(metadata["names"]) != weights.names:
                return False
            parts: dict[str, dict[str, torch.Tensor]] = {}
            with stored_tensors([file]) as stored:
                for name, tensor in stored.items():
                    parts.setdefault(name.partition(".")[0], {})[name] = tensor.read()
        except (OSError, SafetensorError, KeyError, ValueError):
            return False
        with suppress(OSError):
            os.utime(file)  # what was used last stays longest, also where the system notes no reading
        weights.put([_rebuilt(index, parts[str(index)], metadata) for index in range(len(weights.names))])
        return True

    @contextmanager
    def made_by_one(self, component: Component) -> Iterator[None]:
        """For the time of the block, no other worker of this host makes the same file: it waits, and finds it made.

        Where the folder cannot be written to, nothing is kept and everybody makes his own.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = self.file(component).with_suffix(".lock").open("w")
        except OSError:
            yield
            return
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._sweep(component)
            yield

    def _sweep(self, component: Component) -> None:
        """Remove what processes that were killed left of the file; who holds its lock is the only one to write it."""
        for left in self._folder.glob(f"{self.file(component).stem}.*{_UNFINISHED}"):
            with suppress(OSError):
                left.unlink(missing_ok=True)

    def file(self, component: Component) -> Path:
        """Where the weights of ``component`` are kept, or would be."""
        return self._folder / f"{hashlib.sha256(component.key.encode()).hexdigest()[:32]}.safetensors"


def _name(index: int) -> str:
    return f"{index}.tensor"


def _taken_apart(index: int, tensor: torch.Tensor) -> tuple[dict[str, torch.Tensor], str]:
    name = _name(index)
    if type(tensor).__name__ == "Nf4Tensor":
        from gpu_worker.engine.weights import nf4

        parts, facts = nf4.take_apart(cast(nf4.Nf4Tensor, tensor))
        return {f"{index}.{part}": plain for part, plain in parts.items()}, facts
    parts, by_name = flatten_tensor_state_dict({name: tensor})
    return parts, by_name[name]


def _rebuilt(index: int, parts: dict[str, torch.Tensor], metadata: Mapping[str, str]) -> torch.Tensor:
    name = _name(index)
    if "nf4" in json.loads(metadata[name]):
        from gpu_worker.engine.weights import nf4

        return nf4.put_together({part.partition(".")[2]: plain for part, plain in parts.items()}, metadata[name])
    whole, _ = unflatten_tensor_state_dict(parts, {name: metadata[name], "tensor_names": json.dumps([name])})
    tensor: torch.Tensor = whole[name]
    return tensor


def _stamp(component: Component) -> str:
    library = "bitsandbytes" if component.quantisation == "nf4" else "torchao"
    return f"{component.key} {library} {version(library)}"
