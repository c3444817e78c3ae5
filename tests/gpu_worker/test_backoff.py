"""Whoever cannot reach Valkey asks again soon, then less often, and never gives it up for long."""

from __future__ import annotations

from itertools import islice

from gpu_worker.backoff import pauses_seconds


def test_pauses_double_up_to_two_seconds_and_begin_anew_for_each_wait() -> None:
    assert list(islice(pauses_seconds(), 7)) == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert next(pauses_seconds()) == 0.1
