"""What is tried, one thing after the other, when memory runs out in the middle of a render."""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gpu_worker.engine.errors import OutOfMemory
from gpu_worker.engine.events import log_event
from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.sizes import show_bytes

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Fallback:
    """A way to free memory, by a name that whoever waits is shown."""

    name: str
    action: Callable[[], object]


def run_with_fallbacks(
    attempt: Callable[[], Result],
    fallbacks: list[Fallback],
    *,
    device: Device,
    on_failure: Callable[[Fallback | None], None],
) -> Result:
    """Run ``attempt`` until it succeeds, taking the next of ``fallbacks`` each time that memory runs out.

    Each is removed from the list as it is taken, so that it is tried once in a render. ``on_failure`` is called with
    the one that comes next, None when there is none.

    Raises:
        OutOfMemory: there is no fallback left. Every other error passes unchanged.
    """
    while True:
        try:
            return attempt()
        except Exception as error:
            if not device.is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold the tensors that did not fit
        fallback = fallbacks.pop(0) if fallbacks else None
        on_failure(fallback)
        log_event(
            log, "out of memory", fallback=fallback.name if fallback else "none left", budget_bytes=device.budget_bytes
        )
        if fallback is None:
            raise OutOfMemory(
                f"{device.name} with a budget of {show_bytes(device.budget_bytes)} ran out of memory, "
                "also after everything that could make room was tried"
            )
        gc.collect()
        device.release_cached()
        fallback.action()
