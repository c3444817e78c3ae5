"""The weights of a module as things that can be taken out and put in, while the module itself stays where it is.

Moving a module with ``.to`` copies in both directions. Swapping its tensors for others copies nothing: eviction puts
the copy in main memory back, or the meta module when there is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


class Weights:
    """Every place in ``module`` that holds a tensor, tied places together."""

    def __init__(self, module: torch.nn.Module) -> None:
        places: dict[int, list[tuple[torch.nn.Module, str]]] = {}
        tensors: dict[int, torch.Tensor] = {}
        names: dict[int, str] = {}
        for path, owner in module.named_modules():
            for name, tensor in (*owner._parameters.items(), *owner._buffers.items()):
                if tensor is not None:
                    places.setdefault(id(tensor), []).append((owner, name))
                    tensors[id(tensor)] = tensor
                    names.setdefault(id(tensor), f"{path}.{name}")
        self.names = list(names.values())
        """Where each tensor is found first, in the order of ``tensors``."""
        self._places = list(places.values())
        self._tensors = list(tensors.values())

    @property
    def tensors(self) -> list[torch.Tensor]:
        """What is in the places now, in a fixed order."""
        return list(self._tensors)

    def put(self, tensors: Sequence[torch.Tensor]) -> None:
        """Fill the places with ``tensors``, in the order of ``tensors``. Tied places stay tied."""
        for index, tensor in zip(range(len(self._places)), tensors, strict=True):
            self.put_one(index, tensor)

    def put_one(self, index: int, tensor: torch.Tensor) -> None:
        """Fill the places of one of ``tensors``."""
        places = self._places[index]
        owner, name = places[0]
        if name in owner._parameters and not isinstance(tensor, torch.nn.Parameter):
            tensor = torch.nn.Parameter(tensor, requires_grad=False)
        for owner, name in places:
            if isinstance(tensor, torch.nn.Parameter):
                owner._parameters[name] = tensor
            else:
                owner._buffers[name] = tensor
        self._tensors[index] = tensor

    def owners(self, index: int) -> list[torch.nn.Module]:
        """The modules that hold one of ``tensors``; several where it is tied."""
        return [owner for owner, _ in self._places[index]]

    def empty(self) -> None:
        """Leave shapes without content; whoever still holds the module holds no memory with it."""
        self.put([torch.empty(t.shape, dtype=t.dtype, device="meta") for t in self._tensors])
