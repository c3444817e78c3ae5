"""Checks of what a card computes, against the processor: quantised layers, attention, and block swap."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend, dispatch_attention_fn

from gpu_worker.bench.subjects import SUBJECTS
from gpu_worker.bench.weights import make
from gpu_worker.check.report import Check, Skipped
from gpu_worker.engine.errors import UnsupportedHere
from gpu_worker.engine.memory.block_swap import BlockSwap
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import Lease
from gpu_worker.engine.video import eight_bit_products
from gpu_worker.engine.weights.checkpoint import Part
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.module_weights import Weights
from gpu_worker.engine.weights.quantisation import QuantisedStore, check_quantisation, quantise

LEAST_COSINES = {"none": 0.9999, "int8": 0.999, "fp8": 0.998, "nf4": 0.98}
"""Of a layer's answer on the card with that of the whole layer on the processor."""
NATIVE = "native"
_ELSEWHERE = ("hub", "npu", "xla", "flex")
"""In names of backends that are downloaded, for other hardware, or compile for minutes."""


def arithmetic_checks(device: Device, folder: Path) -> Iterator[Check]:
    for name in LEAST_COSINES:
        yield Check(
            f"layer, {name}",
            partial(_layer, device, name),
            "Rows with this quantisation would be wrong here: use another, and update PyTorch, torchao or the driver.",
        )
    for name in ("int8", "fp8"):
        yield Check(
            f"products, {name}",
            partial(_layer, device, name, has_products=True),
            "Leave eight_bit_products out of rows with this quantisation that run here.",
        )
    for backend in AttentionBackendName:
        if not any(word in backend.value for word in _ELSEWHERE):
            yield Check(
                f"attention, {backend.value}",
                partial(_attention, device, backend.value),
                "Leave this attention_backend out of rows that run here, or reinstall its package.",
            )
    yield Check(
        "block swap",
        partial(_block_swap, device, folder),
        "Models that are larger than the card would be wrong here: attach the file to a report of the fault.",
    )


def _layer(device: Device, quantisation: str, *, has_products: bool = False) -> str:
    try:
        check_quantisation(quantisation, device.torch_device)
        if has_products:
            eight_bit_products.try_on(device.torch_device, quantisation)
    except UnsupportedHere as reason:
        raise Skipped(str(reason)) from None
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(256, 256, dtype=torch.bfloat16).requires_grad_(False)
    layer.weight.copy_(torch.randn(256, 256, generator=generator) / 16)
    given = torch.randn(64, 256, generator=generator, dtype=torch.bfloat16)
    expected = layer(given).float()
    module = torch.nn.Sequential(copy.deepcopy(layer))
    if quantisation != "none":
        part = Part("transformer", Path(), "diffusers", "Linear")
        component = Component(f"check:{quantisation}", part, "bfloat16", quantisation)
        quantise(module, component, device.torch_device)  # where a worker does it
    weights = Weights(module)
    weights.put([device.bring(tensor.data, is_original_kept=True) for tensor in weights.tensors])
    with torch.no_grad(), ExitStack() as undo:
        if has_products:
            eight_bit_products.switch_on(module, undo)
        made = module(given.to(device.torch_device)).float().cpu()
    cosine = torch.nn.functional.cosine_similarity(made.flatten(), expected.flatten(), dim=0).item()
    if not cosine >= LEAST_COSINES[quantisation]:  # also where it is no number
        raise RuntimeError(f"its answer has a cosine of {cosine:.5f} with the processor's")
    return f"cosine {cosine:.5f} with the processor's"


def _attention(device: Device, backend: str) -> str:
    """A backend that refuses is no fault of the card; one that answers has to answer rightly."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 1, 64, 4, 64, generator=generator, dtype=torch.bfloat16)
    mask = torch.zeros(1, 4, 64, 64, dtype=torch.bfloat16)
    mask[..., 40:] = torch.finfo(torch.bfloat16).min
    expected = dispatch_attention_fn(query, key, value, attn_mask=mask).float()
    placed = [tensor.to(device.torch_device) for tensor in (query, key, value)]
    try:
        with attention_backend(backend):
            made = dispatch_attention_fn(*placed, attn_mask=mask.to(device.torch_device)).float().cpu()
    except Exception as refusal:
        if backend == NATIVE or fault_of(refusal) in (DeviceFault.OUT_OF_MEMORY, DeviceFault.LOST):
            raise
        raise Skipped(f"it refuses: {str(refusal).strip().partition(chr(10))[0]}") from None
    difference = (made - expected).abs().max().item()
    if not difference < 0.05:
        raise RuntimeError(f"its answer is {difference:.3f} off the processor's")
    return f"at most {difference:.4f} off the processor's"


def _block_swap(device: Device, folder: Path) -> str:
    subject, size = SUBJECTS["ltx-2b"], "small"
    part = Part("transformer", folder / "transformer", "diffusers", subject.transformer)
    make(part, subject.scales[size].transformer)
    torch.manual_seed(0)
    inputs = subject.inputs(subject.latents(size), subject.scales[size].text_width)
    component = Component("check:block swap", part, "bfloat16")
    answers = []
    for is_swapped in (False, True):
        residency = Residency(device, Loader(QuantisedStore(folder / "quantised")).load)
        lease = Lease({component.name: component})
        with ExitStack() as undo, torch.no_grad():
            undo.callback(residency.release, lease)
            if is_swapped:
                residency.acquire_copies(lease, 0)
                undo.enter_context(BlockSwap(residency, lease))
            else:
                residency.acquire(lease)
            for _ in range(2):  # the second one finds what the first one left in the slots
                answer = lease.modules["transformer"](
                    **{name: _placed(value, device) for name, value in inputs.items()}
                )
                answers.append(answer[0].float().cpu())
    if not answers[0].isfinite().all():
        raise RuntimeError("the resident model's answer has values that are no numbers")
    if not all(torch.equal(answers[0], answer) for answer in answers):
        raise RuntimeError("blocks that come and go do not answer as resident ones do")
    return "the same as resident, bit for bit"


def _placed(value: object, device: Device) -> object:
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(device.torch_device, torch.bfloat16 if value.dim() > 1 else None)
