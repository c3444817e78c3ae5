"""A site whose fleet has so many GPUs, all busy, and what each thing that happens there costs whom.

    python -m benchmarks.fleet_scene 1000 5 412 413    # GPUs, rounds, ids of PostgreSQL's and Valkey's process. With
                                                       # DATABASE_URL and REDIS_URL of migrated, empty stores

Prints a line of JSON: name of a cost → milliseconds of processor time of the site's process, PostgreSQL and Valkey, and
of the wall. ``benchmarks.fleet_costs`` runs it.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from statistics import median
from typing import Any, NamedTuple

from benchmarks.queue_scene import GIB, processor_ms, set_up_django
from gpu_worker.worker_status import WorkerStatus

BUDGET = 40 * GIB
NEW_SHARE = 30
"""A worker says something every three seconds, and a busy process is asked ten times a second: so it reads anew what
one in thirty says."""
COPIES = """
    INSERT INTO generation_generation
    SELECT filled.*
    FROM (SELECT to_jsonb(made) AS row FROM generation_generation AS made WHERE id = %(mine)s) AS one,
        generate_series(1, %(rows)s) AS n,
        LATERAL jsonb_populate_record(null::generation_generation, one.row || jsonb_build_object(
            'id', md5(%(state)s || n), 'state', %(state)s, 'attempt', 1, 'dispatched_at', now() - interval '1 minute',
            'started_at', now() - interval '30 seconds')) AS filled;
    ANALYZE generation_generation;
"""


class Cost(NamedTuple):
    """Milliseconds: processor time of each, and how long it took."""

    site: float
    postgres: float
    valkey: float
    wall: float


class Scene:
    """``gpus`` workers that are on, each with a clip in hand, and RQ's line as full as it gets but for two places."""

    def __init__(self, gpus: int, servers: Sequence[int]) -> None:
        from django.db import connection

        from generation.models import Generation
        from generation.scheduling import dispatch
        from generation.scheduling.capacity import places_for
        from gpu_worker.valkey_names import job_id
        from loremotion.valkey import connection as valkey
        from tests.generation import factories

        self.servers, self._random = servers, Random(1)
        self.valkey = valkey()
        self.valkey.flushdb()
        factories.model()
        first = factories.submitted(factories.visitor(credits=1_000).workspace)
        for state, rows in (("running", gpus), ("dispatched", places_for(gpus, gpus) - 2)):
            with connection.cursor() as cursor:
                cursor.execute(COPIES, {"mine": first.id, "rows": rows, "state": state})
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM generation_generation WHERE attempt = 0")
            cursor.execute("VACUUM ANALYZE")
        for clip in Generation.objects.select_related("version__model"):
            dispatch.enqueue(clip, before=[])
        running = Generation.objects.filter(state="running").values_list("id", flat=True)
        with self.valkey.pipeline(transaction=False) as pipeline:
            for id in running:
                pipeline.hset(f"rq:job:{job_id(str(id), 1)}", "status", "started")
                pipeline.lrem(dispatch.render_queue().key, 0, job_id(str(id), 1))
            pipeline.execute()
        self._show_workers([str(id) for id in running])
        self._lock_ms: list[float] = []

    def costs(self, rounds: int) -> dict[str, Cost]:
        """The median of each thing's costs in so many clips' lives."""
        self._life()  # warm
        self._lock_ms.clear()
        lives = [self._life() for _ in range(rounds)]
        found = {
            name: Cost(*(median(part) for part in zip(*(life[name] for life in lives), strict=True)))
            for name in lives[0]
        }
        return found | {"clock held": Cost(0.0, 0.0, 0.0, median(self._lock_ms))}

    def _life(self) -> dict[str, Cost]:
        """One clip from its request to its receipt, and what happens meanwhile."""
        from unittest.mock import patch

        from django.core import signing
        from django.test import Client

        from generation import reports
        from generation.live.polling import snapshots_of
        from generation.models import Generation
        from generation.scheduling import dispatch, fair_queue
        from generation.settlement import housekeeping
        from gpu_worker.contract import Progress
        from gpu_worker.heartbeat import Heartbeat
        from gpu_worker.job_choice import Bounds
        from gpu_worker.progress import ProgressStream
        from gpu_worker.rq_seams.render_queue import RenderQueue
        from tests.generation import factories

        visitor, client, costs = factories.visitor(credits=1_000), Client(), {}
        client.cookies["visitor"] = signing.dumps(str(visitor.id), salt="accounts.visitors")
        lock, take = fair_queue.lock_clock, dispatch._take
        began = 0.0

        def lock_clock() -> Any:
            nonlocal began
            clock, began = lock(), time.perf_counter()
            return clock

        def taken() -> Any:
            nonlocal began
            began = 0.0
            found = take()
            if began:
                self._lock_ms.append(1000 * (time.perf_counter() - began))
            return found

        def post() -> None:
            answer = client.post("/v1/videos", {"prompt": "a red circle"}, content_type="application/json")
            assert answer.status_code == 200, answer.content

        with patch.object(fair_queue, "lock_clock", lock_clock), patch.object(dispatch, "_take", taken):
            costs["request"] = self._cost(post)
        clip = Generation.objects.get(workspace=visitor.workspace)
        assert clip.state == "dispatched", clip.state
        costs["look"] = self._cost(lambda: client.get(f"/v1/videos/{clip.id}"))
        costs["tick of live events"] = self._cost(lambda: snapshots_of([clip.id], {clip.id}))
        report = factories.report(clip)
        costs["report of a start"] = self._cost(
            lambda: reports.started(str(clip.id), clip.attempt, "gpu-0", report.secret)
        )
        stream = ProgressStream(self.valkey, str(clip.id), 1.0)
        costs["step"] = self._cost(lambda: stream.write(Progress(kind="step", step=1, steps_total=8)))
        factories.deliver_clip(clip)
        costs["report of an end"] = self._cost(lambda: reports.finished(report.to_wire()))
        clip.refresh_from_db()
        assert clip.state == "succeeded", clip.state
        line = RenderQueue(self.valkey, "gpu-0", Bounds())
        costs["look of a worker"] = self._cost(line.window)
        beat = Heartbeat(self.valkey, self.statuses[0], lambda: None)
        costs["heartbeat"] = self._cost(beat.beat)
        costs["round of the beat"] = self._cost(lambda: housekeeping.beat())
        return costs

    def _cost(self, work: Callable[[], object]) -> Cost:
        self._beat()
        before, began = self._spent(), time.perf_counter()
        work()
        wall = 1000 * (time.perf_counter() - began)
        site, postgres, valkey = (now - then for now, then in zip(self._spent(), before, strict=True))
        return Cost(site, postgres, valkey, wall)

    def _spent(self) -> tuple[float, float, float]:
        postgres, valkey = self.servers
        site = processor_ms(())
        return site, processor_ms((postgres,)) - site, processor_ms((valkey,)) - site

    def _show_workers(self, clips: Sequence[str]) -> None:
        self.statuses = [
            WorkerStatus(
                name=f"gpu-{n}",
                host=f"host-{n // 8}",
                pid=1,
                device="cuda:0",
                budget_bytes=BUDGET,
                state="busy",
                generation_id=clip,
                attempt=1,
            )
            for n, clip in enumerate(clips)
        ]
        self._show(self.statuses)

    def _beat(self) -> None:
        """A part of the workers say something new, as since the last thing that a busy process was asked."""
        self._show(self._random.sample(self.statuses, -(-len(self.statuses) // NEW_SHARE)))

    def _show(self, statuses: Sequence[WorkerStatus]) -> None:
        from gpu_worker.valkey_names import WORKERS_KEY, worker_key

        now = time.time()
        with self.valkey.pipeline(transaction=False) as pipeline:
            for status in statuses:
                pipeline.zadd(WORKERS_KEY, {status.name: now})
                pipeline.set(worker_key(status.name), json.dumps(replace(status, beat_at=now).to_wire()), ex=3600)
            pipeline.execute()


def main() -> None:
    set_up_django()
    logging.disable(logging.WARNING)
    gpus, rounds, *servers = map(int, sys.argv[1:])
    print(json.dumps(Scene(gpus, servers).costs(rounds)))


if __name__ == "__main__":
    main()
