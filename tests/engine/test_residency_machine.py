"""Anything may happen in any order: what must hold all the same, as a Hypothesis state machine."""

from __future__ import annotations

import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gpu_worker.engine import DoesNotFit
from gpu_worker.engine.memory.planning import POLICIES
from gpu_worker.engine.memory.residents import DEVICE, Lease
from gpu_worker.engine.weights.storages import storage_bytes
from tests.engine.simulation import fake_component, has_weights_of, simulated
from tests.properties import examples

SIZES = {f"c{i}": size for i, size in enumerate((40, 80, 120, 200, 320, 400, 520))}
subsets = st.lists(st.sampled_from(sorted(SIZES)), min_size=1, max_size=3, unique=True)


class ResidencyMachine(RuleBasedStateMachine):
    """Leases are opened, nested and closed; loads fail; memory runs out; components are evicted by hand."""

    @initialize(
        budget=st.integers(0, 1_200), host=st.sampled_from([0, 300, 2_000]), policy=st.sampled_from(sorted(POLICIES))
    )
    def begin(self, budget: int, host: int, policy: str) -> None:
        self.residency, self.disk, self.device = simulated(
            SIZES, budget_bytes=budget, host_bytes=host, policy=POLICIES[policy]
        )
        self.open: list[Lease] = []

    @rule(keys=subsets, headroom=st.integers(0, 300))
    def lease(self, keys: list[str], headroom: int) -> None:
        lease = Lease({key: fake_component(key) for key in keys})
        pinned_bytes = sum(SIZES[key] for key in set(keys) | self.leased())
        try:
            self.residency.acquire(lease, headroom)
        except DoesNotFit:
            assert pinned_bytes + headroom > self.device.budget_bytes
            self.residency.release(lease)
            return
        self.open.append(lease)
        assert self.residency.free_bytes() >= headroom
        for key in keys:
            assert has_weights_of(lease.modules[key], key, SIZES[key])

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 20))
    def release(self, which: int) -> None:
        self.residency.release(self.open.pop(which % len(self.open)))

    @rule(keys=subsets)
    def a_read_fails(self, keys: list[str]) -> None:
        lease = Lease({key: fake_component(key) for key in keys})
        self.disk.fail_next = OSError("disk")
        is_read_due = any(key not in self.residency.entries for key in keys)
        try:
            self.residency.acquire(lease)
            assert not is_read_due
        except OSError:
            assert is_read_due
        except DoesNotFit:
            pass
        self.disk.fail_next = None
        self.residency.release(lease)

    @rule(keys=subsets, after=st.integers(0, 5))
    def memory_runs_out(self, keys: list[str], after: int) -> None:
        lease = Lease({key: fake_component(key) for key in keys})
        self.device.out_of_memory_after = after
        try:
            self.residency.acquire(lease)
        except (torch.OutOfMemoryError, DoesNotFit):
            pass
        finally:
            self.device.out_of_memory_after = None
            self.residency.release(lease)

    @rule(key=st.sampled_from(sorted(SIZES)), is_forgotten=st.booleans())
    def evict(self, key: str, is_forgotten: bool) -> None:
        was_leased = key in self.leased()
        was_resident = self.residency.is_resident(key)
        done = self.residency.forget(key) if is_forgotten else self.residency.evict(key)
        assert not (done and was_leased)
        assert self.residency.is_resident(key) == (was_resident and was_leased)

    @rule(keys=st.lists(subsets, max_size=3))
    def look_ahead(self, keys: list[list[str]]) -> None:
        self.residency.upcoming = [set(k) for k in keys]

    def leased(self) -> set[str]:
        return {key for lease in self.open for key in lease.components}

    @invariant()
    def the_ledger_is_the_sum_of_storages(self) -> None:
        entries = self.residency.entries.values()
        on_device = [t for e in entries if e.tier == DEVICE for t in e.weights.tensors]
        copies = [t for e in entries for t in e.copies or ()]
        assert self.residency.used_bytes == storage_bytes(on_device)
        assert self.residency.host_used_bytes == storage_bytes(copies)

    @invariant()
    def the_budgets_are_kept(self) -> None:
        assert self.residency.used_bytes <= self.device.budget_bytes
        assert self.residency.host_used_bytes <= self.device.host_bytes

    @invariant()
    def what_is_leased_is_on_the_device(self) -> None:
        for key in self.leased():
            assert self.residency.is_resident(key)
            assert self.residency.leases(key) == sum(key in lease.components for lease in self.open)


ResidencyMachine.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=30)
TestResidency = ResidencyMachine.TestCase
