"""The processes of the cards that work together, as ``torch.distributed`` connects them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

PATIENCE = timedelta(seconds=300)
"""How long one waits for another: at the start, where each has PyTorch to import, and within a step."""


@dataclass(frozen=True, slots=True)
class CardGroup:
    """This process among those of ``size`` cards: number ``rank``, counted from 0, which is the worker itself."""

    rank: int
    size: int
    mesh: DeviceMesh
    """All cards in one row, as diffusers wants them: ``ring`` of one by ``ulysses`` of ``size``."""
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def own_part(self, tensor: torch.Tensor, *, dim: int = 0) -> torch.Tensor:
        """Return this card's part of ``tensor``, cut in ``size`` parts along ``dim``."""
        return tensor.tensor_split(self.size, dim)[self.rank]

    def gathered(self, part: torch.Tensor, *, dim: int, is_even: bool = True) -> torch.Tensor:
        """Return the cards' parts behind each other along ``dim``, as ``own_part`` cut them. Uneven ones are padded on
        the way: gloo gathers tensors of one shape alone, where NCCL would take them as they are."""
        lengths = [part.shape[dim]] * self.size if is_even else self._lengths(part.shape[dim])
        missing = max(lengths) - part.shape[dim]
        if missing:
            padding = part.new_zeros([*part.shape[:dim], missing, *part.shape[dim + 1 :]])
            part = torch.cat([part, padding], dim)
        parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(self.size)]
        torch.distributed.all_gather(parts, part.contiguous())
        return torch.cat([one.narrow(dim, 0, length) for one, length in zip(parts, lengths, strict=True)], dim)

    def _lengths(self, own: int) -> list[int]:
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        torch.distributed.all_gather(lengths, torch.tensor([own]))
        return [int(length) for length in lengths]

    def told(self, word: int) -> int:
        """Return the number that the first card says; what the others give is not heard."""
        said = torch.tensor([word])
        torch.distributed.broadcast(said, 0)
        return int(said)


def connect(folder: Path, *, rank: int, size: int, device: torch.device) -> CardGroup:
    """Connect this process with the others of ``folder``, and wait until all are there.

    They meet by a file and talk on this host alone: figures of a few bytes by gloo, tensors of a card by what its kind
    has for that (NCCL).

    Raises:
        RuntimeError: they did not come, or cannot reach each other.
    """
    for library in ("GLOO", "NCCL"):
        os.environ.setdefault(f"{library}_SOCKET_IFNAME", "lo")
    of_card = torch.distributed.get_default_backend_for_device(device)
    backend = "gloo" if device.type == "cpu" else f"cpu:gloo,{device.type}:{of_card}"
    meeting = f"file://{(folder / 'cards').absolute()}"
    torch.distributed.init_process_group(backend, meeting, PATIENCE, size, rank)
    mesh = init_device_mesh(device.type, (1, size), mesh_dim_names=("ring", "ulysses"))
    return CardGroup(rank, size, mesh, device)
