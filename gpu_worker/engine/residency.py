"""Which components are on the device: leased while a render uses them, evicted when others need the room.

One owner, one thread, one render at a time: no locks. Every lease is given back in ``finally``, and a load that fails
at any point leaves no trace.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from gpu_worker.engine.components import Component
from gpu_worker.engine.devices import Device
from gpu_worker.engine.errors import DoesNotFit
from gpu_worker.engine.planning import Policy, Resident, RoomMissing, lru, plan
from gpu_worker.engine.sizes import show_bytes
from gpu_worker.engine.storages import module_bytes, storage_bytes, tensors_of

Load = Callable[[Component], torch.nn.Module]


@dataclass(slots=True)
class Entry:
    """One resident component."""

    component: Component
    module: torch.nn.Module
    size_bytes: int
    load_seconds: float
    last_used: int = 0
    last_used_at: float = 0.0
    uses: int = 0
    age_floor: float = 0.0


class Residency:
    """The components on one device, within its budget."""

    def __init__(
        self, device: Device, load: Load, *, policy: Policy = lru, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.device = device
        self.counters: Counter[str] = Counter()
        self.upcoming: Sequence[Collection[str]] = ()
        """Keys that the next jobs need, next job first. They are spared as long as anything else can go."""
        self._load = load
        self._policy = policy
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._leases: Counter[str] = Counter()
        self._sizes: dict[str, int] = {}
        self._tick = 0
        self._age_floor = 0.0

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self._entries

    def leases(self, key: str) -> int:
        return self._leases[key]

    @property
    def used_bytes(self) -> int:
        """Bytes of all residents, each storage once."""
        return storage_bytes(t for entry in self._entries.values() for t in tensors_of(entry.module))

    def free_bytes(self) -> int:
        """Bytes that can still be taken: the smaller of the budget's answer and the driver's."""
        own = self.device.budget_bytes - self.used_bytes
        driver = self.device.driver_free_bytes()
        return own if driver is None else min(own, driver)

    def size_bytes(self, component: Component) -> int:
        """Measured size if it was ever loaded here, else declared by the files on disk."""
        measured = self._sizes.get(component.key)
        if measured is not None:
            return measured
        return sum(file.stat().st_size for file in component.part.folder.glob("*.safetensors"))

    @contextmanager
    def lease(self, components: Iterable[Component], headroom_bytes: int = 0) -> Iterator[dict[str, torch.nn.Module]]:
        """Hold ``components`` on the device, with room for ``headroom_bytes`` beside them, for the time of the block.

        Yields the modules by component name. What is leased is never evicted.

        Raises:
            DoesNotFit: the budget cannot hold them, however much is evicted.
            CheckpointBroken: one of them cannot be read.
        """
        components = list(components)
        self._leases.update(c.key for c in components)
        try:
            yield {c.name: self._hold(c, components, headroom_bytes) for c in components}
        finally:
            self._leases.subtract(c.key for c in components)
            self._leases += Counter()  # forget zeros

    def _hold(self, component: Component, together: Sequence[Component], headroom_bytes: int) -> torch.nn.Module:
        missing = {c.key: self.size_bytes(c) for c in together if c.key not in self._entries}
        self._make_room(sum(missing.values()) + headroom_bytes)
        if component.key in self._entries:
            self.counters["hits"] += 1
        else:
            self.counters["misses"] += 1
            self._bring(component)
        return self._touch(component.key).module

    def _make_room(self, needed_bytes: int) -> None:
        """Evict until ``needed_bytes`` are free. Measured anew each time: freed bytes are not taken on trust."""
        while (free_bytes := self.free_bytes()) < needed_bytes:
            try:
                evictions = plan(
                    self._residents(),
                    free_bytes=free_bytes,
                    needed_bytes=needed_bytes,
                    upcoming=self.upcoming,
                    policy=self._policy,
                )
            except RoomMissing as missing:
                most_bytes = needed_bytes - missing.short_bytes
                raise DoesNotFit(
                    f"{show_bytes(needed_bytes)} are needed and {show_bytes(most_bytes)} can be made free "
                    f"of a budget of {show_bytes(self.device.budget_bytes)}"
                ) from None
            self.evict(evictions[0])

    def _bring(self, component: Component) -> None:
        started = self._clock()
        module = self._load(component).to(self.device.torch_device)
        size_bytes = module_bytes(module)
        self._sizes[component.key] = size_bytes
        self._entries[component.key] = Entry(component, module, size_bytes, self._clock() - started)
        self.counters["loads"] += 1
        self.counters["loaded_bytes"] += size_bytes

    def _touch(self, key: str) -> Entry:
        entry = self._entries[key]
        self._tick += 1
        entry.last_used, entry.last_used_at = self._tick, time.time()
        entry.uses += 1
        entry.age_floor = self._age_floor
        return entry

    def evict(self, key: str) -> bool:
        """Take one component off the device. False when it is leased or not there."""
        if key not in self._entries or self._leases[key]:
            return False
        self._age_floor = max(self._age_floor, self._policy(self._resident(key)))
        del self._entries[key]
        self.device.release_cached()
        self.counters["evictions"] += 1
        return True

    def evict_all(self) -> int:
        """Evict everything that is not leased; how many went."""
        return sum(self.evict(key) for key in list(self._entries))

    def _residents(self) -> list[Resident]:
        return [self._resident(key) for key in self._entries]

    def _resident(self, key: str) -> Resident:
        entry = self._entries[key]
        return Resident(
            key=key,
            size_bytes=entry.size_bytes,
            last_used=entry.last_used,
            uses=entry.uses,
            load_seconds=entry.load_seconds,
            age_floor=entry.age_floor,
            is_leased=self._leases[key] > 0,
        )
