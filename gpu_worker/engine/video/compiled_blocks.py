"""Compiled transformer blocks: all blocks of a kind share what PyTorch compiles once for a shape.

The kernels outlive the process in ``TORCHINDUCTOR_CACHE_DIR``, under keys that PyTorch makes of the code, its build,
its settings and the card, so that none is ever taken for another's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import torch

log = logging.getLogger(__name__)

_COMPILER_LOG = logging.getLogger("torch._dynamo")


def switch_on(transformer: Any, arguments: Mapping[str, Any], device: torch.device, undo: ExitStack) -> None:
    """Have the blocks of ``transformer`` compiled at their next call, with arguments of ``torch.compile``.

    Raises:
        RuntimeError: no compiler works here, with PyTorch's reason.
    """
    try_on(device, arguments.get("backend", "inductor"), arguments.get("mode"))
    undo.callback(_run_uncompiled, transformer)
    undo.enter_context(_limit_logged(type(transformer).__name__))
    transformer.compile_repeated_blocks(**arguments)


@cache
def try_on(device: torch.device, backend: str, mode: str | None) -> None:
    """Compile a line for ``device`` and run it: that a compiler is missing shows at the first call only.

    Raises:
        RuntimeError: it does not work, with the first line of PyTorch's reason.
    """

    def line(numbers: torch.Tensor) -> torch.Tensor:
        return numbers.sin() * 2 + 1

    compiled: Any = torch.compile(line, backend=backend, mode=mode)
    try:
        made = compiled(torch.zeros(64, device=device)).cpu()
    except torch._dynamo.exc.TorchDynamoException as problem:
        reason = next(filter(None, map(str.strip, str(problem).splitlines())), type(problem).__name__)
        raise RuntimeError(f"nothing can be compiled on {device.type}: {reason}") from problem
    if not torch.equal(made, torch.ones(64)):
        raise RuntimeError(f"what is compiled on {device.type} computes wrongly")


@contextmanager
def _limit_logged(name: str) -> Iterator[None]:
    """For the time of the block, our log hears when PyTorch gives up compiling: what is left then runs as slowly as
    without, and only PyTorch's own log would say so."""
    listener = _LimitListener(name)
    _COMPILER_LOG.addHandler(listener)
    try:
        yield
    finally:
        _COMPILER_LOG.removeHandler(listener)


class _LimitListener(logging.Handler):
    def __init__(self, transformer: str) -> None:
        super().__init__(logging.WARNING)
        self._transformer = transformer

    def emit(self, record: logging.LogRecord) -> None:
        if "recompile_limit" in record.getMessage():
            log.warning(
                "Blocks of %s run uncompiled from here on: they were compiled anew for too many sizes. Offer fewer in "
                "this row, or set `compile_repeated_blocks: {dynamic: true}`. PyTorch says: %s",
                self._transformer,
                " ".join(record.getMessage().split()),
            )


def _run_uncompiled(module: torch.nn.Module) -> None:
    """PyTorch keeps what it has compiled for the next time; the module itself runs as it is written."""
    for part in module.modules():
        part._compiled_call_impl = None
