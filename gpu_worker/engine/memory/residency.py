"""Which components are on the device: leased while a render uses them, evicted when others need the room.

One owner, one thread, one render at a time: no locks, and an eviction is over before anybody can ask for what it takes.
A load that fails at any point leaves no trace. Copies in main memory are kept as far as ``Device.host_bytes`` goes, so
that eviction moves no bytes and coming back costs one copy; without room for a copy, eviction means back to disk.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from gpu_worker.engine.errors import DoesNotFit
from gpu_worker.engine.events import log_event
from gpu_worker.engine.memory import main_memory
from gpu_worker.engine.memory.copies import Copies
from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.memory.planning import Policy, Resident, RoomMissing, lru, plan
from gpu_worker.engine.memory.residents import DEVICE, Entry, Lease, Record
from gpu_worker.engine.sizes import show_bytes
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.module_weights import Weights
from gpu_worker.engine.weights.storages import ByteLedger, storage_bytes

log = logging.getLogger(__name__)

Load = Callable[[Component], torch.nn.Module]

UNSEEN_BYTES_PER_SECOND = 2**30
"""What loading is taken to run at before anything was loaded."""


class Residency:
    """The components on one device, within its budget."""

    def __init__(
        self,
        device: Device,
        load: Load,
        *,
        policy: Policy = lru,
        clock: Callable[[], float] = time.perf_counter,
        main_free_bytes: Callable[[], int] = main_memory.free_bytes,
    ) -> None:
        self.device = device
        self.counters: Counter[str] = Counter()
        self.upcoming: Sequence[Collection[str]] = ()
        """Keys that the next jobs need, next job first. They are spared as long as anything else can go."""
        self.records: dict[str, Record] = {}
        self.at_safe_point: Callable[[], None] = lambda: None
        """Called between two components and two tensors, where what it raises leaves no trace."""
        self._load = load
        self._policy = policy
        self._clock = clock
        self._main_free_bytes = main_free_bytes
        self._entries: dict[str, Entry] = {}
        self._leases: list[Lease] = []
        self._on_device = ByteLedger()
        self._copies = Copies(device)
        self._tick = 0
        self._age_floor = 0.0

    # --- what is where ---

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self._entries

    @property
    def used_bytes(self) -> int:
        """Bytes of weights on the device, each storage once."""
        return self._on_device.used_bytes

    @property
    def host_used_bytes(self) -> int:
        """Bytes of copies in main memory."""
        return self._copies.used_bytes

    def is_resident(self, key: str) -> bool:
        return key in self._on_device

    def leases(self, key: str) -> int:
        """Return how many leases hold the component."""
        return sum(key in (c.key for c in lease.components.values()) for lease in self._leases)

    def free_bytes(self) -> int:
        """Return the bytes that are still free: the smaller of what the budget and the driver say."""
        own = self.device.budget_bytes - self.used_bytes
        driver = self.device.driver_free_bytes()
        return own if driver is None else min(own, driver)

    def attainable_bytes(self, coming: Iterable[Component] = ()) -> int:
        """Return the bytes that would be free beside ``coming`` if everything else that may go were evicted."""
        wanted = {c.key: self.size_bytes(c) for c in coming}
        missing_bytes = sum(size for key, size in wanted.items() if not self.is_resident(key))
        evictable_bytes = sum(
            entry.record.size_bytes
            for key, entry in self._entries.items()
            if entry.tier == DEVICE and key not in wanted and not self.leases(key)
        )
        return self.free_bytes() + evictable_bytes - missing_bytes

    def size_bytes(self, component: Component) -> int:
        """Return its measured size if it was ever loaded here, else what its files declare."""
        record = self.records.get(component.key)
        return record.size_bytes if record and record.size_bytes else component.declared_bytes

    def loading_seconds(self, component: Component) -> float:
        """Return the seconds that it takes to bring the component onto the device: 0 if it is there, else as last
        measured, or by its size."""
        entry, record = self._entries.get(component.key), self.records.get(component.key)
        if entry is not None:
            return 0.0 if entry.tier == DEVICE else entry.record.copy_seconds
        if record is not None and record.disk_seconds:
            return record.disk_seconds + record.copy_seconds
        seen = [r for r in self.records.values() if r.disk_seconds]
        seen_seconds = sum(r.disk_seconds + r.copy_seconds for r in seen) or 1.0
        return self.size_bytes(component) * seen_seconds / (sum(r.size_bytes for r in seen) or UNSEEN_BYTES_PER_SECOND)

    # --- leases ---

    @contextmanager
    def lease(self, components: Iterable[Component], headroom_bytes: int = 0) -> Iterator[dict[str, torch.nn.Module]]:
        """Hold ``components`` on the device for the time of the block, with ``headroom_bytes`` free beside them.

        Yields the modules by component name. What is leased is never evicted.

        Raises:
            DoesNotFit: the budget cannot hold them, however much is evicted.
            CheckpointBroken: one of them cannot be read.
        """
        lease = Lease({c.name: c for c in components})
        try:
            self.acquire(lease, headroom_bytes)
            yield lease.modules
        finally:
            self.release(lease)

    def acquire(self, lease: Lease, headroom_bytes: int = 0) -> None:
        """Pin the components, then bring what is missing. Raises what ``lease`` raises; ``release`` is due
        in any case."""
        self._leases.append(lease)
        for component in lease.components.values():
            self.at_safe_point()
            if self.is_resident(component.key):
                self.counters["hits"] += 1
                self._make_room_for(lease, headroom_bytes)
            else:
                self.counters["misses"] += 1
                self._bring(component, lambda: self._make_room_for(lease, headroom_bytes))
            lease.modules[component.name] = self._touch(component.key).module

    def acquire_copies(self, lease: Lease, room_bytes: int) -> None:
        """Hold the components of ``lease`` in main memory, off the device, with ``room_bytes`` free on it.

        Raises:
            DoesNotFit: main memory cannot keep them, or the room cannot be made.
        """
        self._leases.append(lease)
        for component in lease.components.values():
            self.at_safe_point()
            entry = self._entries.get(component.key)
            if entry is not None and entry.copies is None:  # they were dropped for another's
                self._take_off(entry)
                entry = None
            entry = entry or self._read(component)
            if entry.copies is None:
                size, most = show_bytes(entry.record.size_bytes), show_bytes(self.device.host_bytes)
                raise DoesNotFit(
                    f"{component.name} needs {size} of main memory, of which {most} may be used (GPU_WORKER_RAM)"
                )
            if entry.tier == DEVICE:
                self._take_off(entry)
            lease.modules[component.name] = self._touch(component.key).module
        self.device.release_cached()
        self.make_room(room_bytes)

    def _make_room_for(self, lease: Lease, headroom_bytes: int) -> None:
        missing = {c.key: self.size_bytes(c) for c in lease.components.values() if not self.is_resident(c.key)}
        self.make_room(sum(missing.values()) + headroom_bytes)

    def release(self, lease: Lease) -> None:
        """Give a lease back. Doing it twice changes nothing."""
        self._leases = [held for held in self._leases if held is not lease]
        lease.modules.clear()

    def count_beside(self, key: str, tensors: Iterable[torch.Tensor]) -> None:
        """Count bytes on the device for ``key`` that are no component of their own, such as blocks swapped in."""
        self._on_device.add(key, tensors)

    # --- making room ---

    def make_room(self, needed_bytes: int) -> None:
        """Evict until ``needed_bytes`` are free, measured anew after each eviction rather than calculated.

        Raises:
            DoesNotFit: they cannot be made free; the message has the figures.
        """
        while (free_bytes := self.free_bytes()) < needed_bytes:
            residents = [self._resident(key) for key, entry in self._entries.items() if entry.tier == DEVICE]
            try:
                evictions = plan(
                    residents,
                    free_bytes=free_bytes,
                    needed_bytes=needed_bytes,
                    upcoming=self.upcoming,
                    policy=self._policy,
                )
            except RoomMissing as missing:
                most_bytes = needed_bytes - missing.short_bytes
                raise DoesNotFit(
                    f"{show_bytes(needed_bytes)} are needed and {show_bytes(max(0, most_bytes))} can be made free "
                    f"of a budget of {show_bytes(self.device.budget_bytes)}"
                ) from None
            self.evict(evictions[0])

    def evict(self, key: str) -> bool:
        """Take one component off the device. Returns False when it is leased or not there."""
        entry = self._entries.get(key)
        if entry is None or entry.tier != DEVICE or self.leases(key):
            return False
        self._age_floor = max(self._age_floor, self._policy(self._resident(key)))
        self._take_off(entry)
        self.device.release_cached()
        self.counters["evictions"] += 1
        log_event(log, "component evicted", component=entry.component.name, key=key, size_bytes=entry.record.size_bytes)
        return True

    def evict_all(self) -> int:
        """Evict everything that is not leased. Returns how many components went."""
        return sum(self.evict(key) for key in list(self._entries))

    def forget(self, key: str) -> bool:
        """Evict the component and drop its copy in main memory. Returns False when it is leased or unknown."""
        if key not in self._entries or self.leases(key):
            return False
        self.evict(key)
        if key in self._entries:
            self._drop_copies(self._entries[key])
        return True

    def _take_off(self, entry: Entry) -> None:
        key = entry.component.key
        self._on_device.remove(key)
        if entry.copies is None:
            self._entries.pop(key, None)
            entry.weights.empty()
        else:
            entry.tier = self._copies.tier(key)
            entry.weights.put(entry.copies)

    def _drop_copies(self, entry: Entry) -> None:
        if entry.tier != DEVICE:
            self._entries.pop(entry.component.key, None)
            entry.weights.empty()  # before its copies go: what is still in use is not given back to the system
        self._copies.drop(entry)

    # --- bringing components in ---

    def _bring(self, component: Component, make_room: Callable[[], None]) -> None:
        """Bring one component onto the device, from main memory or disk. If that fails, nothing half-loaded stays."""
        entry = self._entries.get(component.key)
        from_tier = "disk" if entry is None else entry.tier
        if entry is None:
            make_room()  # by its declared size: on the CPU, reading it already takes the room
            entry = self._read(component)
        try:
            make_room()
            started = self._clock()
            tensors = entry.copies or entry.weights.tensors
            brought = []
            for tensor in tensors:
                self.at_safe_point()
                brought.append(self.device.bring(tensor, is_original_kept=entry.copies is not None))
            self.device.synchronize()
            entry.weights.put(brought)
            self._on_device.add(component.key, brought)
            entry.tier = DEVICE
            self._entries[component.key] = entry
        except BaseException:
            self._take_off(entry)
            raise
        entry.record.copy_seconds = self._clock() - started
        log_event(
            log,
            "component loaded",
            component=component.name,
            key=component.key,
            size_bytes=entry.record.size_bytes,
            from_tier=from_tier,
            seconds=entry.record.copy_seconds + (entry.record.disk_seconds if from_tier == "disk" else 0.0),
        )
        self.counters["loads"] += 1
        self.counters["loaded_bytes"] += entry.record.size_bytes

    def _read(self, component: Component) -> Entry:
        started = self._clock()
        self._make_main_memory_free(component)
        module = self._load(component)
        record = self.records.setdefault(component.key, Record())
        entry = Entry(component, module, Weights(module), record)
        record.size_bytes = storage_bytes(entry.weights.tensors)
        try:
            self._keep_copies(entry)
        except BaseException:
            self._drop_copies(entry)
            raise
        record.disk_seconds = self._clock() - started
        self.counters["reads"] += 1
        return entry

    def _make_main_memory_free(self, component: Component) -> None:
        """Drop copies, least recently used first, until what reading ``component`` takes is free in main memory.

        Raises:
            DoesNotFit: it cannot be made free. Asked for all the same, the system would end the process.
        """
        needed_bytes = self.size_bytes(component)
        if component.quantisation != "none" and component.is_read_whole:
            needed_bytes = max(needed_bytes, component.whole_bytes)
        while (free_bytes := self._main_free_bytes()) < needed_bytes:
            droppable = self._droppable()
            if not droppable:
                raise DoesNotFit(
                    f"Reading {component.name} takes {show_bytes(needed_bytes)} of main memory, "
                    f"of which {show_bytes(free_bytes)} are free"
                )
            self._drop_copies(min(droppable, key=lambda entry: entry.record.last_used))
            main_memory.give_back_free_blocks()

    def _droppable(self) -> list[Entry]:
        kept = [e for e in self._entries.values() if e.copies]
        return [e for e in kept if e.tier == DEVICE or not self.leases(e.component.key)]

    def _keep_copies(self, entry: Entry) -> None:
        """Keep the weights in main memory if there is room, or can be made by dropping what was used longer ago."""
        dropped = self._copies.to_drop_for(entry.record.size_bytes, self._droppable())
        if dropped is None:
            return
        for other in dropped:
            self._drop_copies(other)
        self._copies.keep(entry)
        self._entries[entry.component.key] = entry

    def _touch(self, key: str) -> Entry:
        entry = self._entries[key]
        self._tick += 1
        entry.record.last_used, entry.record.last_used_at = self._tick, time.time()
        entry.record.uses += 1
        entry.record.age_floor = self._age_floor
        return entry

    def _resident(self, key: str) -> Resident:
        entry = self._entries[key]
        return Resident(
            key=key,
            size_bytes=entry.record.size_bytes,
            last_used=entry.record.last_used,
            uses=entry.record.uses,
            load_seconds=entry.reload_seconds,
            age_floor=entry.record.age_floor,
            is_leased=self.leases(key) > 0,
        )
