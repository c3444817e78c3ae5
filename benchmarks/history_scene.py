"""A site with so much history and what is looked at there; ``benchmarks.history`` runs two, each in a process.

    python -m benchmarks.history_scene 1000000 412 413    # as benchmarks.queue_scene

Half of the clips are one workspace's, the rest of a thousand others. Each has its hold and its movement in the books,
and a succeeded one its file's row; deliveries of webhooks and lines of the audit log there are as many.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from benchmarks.queue_scene import processor_ms, set_up_django

OTHERS: Final = 1000
FILL: Final = """
    SET session_replication_role = replica;
    INSERT INTO accounts_workspace (id, kind, name, makes_private_clips, created_at)
    SELECT md5('workspace ' || n)::uuid, 'team', 'team ' || n, false, now()
    FROM generate_series(0, %(others)s - 1) AS n;
    CREATE TEMP TABLE told AS
    SELECT n, md5('clip ' || n)::uuid AS id, now() - n * interval '10 seconds' AS at,
        CASE WHEN n %% 2 = 0 THEN %(mine)s::uuid ELSE md5('workspace ' || n %% %(others)s)::uuid END AS workspace,
        CASE WHEN n %% 10 = 3 THEN 'failed' WHEN n %% 10 = 7 THEN 'cancelled' ELSE 'succeeded' END AS state
    FROM generate_series(1, %(rows)s) AS n;
    INSERT INTO generation_generation
    SELECT filled.*
    FROM (SELECT to_jsonb(made) AS row FROM generation_generation AS made WHERE id = %(example)s) AS one, told,
        LATERAL jsonb_populate_record(null::generation_generation, one.row || jsonb_build_object(
            'id', told.id, 'workspace_id', told.workspace, 'state', told.state, 'seed', told.n,
            'prompt', 'take ' || told.n || ' of a red circle', 'user_ref', 'order-' || told.n, 'fair_finish', told.n,
            'is_favourite', told.n %% 100 = 0, 'created_at', told.at, 'dispatched_at', told.at, 'started_at', told.at,
            'finished_at', told.at + interval '5 seconds', 'flow', '', 'network', '')) AS filled;
    INSERT INTO generation_clip (generation_id, width, height, num_frames, fps, duration_seconds, size_bytes, sha256,
        has_audio, created_at, expires_at, left_out_credentials)
    SELECT id, 384, 384, 17, 8, 2, 40000, md5(id::text), false, at, now() + interval '30 days', false
    FROM told WHERE state = 'succeeded';
    INSERT INTO ledger_hold (id, account_id, amount, quote, expires_at, held_at, held_seq, state, captured, released,
        settled_at, settled_seq)
    SELECT id, workspace, 2, '{"credits": 2}', at, at, 1000 + 2 * n,
        CASE WHEN state = 'succeeded' THEN 'captured' ELSE 'released' END,
        CASE WHEN state = 'succeeded' THEN 2 ELSE 0 END, CASE WHEN state = 'succeeded' THEN 0 ELSE 2 END,
        at, 1001 + 2 * n
    FROM told;
    INSERT INTO ledger_transaction (account_id, seq, kind, reference, request, response, actor, reason, available,
        held, debt, previous_hash, hash, created_at)
    SELECT workspace, 1001 + 2 * (%(rows)s - n), 'settle', id::text, '{}', '{}', '', '', 1000, 0, 0, '\\x00',
        '\\x00', at
    FROM told;
    INSERT INTO ledger_entry (account_id, seq, leg, lot_id, code, amount)
    SELECT workspace, 1001 + 2 * (%(rows)s - n), leg, %(lot)s, CASE leg WHEN 1 THEN 'held' ELSE 'consumed' END,
        3 - 2 * leg
    FROM told, generate_series(1, 2) AS leg;
    INSERT INTO accounts_auditentry (workspace_id, event, actor, subject, detail, network, at)
    SELECT workspace, 'clip.deleted', 'somebody', id::text, '{}', '', at FROM told ORDER BY at;
    INSERT INTO outbox_delivery (endpoint_id, event_id, event_type, video_id, is_test, state, attempts, due_at,
        ended_at, expires_at, created_at, last_error, last_answer)
    SELECT %(endpoint)s, 'evt_' || id, 'video.completed', id, false, 'sent', 1, at, at, at, at, '', ''
    FROM told ORDER BY at;
    DROP TABLE told;
    SET session_replication_role = origin;
"""
OF_MEMBER: Final = {
    "/": "the first page",
    "/history/": "the library",
    "/history/?before={deep}": "the library, far down",
    "/history/?q=circle": "the library, searched for a word of every prompt",
    "/history/?q={rows}": "the library, searched for a word of one prompt",
    "/billing/": "credits",
    "/billing/?before={deep_movement}": "credits, far down",
    "/billing/usage/?since={since}": "usage of 31 days",
    "/workspace/audit/": "the audit log",
    "/workspace/webhooks/": "webhooks",
    "/workspace/webhooks/{endpoint}/": "an endpoint's deliveries",
    "/status/": "status",
    "/explore/": "explore",
}
OF_PROGRAM: Final = {
    "/v1/videos": "videos",
    "/v1/videos?after={deep}": "videos, far down",
    "/v1/videos?user_ref=order-{rows}": "videos of one user_ref",
    "/v1/usage?since={since}": "usage of 31 days",
    "/v1/webhook_endpoints/{endpoint}/deliveries": "an endpoint's deliveries",
    "/v1/me": "me",
}
OF_STAFF: Final = {
    "/admin/": "the first page",
    "/admin/generation/generation/": "clips",
    "/admin/generation/generation/?q={deep}": "clips, one by its id",
    "/admin/billing/hold/": "holds",
    "/admin/webhooks/delivery/": "deliveries",
    "/admin/audit/": "the audit log",
    "/admin/customers/{mine}/": "a customer",
    "/admin/money/": "revenue and liability",
    "/admin/system/": "processes and queues",
    "/admin/catalogue/": "models",
}
PAGES: Final = {"member": OF_MEMBER, "program": OF_PROGRAM, "staff": OF_STAFF}


class Scene:
    """A member, a program and staff, with ``rows`` clips behind them."""

    def __init__(self, rows: int, servers: Sequence[int]) -> None:
        from django.db import connection
        from django.test import Client

        from accounts import api_keys
        from accounts.roles import BY_ROLE, Role
        from billing import ledger
        from billing.models import Lot
        from generation import spending
        from generation.models import SpentDay
        from generation.webhooks import endpoints
        from loremotion.valkey import connection as valkey
        from tests.accounts import factories as people
        from tests.generation import factories

        self.servers = servers
        valkey().flushdb()
        factories.model()
        alice = people.person()
        studio = people.team(alice)
        ledger.grant(account=studio.id, reference="history", amount=1_000, kind=ledger.LotKind.PACK)
        made = factories.submitted(studio)
        endpoint, _ = endpoints.create(
            workspace=studio, actor="", name="Ours", url="https://1.1.1.1/hooks", event_types=["video.completed"]
        )
        allowed, scopes = BY_ROLE[Role.OWNER], ["read", "generate", "admin"]
        _, key = api_keys.issue(workspace=studio, by=alice, allowed=allowed, name="history", scopes=scopes)
        lot = Lot.objects.get(account=studio.id).id
        values: dict[str, Any] = {
            "lot": lot,
            "rows": rows,
            "others": OTHERS,
            "mine": studio.id,
            "example": made.id,
            "endpoint": endpoint.id,
        }
        with connection.cursor() as cursor:
            cursor.execute(FILL, values)
            deep = rows * 9 // 10 // 2 * 2
            cursor.execute("SELECT md5('clip ' || %s)::uuid", [deep])
            found: UUID = cursor.fetchone()[0]
        connection.close()
        spending.recount(studio.id)  # the triggers slept
        while SpentDay.objects.filter(is_summed=False).exists():
            spending.sum_up()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        self.known = {
            "deep": found,
            "rows": deep,
            "deep_movement": 1001 + 2 * (rows - deep),
            "endpoint": endpoint.id,
            "mine": studio.id,
            "since": datetime.now(UTC).date() - timedelta(days=30),
        }
        staff = people.browser_of(people.person("staff@example.org", is_staff=True))
        self.callers: dict[str, Callable[[str], Any]] = {
            "member": people.browser_of(alice, studio).get,
            "program": lambda path: Client().get(path, headers={"Authorization": f"Bearer {key}"}),
            "staff": staff.get,
        }

    def measure(self, who: str, page: str, count: int) -> dict[str, Any]:
        """Milliseconds of the processor that each of ``count`` looks took, and the questions that one asks."""
        path = page.format(**self.known)
        self._ask(who, path)  # what is written on a first look is there
        with counted() as asked:
            self._ask(who, path)
        took = []
        for _ in range(count):
            spent, began = processor_ms(self.servers), time.perf_counter()
            self._ask(who, path)
            took.append((1000 * (time.perf_counter() - began), processor_ms(self.servers) - spent))
        return {"queries": len(asked), "took": took}

    def _ask(self, who: str, path: str) -> None:
        answer = self.callers[who](path)
        if answer.status_code != 200:
            raise RuntimeError(f"{who} {path}: {answer.status_code} {answer.content[:300]!r}")
        if answer.streaming:
            b"".join(answer.streaming_content)


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that the site sends within the block."""
    from django.db import connection

    asked: list[str] = []

    def note(execute: Callable[..., Any], sql: str, values: Any, many: bool, context: Any) -> Any:
        asked.append(sql)
        return execute(sql, values, many, context)

    with connection.execute_wrapper(note):
        yield asked


def main() -> None:
    set_up_django()
    logging.disable(logging.ERROR)
    rows, *servers = map(int, sys.argv[1:])
    scene = Scene(rows, servers)
    print("ready", flush=True)
    for line in sys.stdin:
        who, page, count = json.loads(line)
        print(json.dumps(scene.measure(who, page, count)), flush=True)


if __name__ == "__main__":
    main()
