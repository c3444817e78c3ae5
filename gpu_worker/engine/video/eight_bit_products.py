"""Products in eight bits: what runs through a layer is made as narrow as its weights, and both are multiplied so.

Weights in eight bits alone save memory and no time, since each matrix is widened before it is multiplied. Here every
token is scaled to the range of its own numbers, and matrix units do the rest at twice the speed of sixteen bits: int8
on any card since Turing, fp8 since Ada. The weights are those of other rows; the setting is on for one render.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache

import torch
from torchao.quantization import Float8Tensor, Int8Tensor

from gpu_worker.engine.errors import UnsupportedHere
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.weights.quantisation import quantise_weight
from gpu_worker.engine.weights.storages import map_plain

LEAST_TOKENS = 32
"""With fewer there is nothing to gain, and cuBLAS refuses."""
TOKENS_AT_ONCE = 2048
"""Products come as 32 bits a number, and are narrowed before the next tokens are multiplied."""
_LEAST_SCALE = 1e-8


def switch_on(module: torch.nn.Module, undo: ExitStack) -> None:
    """Have the layers of ``module`` multiply in eight bits where their weights are; ``undo`` takes it back."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.Linear):
            vars(layer)["forward"] = types.MethodType(_forward, layer)
            undo.callback(vars(layer).pop, "forward", None)


@cache
def try_on(device: torch.device, quantisation: str) -> None:
    """Multiply once on ``device`` by a matrix of this quantisation.

    Raises:
        UnsupportedHere: it cannot, with PyTorch's reason.
    """
    weight = map_plain(quantise_weight(torch.eye(64, dtype=torch.bfloat16), quantisation), lambda t: t.to(device))
    tokens = torch.ones(LEAST_TOKENS, 64, dtype=torch.bfloat16, device=device)
    try:
        made = _PRODUCTS[type(weight)](tokens, weight).float().cpu()
    except RuntimeError as problem:
        if fault_of(problem) in (DeviceFault.OUT_OF_MEMORY, DeviceFault.LOST):
            raise
        reason = next(iter(str(problem).strip().splitlines()), type(problem).__name__)
        raise UnsupportedHere(f"eight_bit_products: this device cannot multiply in {quantisation}: {reason}") from None
    if not torch.allclose(made, torch.ones_like(made), atol=0.1):
        raise UnsupportedHere(f"eight_bit_products: this device multiplies wrongly in {quantisation}")


def _forward(layer: torch.nn.Linear, given: torch.Tensor) -> torch.Tensor:
    weight, tokens = layer.weight, given.reshape(-1, given.shape[-1])
    product = _PRODUCTS.get(type(weight))
    if product is None or len(tokens) < LEAST_TOKENS:
        return torch.nn.functional.linear(given, weight, layer.bias)
    made = given.new_empty(len(tokens), layer.out_features)
    parts = -(-len(tokens) // TOKENS_AT_ONCE)
    for part, into in zip(tokens.chunk(parts), made.chunk(parts), strict=True):
        into.copy_(product(part, weight))
    if layer.bias is not None:
        made += layer.bias
    return made.reshape(*given.shape[:-1], layer.out_features)


def _int8_product(tokens: torch.Tensor, weight: Int8Tensor) -> torch.Tensor:
    scale = _scale(tokens, 127)
    narrow = (tokens / scale).round().to(torch.int8)
    product: torch.Tensor = torch._int_mm(narrow, weight.qdata.t()) * scale * weight.scale.reshape(1, -1)
    return product


def _fp8_product(tokens: torch.Tensor, weight: Float8Tensor) -> torch.Tensor:
    scale = _scale(tokens, torch.finfo(weight.qdata.dtype).max)
    narrow = (tokens / scale).to(weight.qdata.dtype)
    scale_of_rows = weight.scale.reshape(1, -1).float()
    return torch._scaled_mm(narrow, weight.qdata.t(), scale_a=scale, scale_b=scale_of_rows, out_dtype=torch.bfloat16)


def _scale(tokens: torch.Tensor, most: float) -> torch.Tensor:
    """Of each token: what its largest number is divided by to become ``most``."""
    return tokens.abs().amax(-1, keepdim=True).float().clamp_min(_LEAST_SCALE) / most


_PRODUCTS: Mapping[type, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    Int8Tensor: _int8_product,
    Float8Tensor: _fp8_product,
}
