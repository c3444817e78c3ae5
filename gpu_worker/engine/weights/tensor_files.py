"""Tensors of safetensors files, read straight into memory of their own.

The libraries map a file and let the first touch of every page fetch it: a fault for each four kilobytes, and
a second copy to be rid of the file. One ``pread`` into memory on large pages costs neither.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

# PyTorch reads it at its first allocation. Fresh memory is then handed out in pages of two megabytes where the system
# allows that on request; filling small ones takes longer than reading the file.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that is still in its file. Valid as long as ``stored_tensors`` holds the file open."""

    descriptor: int
    offset: int
    """Bytes from the beginning of the file."""
    shape: Sequence[int]
    dtype: torch.dtype

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self, dtype: torch.dtype | None = None) -> torch.Tensor:
        """The tensor in memory of its own; in ``dtype`` if it holds fractions and one is given.

        Raises:
            OSError: the file cannot be read, or ends too early.
        """
        tensor = torch.empty(self.size_bytes, dtype=torch.uint8)
        rest, offset = tensor.numpy().data, self.offset
        while rest:
            count = os.preadv(self.descriptor, [rest], offset)
            if count == 0:
                raise OSError("the file ends in the middle of a tensor")
            rest, offset = rest[count:], offset + count
        shaped = tensor.view(self.dtype).reshape(tuple(self.shape))
        return shaped.to(dtype) if dtype is not None and self.dtype.is_floating_point else shaped

    def __getitem__(self, whole: EllipsisType) -> torch.Tensor:
        """The tensor as it is stored: transformers asks its own lazy tensors so, one after the other."""
        return self.read()


@contextmanager
def stored_tensors(files: Iterable[Path]) -> Iterator[dict[str, StoredTensor]]:
    """What ``files`` hold by name, with the files open for the time of the block.

    Raises:
        OSError: one of them cannot be opened.
        SafetensorError: one of them is no whole safetensors file.
    """
    with ExitStack() as opened:
        found: dict[str, StoredTensor] = {}
        for file in files:
            content = opened.enter_context(file.open("rb", buffering=0))
            found.update(_listed(file, content.fileno()))
        yield found


def _listed(file: Path, descriptor: int) -> dict[str, StoredTensor]:
    """The library checks the header: tensors follow each other without a gap, up to the end of the file."""
    with safe_open(file, "pt", backend="pread") as header:
        names = header.offset_keys()
        slices = [header.get_slice(name) for name in names]
    facts = [(one.get_shape(), one.get_dtype()) for one in slices]
    unknown = sorted({dtype for _, dtype in facts} - _DTYPES.keys())
    if unknown:
        raise SafetensorError(f"tensors of type {', '.join(unknown)} cannot be read")
    sizes = [math.prod(shape) * _DTYPES[dtype].itemsize for shape, dtype in facts]
    offset = os.fstat(descriptor).st_size - sum(sizes)
    found = {}
    for name, (shape, dtype), size_bytes in zip(names, facts, sizes, strict=True):
        found[name] = StoredTensor(descriptor, offset, tuple(shape), _DTYPES[dtype])
        offset += size_bytes
    return found


def write_tensors(
    file: Path, tensors: Callable[[], Iterable[tuple[str, torch.Tensor]]], metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file of ``tensors``, which is asked twice: for their shapes, then for each in turn, so that
    no more than one of them has to be there at once. ``metadata`` is read after the first time.

    Raises:
        OSError: it could not be written.
    """
    names = {dtype: name for name, dtype in _DTYPES.items()}
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in tensors():
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps({"__metadata__": dict(metadata), **header}).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as opened:
        opened.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in tensors():
            opened.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)


def weight_files(folder: Path, stem: str) -> list[Path]:
    """The files of one set of weights, whole or in shards, as the libraries name them: ``folder`` may hold others too.

    Raises:
        OSError, ValueError: the index of the shards cannot be read.
    """
    index = folder / f"{stem}.safetensors.index.json"
    if not index.is_file():
        return [folder / f"{stem}.safetensors"]
    shards = json.loads(index.read_text())["weight_map"].values()
    return [folder / Path(name).name for name in sorted(set(shards))]
