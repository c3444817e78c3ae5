"""Leases, evictions and tiers over a simulated device: every promise of ``residency.py``, one by one."""

from __future__ import annotations

import time

import pytest
import torch

from gpu_worker.engine import DoesNotFit
from gpu_worker.engine.memory.planning import gdsf
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import Lease
from tests.engine.simulation import fake_component, has_weights_of, simulated

SIZES = {"a": 400, "b": 400, "c": 400, "text": 800}


def use(residency: Residency, *keys: str, headroom_bytes: int = 0) -> None:
    with residency.lease([fake_component(key) for key in keys], headroom_bytes):
        pass


def resident_keys(residency: Residency) -> list[str]:
    return [key for key in residency.entries if residency.is_resident(key)]


def test_it_works() -> None:
    residency, disk, _ = simulated(SIZES, budget_bytes=1_000)
    with residency.lease([fake_component("a"), fake_component("b")]) as modules:
        assert list(modules) == ["a", "b"]
        assert has_weights_of(modules["a"], "a", 400)
        assert residency.used_bytes == 800
        assert residency.leases("a") == 1
    assert residency.leases("a") == 0
    assert disk.reads == ["a", "b"]


def test_a_hit_reads_nothing() -> None:
    residency, disk, _ = simulated(SIZES, budget_bytes=1_000)
    use(residency, "a")
    use(residency, "a")
    assert disk.reads == ["a"]
    assert (residency.counters["hits"], residency.counters["misses"]) == (1, 1)


def test_two_models_share_one_component() -> None:
    residency, disk, _ = simulated(SIZES, budget_bytes=2_000)
    use(residency, "text", "a")
    use(residency, "text", "b")
    assert disk.reads == ["text", "a", "b"]
    assert residency.used_bytes == 1_600


def test_the_least_recently_used_is_evicted() -> None:
    residency, _, _ = simulated(SIZES, budget_bytes=1_000)
    use(residency, "a")
    use(residency, "b")
    use(residency, "a")
    use(residency, "c")
    assert resident_keys(residency) == ["a", "c"]


def test_what_the_queue_needs_is_spared() -> None:
    residency, _, _ = simulated(SIZES, budget_bytes=1_000)
    use(residency, "a")
    use(residency, "b")
    residency.upcoming = [{"a"}]
    use(residency, "c")
    assert resident_keys(residency) == ["a", "c"]


def test_gdsf_is_a_policy_of_the_same_kind() -> None:
    residency, _, _ = simulated(SIZES, budget_bytes=1_300, policy=gdsf)
    for key in ("text", "text", "text", "a", "b"):
        use(residency, key)
    assert resident_keys(residency) == ["text", "b"]


def test_what_is_leased_stays_even_when_that_means_failure() -> None:
    residency, _, _ = simulated(SIZES, budget_bytes=1_000)
    with residency.lease([fake_component("a"), fake_component("b")]):
        with pytest.raises(DoesNotFit, match="400 B are needed and 200 B can be made free of a budget of 1000 B"):
            use(residency, "c")
        assert resident_keys(residency) == ["a", "b"]
        assert not residency.evict("a")
        assert residency.leases("c") == 0
    assert residency.evict_all() == 2


def test_headroom_is_asked_for_on_a_hit_too() -> None:
    residency, _, _ = simulated(SIZES, budget_bytes=1_000)
    use(residency, "a")
    use(residency, "b")
    use(residency, "b", headroom_bytes=500)
    assert resident_keys(residency) == ["b"]


def test_the_driver_is_believed_when_it_says_less() -> None:
    residency, _, device = simulated(SIZES, budget_bytes=10_000)
    use(residency, "a")
    use(residency, "b")
    device.driver = lambda: 900 - residency.used_bytes
    use(residency, "c")
    assert resident_keys(residency) == ["b", "c"]


def test_room_is_measured_anew_after_each_eviction() -> None:
    residency, _, device = simulated(SIZES, budget_bytes=1_200)
    for key in ("a", "b", "c"):
        use(residency, key)
    others = 300  # the first eviction frees less than it promised
    device.driver = lambda: 1_200 - others - residency.used_bytes
    residency.make_room(400)
    assert resident_keys(residency) == ["c"]


def test_a_component_larger_than_declared_makes_room_for_itself_afterwards() -> None:
    residency, _, _ = simulated({"a": 400, "b": 700}, budget_bytes=1_000)
    use(residency, "a")
    with residency.lease([fake_component("b")], headroom_bytes=200):
        assert resident_keys(residency) == ["b"]


@pytest.mark.parametrize(
    "failure", [OSError("disk"), torch.OutOfMemoryError("no"), TimeoutError(), KeyboardInterrupt()]
)
def test_a_load_that_fails_leaves_no_trace(failure: BaseException) -> None:
    residency, disk, _ = simulated(SIZES, budget_bytes=1_000)
    use(residency, "a")
    disk.fail_next = failure
    with pytest.raises(type(failure)):
        use(residency, "a", "b")
    assert residency.used_bytes == 400
    assert resident_keys(residency) == ["a"]
    assert residency.leases("a") == residency.leases("b") == 0
    use(residency, "a", "b")
    assert residency.used_bytes == 800


@pytest.mark.parametrize("host_bytes", [0, 10_000])
@pytest.mark.parametrize("tensors_before", [0, 1])
def test_memory_that_runs_out_halfway_leaves_no_trace(host_bytes: int, tensors_before: int) -> None:
    residency, _, device = simulated(SIZES, budget_bytes=1_000, host_bytes=host_bytes)
    device.out_of_memory_after = tensors_before
    with pytest.raises(torch.OutOfMemoryError):
        use(residency, "a")
    assert residency.used_bytes == 0
    assert resident_keys(residency) == []
    with residency.lease([fake_component("a")]) as modules:
        assert has_weights_of(modules["a"], "a", 400)


@pytest.mark.parametrize("host_bytes", [0, 10_000])
def test_what_is_asked_for_in_the_middle_of_its_eviction_is_brought_back_whole(host_bytes: int) -> None:
    residency, _, device = simulated(SIZES, budget_bytes=1_000, host_bytes=host_bytes)
    lease = Lease({"a": fake_component("a")})
    use(residency, "a")
    device.on_release = lambda: residency.acquire(lease)  # it has left, and its memory is not given back yet
    residency.evict("a")
    assert resident_keys(residency) == ["a"]
    assert residency.used_bytes == 400
    assert has_weights_of(lease.modules["a"], "a", 400)
    assert not residency.evict("a")


def test_an_eviction_that_fails_half_way_leaves_nothing_in_between() -> None:
    def fail() -> None:
        raise RuntimeError("the driver does not answer")

    residency, _, device = simulated(SIZES, budget_bytes=1_000)
    use(residency, "a")
    device.on_release = fail
    with pytest.raises(RuntimeError):
        residency.evict("a")
    assert (resident_keys(residency), residency.used_bytes) == ([], 0)
    use(residency, "a", "b")
    assert residency.used_bytes == 800


def test_who_still_holds_an_evicted_module_holds_no_memory() -> None:
    residency, _, _ = simulated(SIZES, budget_bytes=1_000)
    with residency.lease([fake_component("a")]) as modules:
        kept = modules["a"]
    residency.evict("a")
    assert kept.get_parameter("a").is_meta
    assert kept.get_parameter("a").shape == (50,)


def test_a_copy_in_main_memory_saves_the_disk() -> None:
    residency, disk, device = simulated(SIZES, budget_bytes=500, host_bytes=800)
    use(residency, "a")
    use(residency, "b")
    assert residency.entries["a"].tier == "ram"
    before = device.now
    with residency.lease([fake_component("a")]) as modules:
        assert has_weights_of(modules["a"], "a", 400)
    assert disk.reads == ["a", "b"]
    assert device.now - before == pytest.approx(0.4)
    assert residency.host_used_bytes == 800


def test_eviction_to_main_memory_moves_nothing() -> None:
    residency, _, device = simulated(SIZES, budget_bytes=500, host_bytes=800)
    use(residency, "a")
    brought, now = device.brought_bytes, device.now
    residency.evict("a")
    assert (device.brought_bytes, device.now) == (brought, now)
    assert residency.used_bytes == 0


def test_copies_stay_within_their_own_budget_and_the_oldest_goes() -> None:
    residency, disk, _ = simulated(SIZES, budget_bytes=500, host_bytes=900)
    for key in ("a", "b", "c"):
        use(residency, key)
    assert residency.host_used_bytes == 800
    assert set(residency.entries) == {"b", "c"}
    use(residency, "a")
    assert disk.reads == ["a", "b", "c", "a"]


def test_what_lost_its_copy_to_another_on_the_device_is_read_again_for_block_swap() -> None:
    residency, disk, _ = simulated(SIZES, budget_bytes=2_000, host_bytes=500)
    use(residency, "a", "b")
    assert residency.entries["a"].copies is None
    lease = Lease({"a": fake_component("a")})
    try:
        residency.acquire_copies(lease, 1_600)
        assert has_weights_of(lease.modules["a"], "a", 400)
        assert resident_keys(residency) == ["b"]
    finally:
        residency.release(lease)
    assert disk.reads == ["a", "b", "a"]


def test_what_is_too_large_for_a_copy_is_used_without_one() -> None:
    residency, _, _ = simulated(SIZES, budget_bytes=1_000, host_bytes=500)
    use(residency, "text")
    assert residency.host_used_bytes == 0
    assert residency.used_bytes == 800


def test_seconds_of_loading_are_those_that_were_measured() -> None:
    residency, _, _ = simulated(SIZES, budget_bytes=500, host_bytes=800)
    component = fake_component("a")
    use(residency, "a")
    assert residency.loading_seconds(component) == 0
    residency.evict("a")
    assert residency.loading_seconds(component) == pytest.approx(0.4)


def test_a_lease_can_be_given_back_twice() -> None:
    residency, _, _ = simulated(SIZES, budget_bytes=1_000)
    lease = Lease({"a": fake_component("a")})
    residency.acquire(lease)
    residency.release(lease)
    residency.release(lease)
    assert residency.leases("a") == 0


def test_a_hit_among_200_components_takes_less_than_a_millisecond() -> None:
    sizes = {f"k{i}": 400 for i in range(200)}
    residency, _, _ = simulated(sizes, budget_bytes=100_000)
    for key in sizes:
        use(residency, key)
    wanted = [fake_component(f"k{i}") for i in (3, 77, 150)]
    seconds = []
    for _ in range(50):
        started = time.thread_time()
        with residency.lease(wanted, headroom_bytes=1_000):
            seconds.append(time.thread_time() - started)
    assert sorted(seconds)[25] < 0.001
