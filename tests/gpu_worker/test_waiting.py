"""Who waits for a job while the server that it waits at stops being the primary."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import redis
from django.conf import settings

from gpu_worker.valkey import connect
from tests.patience import PATIENCE_SECONDS, wait_until


def test_who_is_told_to_wait_no_more_waits_anew(valkey: redis.Redis) -> None:
    with connect(settings.REDIS_URL, answer_seconds=2 * PATIENCE_SECONDS) as waiting, ThreadPoolExecutor() as threads:
        told = waiting.client_id()
        popped = threads.submit(waiting.blmove, "line", "in hand", PATIENCE_SECONDS)
        wait_until(lambda: valkey.client_unblock(told, error=True))
        valkey.rpush("line", "a job")
        assert popped.result(PATIENCE_SECONDS) == b"a job"
