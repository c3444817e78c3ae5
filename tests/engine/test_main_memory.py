"""Main memory as this process may use it: limits of control groups, and the most that it has held."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from gpu_worker.engine import Cpu, device_from_environment, main_memory

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
        folder.mkdir(parents=True)
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
    groups.limit(group or ".", **figures, memory__stat=f"anon 5\ninactive_file {40 * MIB}\nfile 7")
    assert main_memory.total_bytes() == 300 * MIB
    assert main_memory.free_bytes() == 240 * MIB
    assert device_from_environment({"GPU_WORKER_DEVICE": "cpu"}).budget_bytes == 120 * MIB


def test_the_first_version_of_control_groups_counts_too(groups: ControlGroups) -> None:
    groups.join("4:memory:/docker/1")
    figures = {"memory__limit_in_bytes": str(300 * MIB), "memory__usage_in_bytes": str(100 * MIB)}
    groups.limit("memory", **figures, memory__stat=f"total_inactive_file {40 * MIB}")  # seen from inside a container
    assert (main_memory.total_bytes(), main_memory.free_bytes()) == (300 * MIB, 240 * MIB)


def test_a_group_that_is_over_its_limit_has_nothing_free(groups: ControlGroups) -> None:
    groups.join("0::/")
    groups.limit(".", memory__max="5", memory__current="7", memory__stat="anon 7")
    assert main_memory.free_bytes() == 0


def test_the_peak_of_the_cpu_is_what_was_held_at_once() -> None:
    device = Cpu(2**30)
    device.start_peak()
    block = torch.ones(16 * 2**20)
    del block
    assert 60 * MIB < device.peak_bytes() < 100 * MIB
    device.start_peak()
    assert device.peak_bytes() < 20 * MIB


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
    """As on macOS: too much is never too little."""
    monkeypatch.setattr(main_memory, "PROCESS", Path("/nonexistent"))
    device = Cpu(2**30)
    device.start_peak()
    block = torch.ones(64 * 2**18)
    assert device.peak_bytes() >= 60 * MIB
    del block
