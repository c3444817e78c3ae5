"""What a GPU host may do in Valkey: which commands on which keys, as a rule of Valkey's access control list.

Jobs of all queues lie side by side in RQ, so the rule goes by ids: those of renders and reports begin with the name of
their queue (``gpu_worker.valkey_names``). What is not named here Valkey itself refuses, whatever runs on the host:
mail, payments and webhooks, their workers, caches and limits of the website, commands to other processes. Renders are
the fleet's, read and written; reports can be added, and neither read nor taken away.

Needs Valkey 7.2 or Redis 7: the brackets (selectors) let a command touch some keys and not others.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from gpu_worker.valkey_names import REMOTE_QUEUE, RENDER_QUEUE

USER = "gpu"
ANY_WORKER = "*"

_UUID = "-".join("?" * digits for digits in (8, 4, 4, 4, 12))
WITHOUT_KEYS = (
    "auth hello ping select quit client|setinfo client|setname client|info time "
    "multi exec discard unwatch subscribe unsubscribe"
)


@dataclass(frozen=True, slots=True)
class Right:
    """Some commands on some keys. ``read`` and ``write`` keep to what a command looks at, and to what it changes."""

    commands: str
    keys: str = ""
    read: str = ""
    write: str = ""

    def __str__(self) -> str:
        patterns = [f"~{key}" for key in self.keys.split()]
        patterns += [f"%R~{key}" for key in self.read.split()] + [f"%W~{key}" for key in self.write.split()]
        return f"({' '.join(patterns)} {_granted(self.commands)})"


def rights(worker: str = ANY_WORKER, queue: str = RENDER_QUEUE) -> tuple[Right, ...]:
    """What the worker of this name does with which keys: one with a card, or a remote one by its ``queue``."""
    rq_worker = f"rq:worker:gpu:{worker}"
    kept = " ".join(f"rq:{registry}:{queue}" for registry in ("wip", "finished", "failed"))
    line, taken = f"rq:queue:{queue}", f"rq:queue:{queue}:intermediate"
    return (
        # The line: nobody on a GPU host puts anything into it.
        Right("lrange lrem blmove", line),
        Right("lrange lrem rpush", taken),
        Right("get set", f"{taken}:first_seen:render-*"),
        Right("evalsha", f"{line} {taken} gpu:worker:{worker}:holding"),
        # What RQ keeps of a render.
        Right(
            "hgetall hget hmget hset hincrby hkeys exists expire persist del watch smembers evalsha",
            "rq:job:render-* rq:job::render-*",
        ),
        Right("hset hgetall expire del", "rq:execution:render-*"),
        Right("zadd zrem zrange zremrangebyscore expire del", "rq:executions:render-*"),
        Right("xadd expire del", write="rq:results:render-*"),
        Right(
            "zadd zrem zrange zrangebyscore zremrangebyscore",
            kept,
        ),
        Right("set del", f"rq:clean_registries:{queue}"),
        # The worker, to RQ and to the website.
        Right("sadd srem smembers", f"rq:workers:{queue}"),
        Right("exists", "rq:worker:gpu:*"),
        Right("hexists hset hincrby hincrbyfloat expire del", rq_worker),
        Right("sadd srem smembers expire del", f"{rq_worker}:executions"),
        Right("zadd zrem zrange zremrangebyscore", "gpu:workers"),
        Right("get mget", read="gpu:worker:*"),
        Right("exists", read="gpu:drain:*"),
        Right("set del", write=f"gpu:worker:{worker} gpu:worker:{worker}:holding gpu:worker:{worker}:fault"),
        Right("set", write="process:remote" if queue == REMOTE_QUEUE else "process:gpu"),
        # What it says of a render. The pattern leaves out the key by which the website cancels one.
        Right("xadd expire", write=f"generation:{_UUID}"),
        Right("exists", read="generation:*:cancel"),
        *([Right("get set", f"generation:{_UUID}:remote")] if queue == REMOTE_QUEUE else []),
        Right("exists hset expire", write="rq:job:reports-*"),
        Right("rpush", write="rq:queue:reports"),
        Right("evalsha", "rq:job:reports-* rq:queue:reports"),
    )


def rule(worker: str = ANY_WORKER, queue: str = RENDER_QUEUE) -> str:
    """Return the rule as ``ACL SETUSER`` takes it, without user and password.

    Args:
        worker: ``GPU_WORKER_NAME`` of the only host that gets this user; all hosts by default.

    Raises:
        ValueError: no worker is called that.
    """
    if worker != ANY_WORKER and not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", worker):
        raise ValueError(f"{worker!r} is no name of a GPU worker")
    selectors = " ".join(map(str, rights(worker, queue)))
    return f"resetkeys resetchannels -@all &rq:pubsub:gpu:{worker} {_granted(WITHOUT_KEYS)} {selectors}"


def user_line(password: str, *, user: str = USER, worker: str = ANY_WORKER, queue: str = RENDER_QUEUE) -> str:
    """Return the user's line of an ACL file. Of the password it holds the digest, and ``ACL SETUSER`` takes it too."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"user {user} reset on #{digest} {rule(worker, queue)}"


def _granted(commands: str) -> str:
    return " ".join(f"+{command}" for command in commands.split())
