"""A host whose clock is off is told, and stays alive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine

from gpu_worker.heartbeat import Heartbeat
from gpu_worker.liveness import live_workers
from gpu_worker.status_table import table
from gpu_worker.worker_status import WorkerStatus


@pytest.mark.parametrize(("off_seconds", "words"), [(20, "ahead of"), (-20, "behind"), (3600, "ahead of")])
def test_a_clock_that_is_off_is_named_once_in_the_log_and_always_in_the_status(
    valkey: redis.Redis, caplog: pytest.LogCaptureFixture, off_seconds: int, words: str
) -> None:
    heart = Heartbeat(valkey, WorkerStatus(name="gpu-7", host="garage"), also=lambda: None)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=off_seconds)):
        heart.beat()
        heart.beat()
    [status] = live_workers(valkey)
    assert status.clock_ahead_seconds == pytest.approx(off_seconds, abs=2.5)
    assert f"s {words} the store's" in status.clock_fault
    assert status.clock_fault in table([status])
    assert [f"s {words} the store's" in record.message for record in caplog.records] == [True]


def test_a_clock_that_is_right_is_not_mentioned(valkey: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    Heartbeat(valkey, WorkerStatus(name="gpu-7", host="garage"), also=lambda: None).beat()
    [status] = live_workers(valkey)
    assert status.clock_fault == ""
    assert "clock" not in table([status])
    assert not caplog.records
