"""Whoever cannot reach Valkey asks again soon, then less often, and never gives it up for long."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

from gpu_worker.backoff import pause_after, pauses_seconds


def test_pauses_double_up_to_two_seconds_and_begin_anew_for_each_wait() -> None:
    assert list(islice(pauses_seconds(), 7)) == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert next(pauses_seconds()) == 0.1


def test_a_pause_is_never_longer_than_the_longest_however_often_it_failed() -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    pauses = [pause_after(failures, hour, day) for failures in (0, 1, 2, 5, 10**6)]
    assert pauses == [hour, hour, 2 * hour, 16 * hour, day]
