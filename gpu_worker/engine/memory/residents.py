"""What the residency knows of each component, and what a lease is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from gpu_worker.engine.memory.measurements import read_json, write_json
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.module_weights import Weights

DEVICE, PINNED, RAM = "device", "pinned", "ram"


@dataclass(slots=True)
class Record:
    """What is remembered of a component, on the device or not."""

    size_bytes: int = 0
    disk_seconds: float = 0.0
    """Last time that it took to read it from disk."""
    copy_seconds: float = 0.0
    """Last time that it took to bring its copy onto the device."""
    uses: int = 0
    last_used: int = 0
    last_used_at: float = 0.0
    age_floor: float = 0.0


class RecordFile:
    """Sizes and loading times of components, kept for the next process on this host."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: dict[str, list[float]] = {}

    def read(self) -> dict[str, Record]:
        """What was kept; nothing where the file is missing or not whole."""
        records = {}
        for key, values in read_json(self._path).items():
            if isinstance(values, list) and len(values) == 3:
                self._written[key] = values
                records[key] = Record(int(values[0]), float(values[1]), float(values[2]))
        return records

    def write(self, records: Mapping[str, Record]) -> None:
        """Keep what is new: a component's first figures."""
        fresh = {
            key: [record.size_bytes, record.disk_seconds, record.copy_seconds]
            for key, record in records.items()
            if key not in self._written and record.size_bytes
        }
        if fresh:
            self._written.update(fresh)
            write_json(self._path, self._written)


@dataclass(slots=True, eq=False)
class Entry:
    """A component whose weights are on the device, in main memory, or both."""

    component: Component
    module: torch.nn.Module
    weights: Weights
    record: Record
    copies: list[torch.Tensor] | None = None
    """Its weights in main memory, when there was room to keep them."""
    tier: str = RAM

    @property
    def reload_seconds(self) -> float:
        """What bringing it back would cost if it were evicted now."""
        return self.record.disk_seconds * (self.copies is None) + self.record.copy_seconds


@dataclass(slots=True, eq=False)
class Lease:
    """Components that are held on the device until ``Residency.release``."""

    components: Mapping[str, Component]
    modules: dict[str, torch.nn.Module] = field(default_factory=dict)
