"""Counts the bytes that a model of full size takes on a card, with no card and no bytes: tensors are shapes alone.

Everything runs under PyTorch's FakeTensorMode with device "cuda", so the modules are diffusers' own and allocate what
they would there. What comes on top on a real card is not seen: workspaces of cuBLAS and cuDNN, and fragments.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import hashlib
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass
from torch.utils._pytree import tree_leaves
from torchao.quantization.quantize_.workflows.int8.int8_tensor import Int8Tensor

from gpu_worker.engine.weights.quantised_layers import quantised_linears

ALIGNMENT_BYTES = 512
"""The allocator rounds up to this."""
COMPILER = "g++"


def is_possible() -> bool:
    """Whether fake tensors can be on a card here: in a build for cards, or where a compiler is."""
    return torch.version.cuda is not None or shutil.which(COMPILER) is not None


@functools.cache
def _load_guard() -> None:
    source = Path(__file__).with_name("guard.cpp")
    digest = hashlib.sha256(source.read_bytes() + torch.__version__.encode()).hexdigest()[:12]
    library = Path(tempfile.gettempdir()) / f"loremotion-guard-{digest}.so"
    if not library.exists():
        torch_folder = Path(torch.__file__).parent
        unfinished = Path(tempfile.mkdtemp()) / library.name
        flags = ["-O0", "-std=c++20", "-fPIC", "-shared", f"-I{torch_folder / 'include'}"]
        links = [f"-L{torch_folder / 'lib'}", "-lc10", f"-Wl,-rpath,{torch_folder / 'lib'}"]
        subprocess.run([COMPILER, *flags, str(source), *links, "-o", str(unfinished)], check=True)
        shutil.move(unfinished, library)
    ctypes.CDLL(str(library))


class _FakeTensors(FakeTensorMode):
    """Fake tensors that ask no card for its consent, also where another backend has been registered in the process."""

    @property
    def avoid_device_init(self) -> bool:
        return True


@contextmanager
def full_size_card() -> Iterator[None]:
    """Tensors that are made in the block are on a card, and take nothing."""
    if torch.version.cuda is None:
        _load_guard()
    with (
        _FakeTensors(allow_non_fake_inputs=True),
        mock.patch.object(torch.nn.functional, "scaled_dot_product_attention", _fused_attention),
        torch.no_grad(),
    ):
        yield


def _fused_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    """What a fused kernel allocates: its answer, laid out like the query. On fake tensors PyTorch would take the other
    way, with a matrix of tokens times tokens that no card computes like that."""
    batch, heads, tokens, width = *query.shape[:-1], value.shape[-1]
    answer = torch.empty(batch, tokens, heads, width, dtype=query.dtype, device=query.device)
    return answer.transpose(1, 2)


def build(cls: Any, config: dict[str, Any], *, quantisation: str = "none") -> Any:
    """A module of full size on the card, in bfloat16; in int8 where the engine would quantise it."""
    with torch.device("meta"):
        module = cls(**config)
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = torch.nn.Parameter(on_card(*parameter.shape), requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = on_card(*buffer.shape, dtype=buffer.dtype)
    if quantisation == "int8":
        for layer in quantised_linears(module, torch.bfloat16).values():
            layer.weight = torch.nn.Parameter(_int8(*layer.weight.shape), requires_grad=False)
    return module.eval()


def on_card(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="cuda")


def _int8(rows: int, columns: int) -> Int8Tensor:
    return Int8Tensor(
        on_card(rows, columns, dtype=torch.int8),
        on_card(rows, 1),
        [1, columns],
        torch.bfloat16,
        zero_point=on_card(rows, 1, dtype=torch.int8),
    )


def peak_bytes(run: Callable[[], Any], held: Iterable[Any]) -> int:
    """Most bytes that lived at once during ``run``, beside those of ``held``: modules and tensors."""
    gc.collect()
    known = {storage._cdata for storage in map(torch.Tensor.untyped_storage, _plain(_tensors(held)))}
    with _Live(known) as live:
        run()
    size_bytes: int = live.peak_bytes
    return size_bytes


def _tensors(held: Iterable[Any]) -> Iterator[torch.Tensor]:
    for one in held:
        if isinstance(one, torch.nn.Module):
            yield from one.parameters()
            yield from one.buffers()
        else:
            yield one


def _plain(tensors: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The tensors that a wrapper is made of, in place of the wrapper."""
    for tensor in tensors:
        if is_traceable_wrapper_subclass(tensor):
            names, _ = tensor.__tensor_flatten__()
            yield from _plain(getattr(tensor, name) for name in names)
        else:
            yield tensor


class _Live(TorchDispatchMode):
    """Counts the storages that live, by each tensor that an operation returns."""

    def __init__(self, known: set[int]) -> None:
        super().__init__()
        self.peak_bytes: int = 0
        self._live_bytes: int = 0
        self._known = known
        self._living: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        answer = func(*args, **(kwargs or {}))
        for tensor in _plain(t for t in tree_leaves(answer) if isinstance(t, torch.Tensor)):
            if tensor.device.type == "cuda":
                self._note(tensor)
        return answer

    def _note(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known or (key in self._living and self._living[key]() is not None):
            return
        size_bytes = -(-storage.nbytes() // ALIGNMENT_BYTES) * ALIGNMENT_BYTES

        def forget(_: Any) -> None:
            self._live_bytes -= size_bytes
            self._living.pop(key, None)

        self._living[key] = weakref.ref(storage, forget)
        tensor._kept_storage = storage  # type: ignore[attr-defined]  # or the reference would die before the tensor
        self._live_bytes += size_bytes
        self.peak_bytes = max(self.peak_bytes, self._live_bytes)
