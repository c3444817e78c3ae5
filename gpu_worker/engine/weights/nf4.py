"""Weights in four bits by bitsandbytes' NF4, as a tensor that takes part in all that the engine does with tensors.

bitsandbytes' own layers hide their scales in an attribute, where neither the byte ledger nor a move to the device sees
them. Here they are parts of a wrapper tensor, like those of torchao, and only the arithmetic is bitsandbytes'.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import bitsandbytes
import torch
from torchao.utils import TorchAOBaseTensor

_BLOCK = 64
"""Weights that share one scale."""


class Nf4Tensor(TorchAOBaseTensor):  # type: ignore[misc]  # torchao has no types
    """A matrix of ``whole_shape`` to whoever asks, in 4.5 bits a weight: ``packed`` pairs and their ``absmax``."""

    tensor_data_names = ["packed", "absmax"]
    tensor_attribute_names = ["whole_shape", "whole_dtype"]

    def __new__(
        cls, packed: torch.Tensor, absmax: torch.Tensor, whole_shape: tuple[int, ...], whole_dtype: torch.dtype
    ) -> Nf4Tensor:
        made: Nf4Tensor = torch.Tensor._make_wrapper_subclass(
            cls, whole_shape, dtype=whole_dtype, device=packed.device, requires_grad=False
        )
        return made

    def __init__(
        self, packed: torch.Tensor, absmax: torch.Tensor, whole_shape: tuple[int, ...], whole_dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.packed, self.absmax = packed, absmax
        self.whole_shape, self.whole_dtype = whole_shape, whole_dtype

    @classmethod
    def of(cls, weight: torch.Tensor) -> Nf4Tensor:
        """``weight`` (two dimensions, floats) rounded to the sixteen values of NF4, on its own device."""
        packed, state = bitsandbytes.functional.quantize_4bit(
            weight.detach().contiguous(), blocksize=_BLOCK, quant_type="nf4"
        )
        return cls(packed, state.absmax, tuple(weight.shape), weight.dtype)

    def dequantize(self) -> torch.Tensor:
        """The matrix, in the dtype that the tensor shows.

        It is asked for as one row: blocks go on over the ends of rows, and where a processor has AVX-512, bitsandbytes
        0.50 begins a new one with each row.
        """
        row = [1, math.prod(self.whole_shape)]
        whole: torch.Tensor = torch.ops.bitsandbytes.dequantize_4bit(
            self.packed, self.absmax, _BLOCK, "nf4", row, self.whole_dtype
        )
        return whole.reshape(self.whole_shape)


@Nf4Tensor.implements_torch_function(torch.nn.functional.linear)  # type: ignore[untyped-decorator]
def _linear(func: Any, types: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> torch.Tensor:
    entered, weight, bias = (*args, kwargs.get("bias"))[:3]
    answer: torch.Tensor = torch.nn.functional.linear(entered, weight.dequantize(), bias)
    return answer


def take_apart(tensor: Nf4Tensor) -> tuple[dict[str, torch.Tensor], str]:
    """The plain tensors of ``tensor`` by name, and the rest of it as text: what ``put_together`` makes it of again."""
    facts = {"shape": list(tensor.whole_shape), "dtype": str(tensor.whole_dtype).removeprefix("torch.")}
    return {"packed": tensor.packed, "absmax": tensor.absmax}, json.dumps({"nf4": facts})


def put_together(parts: Mapping[str, torch.Tensor], text: str) -> Nf4Tensor:
    """The tensor of which ``take_apart`` gave ``parts`` and ``text``.

    Raises:
        KeyError: they are not of an NF4 tensor.
    """
    facts = json.loads(text)["nf4"]
    return Nf4Tensor(parts["packed"], parts["absmax"], tuple(facts["shape"]), getattr(torch, facts["dtype"]))
