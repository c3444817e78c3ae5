"""A host whose clock is off is told, and stays alive."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import redis
import time_machine

from gpu_worker import clock
from gpu_worker.heartbeat import Heartbeat
from gpu_worker.liveness import live_workers
from gpu_worker.status_table import table
from gpu_worker.worker_status import WorkerStatus


def stores_clock(valkey: redis.Redis) -> float:
    seconds, microseconds = valkey.time()
    return seconds + microseconds / 1e6


@pytest.mark.parametrize(("off_seconds", "words"), [(600, "ahead of"), (-20, "behind"), (3600, "ahead of")])
def test_a_clock_that_is_off_is_named_once_in_the_log_and_always_in_the_status(
    valkey: redis.Redis, caplog: pytest.LogCaptureFixture, off_seconds: int, words: str
) -> None:
    heart = Heartbeat(valkey, WorkerStatus(name="gpu-7", host="garage"), also=lambda: None)
    ours = datetime.now(UTC).timestamp() + off_seconds
    before = stores_clock(valkey)
    with time_machine.travel(ours, tick=False):
        heart.beat()
        heart.beat()
    [status] = live_workers(valkey)
    assert ours - stores_clock(valkey) <= status.clock_ahead_seconds <= ours - before
    assert f"s {words} the store's" in status.clock_fault
    assert status.clock_fault in table([status])
    assert [f"s {words} the store's" in record.message for record in caplog.records] == [True]


def test_an_answer_that_takes_long_blames_no_clock(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = valkey.time

    def late() -> tuple[int, int]:
        looked_at = answer()
        travelling.shift(60)
        return looked_at

    monkeypatch.setattr(valkey, "time", late)
    seconds, microseconds = answer()
    with time_machine.travel(seconds + microseconds / 1e6 - 30, tick=False) as travelling:
        assert clock.ahead_seconds(valkey) == 0.0


def test_a_clock_that_is_right_is_not_mentioned(valkey: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    Heartbeat(valkey, WorkerStatus(name="gpu-7", host="garage"), also=lambda: None).beat()
    [status] = live_workers(valkey)
    assert status.clock_fault == ""
    assert "clock" not in table([status])
    assert not caplog.records
