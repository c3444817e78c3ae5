"""What a denoising loop cannot make again, recorded as it runs, and the loop brought back to where it was.

No pipeline is rewritten. A recorder listens to the two things that every loop calls: ``scheduler.step`` and the
transformer's ``forward``. To resume, the same pipeline is called in the same way: up to the recorded step the
transformer answers zeros and the scheduler what it answered then, at next to no cost; everything else (noise, pictures
put in their place, chunks decoded) the pipeline does again by itself.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch

from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of

_PLAIN = (type(None), bool, int, float, str, torch.Tensor)
_UNSAVED = frozenset({"_predicted", "_internal_dict"})
"""Attributes of schedulers and guiders that decide nothing: a preview's picture, and the configuration."""
_MISTAKES = (LookupError, TypeError, ValueError, AttributeError, RuntimeError)


class ReplayFailed(Exception):
    """The pipeline took another way than the one that was recorded; the render has to start anew."""


class Recorder:
    """Records one call of a pipeline; given the ``state`` of an earlier one, it first replays that.

    ``listen``, then call the pipeline within ``running``. ``state`` is what to keep after a step.
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self._saved = state
        self._last_replayed = state["calls"] if state else 0
        self._calls = 0
        self._results: dict[int, Any] = dict(state["results"]) if state else {}
        self._drawn: dict[int, torch.Tensor] = dict(state["drawn"]) if state else {}
        self._outputs: list[list[Any]] = [list(run) for run in state["outputs"]] if state else []
        self._zeros = iter([shapes for count, shapes in self._outputs for _ in range(count)])
        self._listened: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
        self._numbers = 0

    @property
    def calls_to_replay(self) -> int:
        """Steps of the scheduler that are recorded already."""
        return int(self._last_replayed)

    @property
    def is_replaying(self) -> bool:
        """Whether the recorded step is still to come."""
        return self._calls < self._last_replayed

    @property
    def is_in_the_past(self) -> bool:
        """Whether the last step was replayed and not made."""
        return self._calls <= self._last_replayed

    def listen(self, scheduler: Any) -> None:
        """Hear every step of ``scheduler`` and of its copies, before anything else replaces its ``step``.

        By a subclass: LTX-2 copies its scheduler for the sound, SkyReels has one for each latent frame.
        """
        cls, recorder, signature = type(scheduler), self, inspect.signature(type(scheduler).step)

        @functools.wraps(cls.step)
        def step(self: Any, *args: Any, **kwargs: Any) -> Any:
            sample = signature.bind(self, *args, **kwargs).arguments["sample"]
            return recorder._step(self, lambda: cls.step(self, *args, **kwargs), sample)

        @functools.wraps(cls.set_timesteps)
        def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> None:
            if (heard := recorder._listened.get(self)) is not None:
                heard["last"] = 0  # the result of a finished chunk stays recorded
            cls.set_timesteps(self, *args, **kwargs)

        body = {"step": step, "set_timesteps": set_timesteps, "__module__": cls.__module__}
        scheduler.__class__ = type(cls.__name__, (cls,), body)

    @contextmanager
    def running(
        self, pipeline: Any, transformers: Iterable[Any], generator: torch.Generator, device: torch.device
    ) -> Iterator[None]:
        """Around the call of the pipeline. Entered last: what hooks into the transformers does nothing in a replay.

        Raises:
            ReplayFailed: the pipeline did not come to the recorded step by the way that was recorded.
        """
        self._generator, self._device = generator, device
        self._guider = getattr(pipeline, "guider", None)
        try:
            with ExitStack() as undo:
                for transformer in transformers:
                    own = transformer.__dict__.get("forward")  # hooks put one there
                    transformer.forward = self._forward(transformer.forward)
                    undo.callback(_put_back, transformer, own)
                yield
        except _MISTAKES as mistake:
            if self.is_in_the_past and self._saved and fault_of(mistake) is DeviceFault.NONE:
                raise ReplayFailed(f"{type(mistake).__name__}: {mistake}") from mistake
            raise
        if self.is_replaying:
            raise ReplayFailed(f"the pipeline ended after {self._calls} of {self._last_replayed} recorded steps")

    def state(self) -> dict[str, Any]:
        """What to keep after a step, as of now: the tensors are those in use, no copies."""
        schedulers = {
            heard["number"]: {"last": heard["last"], "attributes": _changed(scheduler, heard["before"])}
            for scheduler, heard in self._listened.items()
            if heard["last"]
        }
        guider = vars(self._guider) if self._guider else {}
        return {
            "calls": self._calls,
            "outputs": self._outputs,
            "results": self._results,
            "results_per_step": len(next(iter(self._results.values()))),
            "drawn": self._drawn,
            "schedulers": schedulers,
            "generator": self._generator.get_state(),
            "global_generator": torch.get_rng_state(),
            "device_generator": torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None,
            "guider": {k: v for k, v in guider.items() if k not in _UNSAVED and isinstance(v, _PLAIN)},
            "guider_momentum": getattr(guider.get("momentum_buffer"), "running_average", None),
        }

    # --- steps -----------------------------------------------------------------------------------------------

    def _step(self, scheduler: Any, run: Callable[[], Any], sample: torch.Tensor) -> Any:
        self._calls += 1
        if scheduler not in self._listened:
            self._listened[scheduler] = {"number": self._numbers, "last": 0, "before": dict(vars(scheduler))}
            self._numbers += 1
        heard = self._listened[scheduler]
        if self._calls <= self._last_replayed:
            return self._replayed_step(scheduler, heard, sample)
        before = self._generator.get_state()
        result = run()
        self._results.pop(heard["last"], None)
        self._results[self._calls], heard["last"] = result, self._calls
        if not torch.equal(before, after := self._generator.get_state()):
            self._drawn[self._calls] = after
        return result

    def _replayed_step(self, scheduler: Any, heard: dict[str, Any], sample: torch.Tensor) -> Any:
        assert self._saved is not None
        call = heard["last"] = self._calls
        if call in self._drawn:
            self._generator.set_state(self._drawn[call])
        kept = self._saved["schedulers"].get(heard["number"])
        if kept and kept["last"] == call:
            vars(scheduler).update(_copied(kept["attributes"]))
        if call == self._last_replayed:
            self._restore(self._saved)
        return _copied(self._results[call]) if call in self._results else (sample,) * self._saved["results_per_step"]

    def _restore(self, saved: dict[str, Any]) -> None:
        self._generator.set_state(saved["generator"])
        torch.set_rng_state(saved["global_generator"])
        if saved["device_generator"] is not None:
            torch.cuda.set_rng_state(saved["device_generator"], self._device)
        if self._guider:
            vars(self._guider).update(_copied(saved["guider"]))
            if saved["guider_momentum"] is not None:
                self._guider.momentum_buffer.running_average = _copied(saved["guider_momentum"])

    def _forward(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(forward)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            if self.is_replaying:
                if (shapes := next(self._zeros, None)) is None:
                    raise LookupError("the transformer is called more often than was recorded")
                return tuple(
                    torch.zeros(shape, dtype=getattr(torch, dtype), device=self._device if is_on_device else "cpu")
                    for shape, dtype, is_on_device in shapes
                )
            output = forward(*args, **kwargs)
            self._note([[list(t.shape), str(t.dtype).partition(".")[2], t.device.type != "cpu"] for t in output])
            return output

        return recorded

    def _note(self, shapes: list[Any]) -> None:
        if self._outputs and self._outputs[-1][1] == shapes:
            self._outputs[-1][0] += 1
        else:
            self._outputs.append([1, shapes])


def laid_out(tensor: torch.Tensor, strides: Iterable[int], device: torch.device) -> torch.Tensor:
    """A copy of ``tensor`` with these strides: kernels round differently for another layout, in bfloat16 they do."""
    strides = list(strides)
    if 0 in strides:
        return tensor.to(device, copy=True)
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=device).copy_(tensor)


def _changed(scheduler: Any, before: dict[str, Any]) -> dict[str, Any]:
    """Attributes that differ from those before the first step; lists count as such, since they are changed in place."""
    return {
        name: value
        for name, value in vars(scheduler).items()
        if name not in _UNSAVED and (isinstance(value, list) or value is not before.get(name, _UNSAVED))
    }


def _copied(tree: Any) -> Any:
    """So that a pipeline that changes a tensor in place does not change what is kept."""
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(map(_copied, tree))
    return laid_out(tree, tree.stride(), tree.device) if isinstance(tree, torch.Tensor) else tree


def _put_back(transformer: Any, own: Any) -> None:
    if own is None:
        del transformer.forward
    else:
        transformer.forward = own
