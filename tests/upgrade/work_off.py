"""A process that migrates the database, then works off every queue of the site and keeps house until nothing is open.

Prints what it found at the end as JSON. The GPU worker is a process of its own beside it.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import django

PATIENCE_SECONDS = 240.0


def round_of_everything() -> None:
    from django.conf import settings

    from generation.settlement import housekeeping
    from loremotion import queue_worker

    for name in settings.QUEUE_JOBS:
        queue_worker.work(name, burst=True)
    housekeeping.beat()


def rows(question: str) -> list[dict[str, Any]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT row_to_json(found)::text FROM ({question}) found")  # noqa: S608 - questions of ours
        return [json.loads(row) for (row,) in cursor.fetchall()]


def unfinished() -> dict[str, Any]:
    """What still waits for somebody, by where it waits; nothing when the upgrade is through."""
    from loremotion.valkey import connection

    valkey = connection()
    queues = {key.decode(): valkey.llen(key) for key in valkey.scan_iter("rq:queue:*", _type="list")}
    waiting = {
        "requests": rows("SELECT prompt, state, attempt FROM generation_generation WHERE finished_at IS NULL"),
        "holds": rows("SELECT * FROM ledger_hold WHERE state = 'open'"),
        "events of Stripe": rows("SELECT type, state, last_error FROM shop_stripeevent WHERE state <> 'done'"),
        "webhooks": rows("SELECT event_type, state, last_error FROM outbox_delivery WHERE state <> 'sent'"),
        "mail": rows("SELECT state, last_error FROM outbox_letter WHERE state <> 'sent'"),
        "queues": {name: length for name, length in queues.items() if length},
        "begun in RQ": [key.decode() for key in valkey.scan_iter("rq:wip:*") if valkey.zcard(key)],
    }
    return {where: what for where, what in waiting.items() if what}


def main() -> None:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("seed", stdout=sys.stderr)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while unfinished() and time.monotonic() < deadline:
        round_of_everything()
        time.sleep(0.5)
    call_command("audit_ledger", stdout=sys.stderr)
    states = "SELECT prompt, state, error_code FROM generation_generation ORDER BY created_at"
    json.dump({"unfinished": unfinished(), "requests": rows(states)}, sys.stdout)


if __name__ == "__main__":
    main()
