"""The device's memory in one render: its placement, its leases, and what it gives up when memory runs out."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from gpu_worker.contract import RenderJob, Stage
from gpu_worker.engine.errors import DoesNotFit
from gpu_worker.engine.events import log_event
from gpu_worker.engine.memory.headroom import PeakMeter
from gpu_worker.engine.memory.memory_needs import Room, needs_of, workload_of
from gpu_worker.engine.memory.oom_fallbacks import Fallback, Result, run_with_fallbacks
from gpu_worker.engine.memory.open_models import OpenModel
from gpu_worker.engine.memory.placement import place
from gpu_worker.engine.memory.residents import Lease
from gpu_worker.engine.video.stages import StageClock
from gpu_worker.engine.weights.components import Component
from gpu_worker.families.activations import Workload
from gpu_worker.families.memory import ALL_BYTES, PLACEMENTS, Placement

log = logging.getLogger(__name__)


class RenderMemory:
    """Leases stage by stage, by a placement that becomes more frugal when memory runs out."""

    def __init__(self, job: RenderJob, model: OpenModel, room: Room, stages: StageClock) -> None:
        self._job, self._model, self._room, self._stages = job, model, room, stages
        self._residency = room.residency
        self.placement = Placement()
        self.denoisers = Lease(model.denoisers)
        self.decoders = Lease(model.decoders)
        self.peaks = PeakMeter(room.residency, room.headroom)
        self._failures: list[tuple[Workload, int]] = []
        self._fallbacks = {
            stage: self._fallbacks_of(stage) for stage in (Stage.ENCODING_PROMPT, Stage.DENOISING, Stage.DECODING)
        }

    # --- placement ---

    def place(self) -> None:
        """Choose the placement; where all fits together, load it now.

        Raises:
            DoesNotFit: there is no placement for which there is room.
        """
        needs = needs_of(self._job, self._model, self._room)
        device = self._residency.device
        # Others may use the card too: what the driver has left is the budget then, here as in making room.
        budget_bytes = min(device.budget_bytes, self._residency.attainable_bytes())
        self.placement = place(
            needs, budget_bytes=budget_bytes, host_bytes=device.host_bytes, wanted=self._model.spec.placement
        )
        log_event(
            log,
            "placement chosen",
            **dataclasses.asdict(self.placement),
            needed_bytes=needs.peak_bytes(self.placement),
            budget_bytes=budget_bytes,
        )
        if needs.together_bytes <= budget_bytes and not self.placement.is_block_swapped:
            self._load_ahead()

    def _load_ahead(self) -> None:
        """Load denoisers and decoders at the beginning, as one stage rather than one before each of the others."""
        wanted = {**self._model.denoisers, **self._model.decoders}
        with suppress(DoesNotFit), self._residency.lease(wanted.values()):
            pass  # where somebody else took the room meanwhile, stage by stage may still do

    def on_card_bytes(self) -> int:
        """Return what the denoisers take of the card at once by block swap."""
        return needs_of(self._job, self._model, self._room).on_card_bytes(self.placement)

    def decode_in_tiles(self) -> None:
        """Have this render decode in tiles from now on."""
        self.placement = dataclasses.replace(self.placement, is_decoding_tiled=True)

    def _swap_all_blocks(self) -> None:
        self.placement = dataclasses.replace(self.placement, swapped_bytes=ALL_BYTES)

    def _may_swap(self) -> bool:
        """Return whether the row and main memory allow block swap."""
        allowed = any(p.is_block_swapped for p in PLACEMENTS[self._model.spec.placement])
        denoisers_bytes = sum(map(self._residency.size_bytes, self._model.denoisers.values()))
        return allowed and denoisers_bytes <= self._residency.device.host_bytes

    # --- leases and room ---

    def acquire(self, lease: Lease, stage: Stage) -> None:
        """Lease components for ``stage``, with room for it beside them; denoisers by the placement's block swap.

        Raises:
            DoesNotFit: there is not enough memory. ``release`` is due in any case.
        """
        is_denoising = lease is self.denoisers
        if not all(self._residency.is_resident(c.key) for c in lease.components.values()):
            self._stages.enter(Stage.LOADING)
        try:
            if not (is_denoising and self.placement.is_block_swapped):
                headroom_bytes = self._headroom_bytes(self.workload(stage), lease.components.values())
                self._residency.acquire(lease, headroom_bytes)
                return
            self._acquire_swapped(lease, stage)
        except DoesNotFit:
            if not (is_denoising and self._may_swap()) or self.placement.swapped_bytes == ALL_BYTES:
                raise
            self._residency.release(lease)
            self._swap_all_blocks()  # the room that it was placed for is gone
            self._acquire_swapped(lease, stage)

    def _acquire_swapped(self, lease: Lease, stage: Stage) -> None:
        on_card_bytes = self.on_card_bytes()
        beside_bytes = self._headroom_bytes(self.workload(stage), taken_bytes=on_card_bytes)
        self._residency.acquire_copies(lease, on_card_bytes + beside_bytes)

    def release(self, lease: Lease) -> None:
        """Give a lease back. Doing it twice changes nothing."""
        self._residency.release(lease)

    def make_room_to_decode(self, workload: Workload) -> bool:
        """Make room to decode, or as much as there is: a figure does not end a render whose steps are all done.

        Returns whether there is as much room as the workload needs.
        """
        try:
            self._residency.make_room(self._headroom_bytes(workload))
        except DoesNotFit:
            self._evict_besides(Stage.DECODING)
            return False
        return True

    def workload(self, stage: Stage, *, is_tiled: bool = False) -> Workload:
        """Return what a figure of one stage of this render is filed under."""
        return workload_of(stage, self._job, self._model, self._room, is_tiled=is_tiled)

    def _headroom_bytes(self, workload: Workload, coming: Iterable[Component] = (), *, taken_bytes: int = 0) -> int:
        """Return what to ask for: all that was measured, or as much of an estimate as can be had beside ``coming``."""
        estimate = self._room.headroom.estimate(workload)
        if estimate.is_measured:
            return estimate.size_bytes
        return max(0, min(estimate.size_bytes, self._residency.attainable_bytes(coming) - taken_bytes))

    # --- when memory runs out ---

    def run_with_fallbacks(self, stage: Stage, attempt: Callable[[], Result]) -> Result:
        """Run ``attempt``, and again after each fallback of ``stage`` for as long as memory runs out.

        Raises:
            OutOfMemory: there is no fallback left. Every other error passes unchanged.
        """

        def on_failure(fallback: Fallback | None) -> None:
            self.peaks.abandon()
            self._residency.counters["out_of_memory"] += 1
            is_tiled = stage is Stage.DECODING and self.placement.is_decoding_tiled
            self._failures.append((self.workload(stage, is_tiled=is_tiled), self._residency.free_bytes()))
            if fallback:
                self._stages.say(f"Memory ran out: {fallback.name}")

        return run_with_fallbacks(attempt, self._fallbacks[stage], device=self._residency.device, on_failure=on_failure)

    def note_failure(self, stage: Stage) -> None:
        """Remember that memory ran out in ``stage``, where there is no trying again."""
        self._failures.append((self.workload(stage), self._residency.free_bytes()))

    def learn_from_failures(self) -> None:
        """Raise the estimates of the workloads for which memory ran out."""
        for workload, had_bytes in self._failures:
            self._room.headroom.raise_after_failure(workload, had_bytes)

    def _fallbacks_of(self, stage: Stage) -> list[Fallback]:
        fallbacks = [
            Fallback("freeing memory", lambda: None),
            Fallback("evicting what is not needed now", lambda: self._evict_besides(stage)),
        ]
        if stage is Stage.DENOISING and self._may_swap():
            fallbacks.append(Fallback("swapping all blocks of the model", self._swap_all_blocks))
        if stage is Stage.DECODING:
            fallbacks.append(Fallback("decoding in tiles", self.decode_in_tiles))
        return fallbacks

    def _evict_besides(self, stage: Stage) -> None:
        """Evict what ``stage`` does not need. Between attempts its own components are not leased, and stay all the
        same: the next attempt would bring them back at once."""
        model = self._model
        needed = {
            Stage.ENCODING_PROMPT: model.encoders,
            Stage.DENOISING: {**model.denoisers, **model.decoders},
            Stage.DECODING: model.decoders,
        }[stage]
        for key in set(self._residency.entries) - {component.key for component in needed.values()}:
            self._residency.evict(key)
