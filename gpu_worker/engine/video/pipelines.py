"""A diffusers pipeline as a view: assembled for one render over components that belong to the residency."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import diffusers
import torch
from diffusers.configuration_utils import ConfigMixin

from gpu_worker.engine.errors import CheckpointBroken, UnsupportedRequest


def assemble(
    class_name: str, modules: Mapping[str, torch.nn.Module], tools: Mapping[str, Any], settings: Mapping[str, Any]
) -> Any:
    """A ``class_name`` over ``modules`` (with weights) and ``tools`` (without), with the checkpoint's ``settings``.

    Tools that keep state between steps (scheduler, guider) are remade from their configuration, so nothing of one
    render reaches the next.

    Raises:
        UnsupportedRequest: the installed diffusers has no such pipeline.
        CheckpointBroken: the checkpoint lacks a component that the pipeline needs.
    """
    cls = getattr(diffusers, class_name, None)
    if cls is None:
        raise UnsupportedRequest(f"diffusers {diffusers.__version__} has no {class_name}")
    given = {**settings, **modules, **{name: _fresh(tool) for name, tool in tools.items()}}
    arguments = {}
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if name == "self" or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if given.get(name) is not None:
            arguments[name] = given[name]
        elif parameter.default is parameter.empty:
            if name not in cls._optional_components:
                raise CheckpointBroken(f"{class_name} needs a {name!r}, which the checkpoint does not have")
            arguments[name] = None
    pipeline = cls(**arguments)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _fresh(tool: Any) -> Any:
    return type(tool).from_config(tool.config) if isinstance(tool, ConfigMixin) else tool


@contextmanager
def replace_method(owner: Any, method: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """``owner.method`` is ``wrap(owner.method)`` for the time of the block; then all is as it was.

    Pipelines name what they do next by the method they call, and this is how the engine listens.
    """
    setattr(owner, method, wrap(getattr(owner, method)))
    try:
        yield
    finally:
        delattr(owner, method)
