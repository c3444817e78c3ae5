"""A GPU host whose disk is full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from gpu_worker import disk_room
from gpu_worker.disk_room import LEAST_FREE_BYTES
from gpu_worker.host_faults import HostFault, fault_key
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import enqueue, finished_reports, make_job


def test_a_host_without_room_takes_nothing_and_says_so(
    valkey: redis.Redis, run_worker: Callable[..., GpuWorker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(valkey, make_job(tmp_path))
    free = LEAST_FREE_BYTES - 1
    monkeypatch.setattr(disk_room, "free_bytes", lambda folder: free)
    worker = run_worker()
    assert finished_reports(valkey) == []
    assert worker.heart.status.state == "draining"
    assert valkey.get(fault_key("worker-under-test")) == HostFault.DISK_FULL.value.encode()
    free = LEAST_FREE_BYTES
    run_worker()
    assert len(finished_reports(valkey)) == 1


def test_the_room_of_a_folder_that_is_not_there_yet_is_that_of_its_disk(tmp_path: Path) -> None:
    assert disk_room.free_bytes(tmp_path / "a" / "b") > 0
