"""The users of GPU hosts at the run's Valkey, and what belongs to the website alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import redis
from django.conf import settings as django_settings

from gpu_worker.rq_seams import scripts, valkey_rights
from gpu_worker.valkey_names import RENDER_QUEUE

PASSWORD = "of the fleet"
CLIP = "5e0a4b68-5c55-4d0f-9c3b-0d4c57d1f7b1"

FOREIGN = [
    "rq:queue:mail",
    "rq:queue:stripe",
    "rq:queue:webhooks",
    "rq:queue:signing",
    "rq:queue:signing:intermediate",
    "rq:wip:signing",
    "rq:job:signing-5e0a4b68-5c55-4d0f-9c3b-0d4c57d1f7b1-1",
    "rq:queue:mail:intermediate",
    "rq:queue:reports:intermediate",
    f"rq:job:{CLIP}",
    "rq:job:letter-7-0-29000000",
    "rq:job:letter-7-0-29000000:dependents",
    "rq:results:letter-7-0-29000000",
    "rq:execution:letter-7-0-29000000:1",
    "rq:executions:letter-7-0-29000000",
    "rq:wip:mail",
    "rq:wip:reports",
    "rq:finished:reports",
    "rq:failed:mail",
    "rq:workers",
    "rq:workers:mail",
    "rq:worker:5e0a4b685c554d0f9c3b0d4c57d1f7b1",
    "rq:worker:5e0a4b685c554d0f9c3b0d4c57d1f7b1:executions",
    "rq:queues",
    "rq:suspended",
    "rq:groups",
    "rq:clean_registries:mail",
    "rq:scheduled:mail",
    "rq:rl:mail",
    "cache:1:limit",
    "process:web",
    "process:told",
    "device-login:code:BCDF",
    "limits:making:key:1",
    "limits:report:of-a-network",
    "crowds:newcomers:of-a-network",
    "crowds:used:a-challenge",
    "refused:a-sending",
    "traces:again",
    f"popped:render-{CLIP}-1",
    "alert:a-kind",
    "forecast:clips",
    "forecast:places",
    "anything",
]


@contextmanager
def user_of(valkey: redis.Redis, worker: str, queue: str = RENDER_QUEUE) -> Iterator[str]:
    """The address under a user for this worker, until the end."""
    told(valkey, "ACL", "SETUSER", *valkey_rights.user_line(PASSWORD, worker=worker, queue=queue).split()[1:])
    scripts.load(valkey)
    told(valkey, "ACL", "LOG", "RESET")
    parts = urlsplit(django_settings.REDIS_URL)
    try:
        yield f"redis://{valkey_rights.USER}:{quote(PASSWORD)}@{parts.hostname}:{parts.port}{parts.path}"
    finally:
        told(valkey, "ACL", "DELUSER", valkey_rights.USER)


def told(connection: Any, *command: Any) -> Any:
    """What the server answers to a command in its own words."""
    return connection.execute_command(*command)


def refusal(valkey: redis.Redis, *command: Any) -> str:
    """Why the user may not run it; empty where it may."""
    answer = told(valkey, "ACL", "DRYRUN", valkey_rights.USER, *command)
    return "" if answer in (b"OK", True) else answer.decode()
