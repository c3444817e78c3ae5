"""One queue of a given length and what is asked of it; ``benchmarks.queue`` runs two of them, each in a process.

    python -m benchmarks.queue_scene 100000 412 413    # with DATABASE_URL and REDIS_URL of stores that are migrated and
                                                       # empty, and with the ids of their processes

Reads a line ``NAME COUNT`` from standard input for each measurement, and answers with a line of JSON.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

WATCHERS = 2_000
GIB = 2**30
MACHINES = {"small": 16 * GIB, "large": 80 * GIB}
FILL = """
    INSERT INTO accounts_workspace (id, kind, name, makes_private_clips, created_at)
    SELECT md5('workspace ' || n)::uuid, 'team', 'team ' || n, false, now() FROM generate_series(0, 999) AS n
    ON CONFLICT DO NOTHING;
    INSERT INTO generation_generation
    SELECT filled.*
    FROM (SELECT to_jsonb(made) AS row FROM generation_generation AS made WHERE id = %(mine)s) AS one,
        generate_series(1, %(rows)s) AS n,
        LATERAL jsonb_populate_record(null::generation_generation, one.row || jsonb_build_object(
            'id', md5('clip ' || n), 'workspace_id', md5('workspace ' || n %% 1000), 'fair_finish', 100 + n,
            'needs_bytes', (CASE WHEN n %% 4 = 0 THEN 100 ELSE 2 + n %% 13 END) * 1073741824::bigint)) AS filled;
    INSERT INTO generation_generation
    SELECT filled.*
    FROM (SELECT to_jsonb(made) AS row FROM generation_generation AS made WHERE id = %(mine)s) AS one,
        generate_series(1, %(parked)s) AS n,
        LATERAL jsonb_populate_record(null::generation_generation, one.row || jsonb_build_object(
            'id', md5('parked ' || n), 'state', 'cancelled', 'preset', 'parked', 'steps', n, 'fair_finish', 0,
            'dispatched_at', now() + interval '1 hour')) AS filled;
    UPDATE generation_generation SET fair_finish = 100.5 + %(rows)s * 0.75 WHERE id = %(mine)s;
    ANALYZE generation_generation;
"""
"""A quarter of the queue fits no machine, and nothing needs the larger of two: the search for that must not be long."""
UNDO = """
    UPDATE generation_generation SET state = 'queued', attempt = 0, dispatched_at = NULL
    WHERE state = 'dispatched' AND preset <> 'parked'
"""
PARK = """
    UPDATE generation_generation SET state = CASE WHEN steps <= %s THEN 'dispatched' ELSE 'cancelled' END
    WHERE preset = 'parked'
"""
"""So many that two places are free, as on a busy site."""
FREE = 2


def set_up_django() -> None:
    os.environ |= {"DJANGO_SETTINGS_MODULE": "loremotion.settings", "DEBUG": "1"}  # static files by their own names
    import django
    from django.conf import settings
    from django.test.utils import setup_test_environment

    django.setup()
    settings.DEBUG = False
    setup_test_environment()


class Scene:
    """A queue of ``rows`` clips before and behind one that a visitor has open."""

    def __init__(self, rows: int, servers: Sequence[int]) -> None:
        from django.core import signing
        from django.db import connection
        from django.test import Client

        from generation.scheduling.capacity import places_for
        from loremotion.valkey import connection as valkey
        from tests.generation import factories

        self.servers = servers
        self.valkey = valkey()
        self.valkey.flushdb()
        factories.model()
        visitor = factories.visitor(credits=1_000)
        self._machines("small")
        mine = factories.submitted(visitor.workspace)
        with connection.cursor() as cursor:
            cursor.execute(UNDO)
            cursor.execute(FILL, {"mine": mine.id, "rows": rows, "parked": places_for(len(MACHINES), len(MACHINES))})
            cursor.execute(
                "SELECT id FROM generation_generation WHERE state = 'queued' ORDER BY fair_finish DESC LIMIT %s",
                [WATCHERS],
            )
            self.watched: list[UUID] = [each for (each,) in cursor.fetchall()]
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        self.mine = mine
        self.client = Client()
        self.client.cookies["visitor"] = signing.dumps(str(visitor.id), salt="accounts.visitors")
        self._restore()
        for _ in range(30):  # as after a minute: what the beat learns of the queue is learned
            self._beat()
        self._restore()

    def measure(self, name: str, count: int) -> list[Took]:
        """Return what each of ``count`` times took."""
        return [getattr(self, f"_time_{name}")() for _ in range(count)]

    def explain(self) -> list[str]:
        """What PostgreSQL does for one look and for one dispatch among unequal cards."""
        from django.db import connection

        from generation.live.polling import snapshots_of
        from generation.scheduling import dispatch

        with recorded() as looks:
            snapshots_of([self.mine.id], {self.mine.id})
        self._machines("small", "large")
        with recorded() as dispatches:
            dispatch.fill_window()
        self._restore()
        lines = []
        for title, statements in (("one look", looks), ("dispatch among unequal cards", dispatches)):
            for sql, values in statements:
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, BUFFERS OFF) {sql}", values)
                    lines += [
                        f"{title}: {' '.join(sql.split())[:110]}",
                        *(f"    {row}" for (row,) in cursor.fetchall()),
                    ]
        return lines

    def _time_page(self) -> Took:
        return self._ask(f"/generations/{self.mine.id}/")

    def _time_api(self) -> Took:
        return self._ask(f"/v1/videos/{self.mine.id}")

    def _time_tick(self) -> Took:
        from generation.live.polling import snapshots_of

        ids = self.watched[:10]
        return self._taken(lambda: snapshots_of(ids, set(ids)))

    def _time_watchers(self) -> Took:
        from generation.live.polling import snapshots_of

        return self._taken(lambda: snapshots_of(self.watched, set(self.watched)))

    def _time_dispatch(self) -> Took:
        return self._dispatch("small")

    def _time_dispatch_unequal(self) -> Took:
        return self._dispatch("small", "large")

    def _time_housekeeping(self) -> Took:
        try:
            return self._taken(self._beat)
        finally:
            self._restore()

    def _dispatch(self, *machines: str) -> Took:
        from generation.scheduling import dispatch

        self._machines(*machines)
        try:
            return self._taken(dispatch.fill_window)
        finally:
            self._restore()

    def _beat(self) -> None:
        from generation.settlement import housekeeping

        housekeeping.beat()

    def _ask(self, path: str) -> Took:
        answer: Any = None

        def ask() -> None:
            nonlocal answer
            answer = self.client.get(path)

        took = self._taken(ask)
        assert answer.status_code == 200, answer
        return took

    def _taken(self, work: Callable[[], object]) -> Took:
        spent, began = processor_ms(self.servers), time.perf_counter()
        work()
        wall = (time.perf_counter() - began) * 1000
        return Took(wall, processor_ms(self.servers) - spent)

    def _restore(self) -> None:
        """The queue as it was, with one small machine on and nothing in the window."""
        from django.db import connection

        from generation.scheduling import dispatch

        with connection.cursor() as cursor:
            cursor.execute(UNDO)
        dispatch.render_queue().empty()
        self._machines("small")

    def _machines(self, *names: str) -> None:
        from django.db import connection

        from generation.scheduling.capacity import places_for
        from gpu_worker.valkey_names import WORKERS_KEY, worker_key
        from gpu_worker.worker_status import WorkerStatus

        with connection.cursor() as cursor:
            cursor.execute(PARK, [places_for(len(names), len(names)) - FREE])
        self.valkey.delete(WORKERS_KEY)
        for name in names:
            status = WorkerStatus(name=name, host="h", pid=1, device="cuda:0", budget_bytes=MACHINES[name])
            self.valkey.zadd(WORKERS_KEY, {name: time.time()})
            self.valkey.set(worker_key(name), json.dumps(status.to_wire()), ex=600)


@contextmanager
def recorded() -> Iterator[list[tuple[str, Any]]]:
    """The queries about the queue that PostgreSQL gets within the block, with their values."""
    from django.db import connection

    found: list[tuple[str, Any]] = []

    def note(execute: Callable[..., Any], sql: str, values: Any, many: bool, context: Any) -> Any:
        if "generation_generation" in sql and sql.lstrip().startswith(("SELECT", "WITH", "(")):
            found.append((sql, values))
        return execute(sql, values, many, context)

    with connection.execute_wrapper(note):
        yield found


class Took(NamedTuple):
    """Milliseconds."""

    wall: float
    processor: float
    """Of this process, PostgreSQL's and Valkey's, together."""


def processor_ms(servers: Iterable[int]) -> float:
    """Return the processor time so far of this process, of ``servers`` and of their children."""
    spent = time.process_time() * 1000
    for server in servers:
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        for pid in (server, *children):
            with suppress(FileNotFoundError, ProcessLookupError):  # a process of PostgreSQL's that has ended since
                spent += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
    return spent


def main() -> None:
    set_up_django()
    logging.disable(logging.WARNING)
    rows, *servers = map(int, sys.argv[1:])
    scene = Scene(rows, servers)
    print("ready", flush=True)
    for line in sys.stdin:
        name, _, count = line.strip().partition(" ")
        answer = scene.explain() if name == "explain" else scene.measure(name, int(count))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
