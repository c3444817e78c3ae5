"""What makes a model smaller or quicker changes, in one number.

Of quantisation: the transformer's answer to what a render first asked it, once as it rendered and once by its whole
weights. Of a step cache, which changes later steps alone: what the render had come to before its last step, once with
it and once without.

The question is the render's own, so it is a real one for every family; a test render has a fixed prompt, seed and size,
so it is always the same one.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch

from gpu_worker.contract import ModelSpec
from gpu_worker.engine.errors import DoesNotFit, EngineError
from gpu_worker.engine.memory.block_swap import BlockSwap
from gpu_worker.engine.memory.memory_needs import Room
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import Lease
from gpu_worker.engine.weights.components import Component

log = logging.getLogger(__name__)


class _Call(NamedTuple):
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    answer: torch.Tensor


class FirstCalls:
    """The first call of each transformer in a render, in main memory."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    @contextmanager
    def recording(self, modules: Mapping[str, torch.nn.Module]) -> Iterator[None]:
        """Note the first call of each transformer among ``modules`` for the time of the block."""
        handles = []
        for name, module in modules.items():
            if name.startswith("transformer"):
                handles.append(module.register_forward_pre_hook(self._call_hook(name), with_kwargs=True))
                handles.append(module.register_forward_hook(self._answer_hook(name), with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def similarity(self, spec: ModelSpec, room: Room) -> float | None:
        """The least cosine among the transformers of ``spec`` that are not whole; None when nothing could be measured.

        Not being able to measure is no failure: the clip is made. What ends a render at a safe point does so here too.
        """
        try:
            quantised = room.library.look_at(spec).components
            whole = room.library.look_at(_whole(spec)).components
            pairs = [(n, whole[n]) for n in self._calls if n in whole and whole[n].key != quantised[n].key]
            found = [self._cosine(self._calls[name], component, room.residency) for name, component in pairs]
        except EngineError as problem:
            log.warning("What quantisation changes of %s is not measured: %s", spec.slug, problem)
            return None
        return min(found, default=None)

    def _call_hook(self, name: str) -> Any:
        def hook(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if name not in self._calls:
                self._calls[name] = _Call(_moved(args, "cpu"), _moved(kwargs, "cpu"), torch.empty(0))

        return hook

    def _answer_hook(self, name: str) -> Any:
        def hook(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if not self._calls[name].answer.numel():
                self._calls[name] = self._calls[name]._replace(answer=_flat(output))

        return hook

    def _cosine(self, call: _Call, component: Component, residency: Residency) -> float:
        device = residency.device.torch_device
        lease = Lease({component.name: component})
        with ExitStack() as held:
            held.callback(residency.release, lease)
            try:
                residency.acquire(lease)
            except DoesNotFit:
                residency.release(lease)
                residency.acquire_copies(lease, 0)
                held.enter_context(BlockSwap(residency, lease))
            with torch.no_grad():
                output = lease.modules[component.name](*_moved(call.args, device), **_moved(call.kwargs, device))
        return float(torch.nn.functional.cosine_similarity(call.answer, _flat(output), dim=0))


class LastLatents:
    """What the transformers of a render were given last: all steps before it show there."""

    def __init__(self) -> None:
        self._given: torch.Tensor | None = None

    @contextmanager
    def recording(self, modules: Mapping[str, torch.nn.Module]) -> Iterator[None]:
        """Note what each call of a transformer among ``modules`` is given, for the time of the block."""

        def note(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._given = kwargs.get("hidden_states", args[0] if args else None)

        transformers = [module for name, module in modules.items() if name.startswith("transformer")]
        handles = [module.register_forward_pre_hook(note, with_kwargs=True) for module in transformers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._given = None if self._given is None else _flat(self._given)

    def similarity(self, others: LastLatents) -> float | None:
        """The cosine to what another render of the same job came to; None when one of them came to nothing."""
        if self._given is None or others._given is None:
            return None
        return float(torch.nn.functional.cosine_similarity(self._given, others._given, dim=0))


def _whole(spec: ModelSpec) -> ModelSpec:
    """``spec`` with the weights as they were published."""
    components = {
        name: dataclasses.replace(source, quantisation="")
        for name, source in spec.components.items()
        if not source.file
    }
    return dataclasses.replace(spec, quantisation="none", components=components)


def _moved(value: Any, device: torch.device | str) -> Any:
    """A copy of ``value``, as deep as lists, tuples and mappings go, with its tensors on ``device``."""
    if isinstance(value, torch.Tensor):
        return value.detach().to(device, copy=True)
    if isinstance(value, (tuple, list)):
        return type(value)(_moved(item, device) for item in value)
    if isinstance(value, dict):
        return {key: _moved(item, device) for key, item in value.items()}
    return value


def _flat(output: Any) -> torch.Tensor:
    """All numbers that a transformer answered, one after the other, in 64 bits."""
    if isinstance(output, torch.Tensor):
        return output.detach().to("cpu", torch.float64).flatten()
    parts = output if isinstance(output, (tuple, list)) else output.values()
    return torch.cat([_flat(part) for part in parts if part is not None])
