"""What is on the device now."""

from __future__ import annotations

from typing import NamedTuple

from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.memory.read_ahead import ReadAhead
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.worker_status import CardStatus, ResidentComponent


class EngineStatus(NamedTuple):
    """What is on the device."""

    budget_bytes: int
    used_bytes: int
    residents: tuple[ResidentComponent, ...]
    counters: dict[str, float]
    cards: tuple[CardStatus, ...] = ()
    """Where there are several: see ``gpu_worker.engine.cards``."""


def status_of(device: Device, residency: Residency, read_ahead: ReadAhead) -> EngineStatus:
    """What is on ``device``, from figures that are kept anyway."""
    residents = tuple(
        ResidentComponent(
            key=key,
            name=entry.component.name,
            size_bytes=entry.record.size_bytes,
            tier=entry.tier,
            last_used=entry.record.last_used_at,
            leases=residency.leases(key),
        )
        for key, entry in list(residency.entries.items())
    )
    return EngineStatus(
        budget_bytes=device.budget_bytes,
        used_bytes=residency.used_bytes,
        residents=residents,
        counters={
            **{name: float(count) for name, count in residency.counters.items()},
            "staged_bytes": float(read_ahead.stager.staged_bytes),
        },
    )
