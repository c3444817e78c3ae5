"""Main memory as this process may use it: limits of control groups, and the most that it has held."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from gpu_worker.engine import Cpu, Engine, device_from_environment
from gpu_worker.engine.memory import main_memory
from tests.engine.jobs import render, render_job

MIB = 2**20


class ControlGroups:
    """What the system would say of this process's groups, written down as files."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._process, self._groups = folder / "self", folder / "cgroup"
        self._process.mkdir()
        monkeypatch.setattr(main_memory, "PROCESS", self._process)
        monkeypatch.setattr(main_memory, "GROUPS", self._groups)

    def join(self, membership: str) -> None:
        (self._process / "cgroup").write_text(f"1:cpu:/elsewhere\n{membership}\n")

    def limit(self, group: str, **files: str) -> None:
        folder = self._groups / group
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name.replace("__", ".")).write_text(f"{content}\n")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ControlGroups:
    return ControlGroups(tmp_path, monkeypatch)


def test_without_a_limit_it_is_the_hosts(groups: ControlGroups) -> None:
    assert main_memory.total_bytes() == psutil.virtual_memory().total  # no control groups at all, as on macOS
    groups.join("0::/service")
    groups.limit("service", memory__max="max", memory__current="1", memory__stat="inactive_file 1")
    assert main_memory.total_bytes() == psutil.virtual_memory().total
    assert 0 < main_memory.free_bytes() <= psutil.virtual_memory().total


@pytest.mark.parametrize(("path", "group"), [("/", ""), ("/outer/own", "outer/own"), ("/outer/own", "outer")])
def test_the_limit_of_any_group_around_the_process_counts(groups: ControlGroups, path: str, group: str) -> None:
    groups.join(f"0::{path}")
    figures = {"memory__max": str(300 * MIB), "memory__current": str(100 * MIB)}
    cached = f"inactive_file {15 * MIB}\nactive_file {25 * MIB}"
    groups.limit(group or ".", **figures, memory__stat=f"anon 5\n{cached}\nfile 7")
    assert main_memory.total_bytes() == 300 * MIB
    assert main_memory.free_bytes() == 240 * MIB
    assert device_from_environment({"GPU_WORKER_DEVICE": "cpu"}).budget_bytes == 120 * MIB


def test_of_limits_within_one_another_the_least_counts(groups: ControlGroups) -> None:
    groups.join("0::/outer/own")
    groups.limit("outer/own", memory__max=str(300 * MIB), memory__current="0", memory__stat="anon 5")
    groups.limit("outer", memory__max=str(200 * MIB), memory__current=str(190 * MIB), memory__stat="anon 5")
    assert (main_memory.total_bytes(), main_memory.free_bytes()) == (200 * MIB, 10 * MIB)


def test_the_first_version_of_control_groups_counts_too(groups: ControlGroups) -> None:
    groups.join("4:memory:/docker/1")
    figures = {"memory__limit_in_bytes": str(300 * MIB), "memory__usage_in_bytes": str(100 * MIB)}
    cached = f"total_inactive_file {15 * MIB}\ntotal_active_file {25 * MIB}"
    groups.limit("memory", **figures, memory__stat=f"active_file 9\n{cached}")  # seen from inside a container
    assert (main_memory.total_bytes(), main_memory.free_bytes()) == (300 * MIB, 240 * MIB)


def test_a_group_that_is_over_its_limit_has_nothing_free(groups: ControlGroups) -> None:
    groups.join("0::/")
    groups.limit(".", memory__max="5", memory__current="7", memory__stat="anon 7")
    assert main_memory.free_bytes() == 0


def test_the_peak_of_the_cpu_is_what_was_held_at_once() -> None:
    device = Cpu(2**30)
    device.start_peak()
    block = torch.ones(64 * 2**20)
    del block
    assert 240 * MIB < device.peak_bytes() < 400 * MIB
    device.start_peak()
    assert device.peak_bytes() < 100 * MIB


def test_the_peak_of_the_cpu_is_the_same_when_the_allocator_has_kept_memory_of_the_time_before() -> None:
    def hold() -> None:
        large = torch.ones(30 * 2**18)  # once it is free, glibc keeps blocks up to its size instead of giving them back
        del large
        small = [torch.ones(2**16) for _ in range(200)]
        del small

    device = Cpu(2**30)
    hold()
    for _ in range(3):
        device.start_peak()
        hold()
        assert 40 * MIB < device.peak_bytes() < 100 * MIB  # 50 at once; 80 where the small lie beside the large's place


def test_where_the_system_says_nothing_of_the_process_its_largest_size_ever_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on macOS."""
    monkeypatch.setattr(main_memory, "PROCESS", Path("/nonexistent"))
    device = Cpu(2**30)
    device.start_peak()
    block = torch.ones(64 * 2**18)
    del block
    assert device.peak_bytes() >= 60 * MIB


def test_what_may_be_of_long_ago_refuses_no_render(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main_memory, "PROCESS", Path("/nonexistent"))
    block = torch.ones(400 * 2**18)
    del block
    engine = Engine(device=Cpu(300 * MIB), models=models, cache=tmp_path / "cache")
    for attempt in ("1", "2"):
        assert render(engine, render_job("ltx"), tmp_path / attempt).facts.num_frames == 9
