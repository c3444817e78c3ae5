"""Records that somebody who writes to Valkey could leave for a worker, to have it do more than it may."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from rq.job import Job

MODULE = "module_of_a_stranger"
"""Lies on the path in these tests, and leaves ``proof`` behind as soon as it is imported."""


class Unpickled:
    """Touches a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.proof,)


def lay_module(folder: Path, proof: Path) -> None:
    (folder / f"{MODULE}.py").write_text(
        f"import pathlib\npathlib.Path({str(proof)!r}).touch()\ndef called(*arguments, **more):\n    pass\n"
    )
    sys.modules.pop(MODULE, None)


def call(name: object, *arguments: object, instance: object = None) -> bytes:
    """A call as RQ writes it."""
    return zlib.compress(json.dumps([name, instance, arguments, {}]).encode())


def write(
    connection: redis.Redis, queue: str, job_id: str, data: bytes, *, is_in_line: bool = True, **more: Any
) -> None:
    """A record of RQ, and its place in line."""
    record: dict[str, Any] = {
        "data": data,
        "status": "queued",
        "origin": queue,
        "timeout": 60,
        "created_at": "2026-11-28T00:00:00.0Z",
    }
    connection.hset(Job.key_for(job_id), mapping=record | more)
    if is_in_line:
        connection.rpush(f"rq:queue:{queue}", job_id)


def damaged(data: bytes, fields: dict[str, Any]) -> dict[str, Any]:
    """What ``write`` is to write of a call in whose record somebody has put ``fields``."""
    return {"data": data} | fields


NAMES = [
    "os.system",
    "eval",
    "builtins.exec",
    f"{MODULE}.called",
    "generation.reports.RenderReport.from_wire",
    "gpu_worker.rq_seams.allowed_jobs.Job.fetch",
    "",
    "…",
]
NO_NAMES: list[object] = [None, 7, ["os.system"], {"os": "system"}, "instance"]
EXTRAS: dict[str, dict[str, Any]] = {
    "success callback": {"success_callback_name": f"{MODULE}.called"},
    "failure callback": {"failure_callback_name": f"{MODULE}.called"},
    "stopped callback": {"stopped_callback_name": f"{MODULE}.called"},
    "webhook": {"webhooks": json.dumps([{"url": "http://127.0.0.1:1/", "job_status": "failed"}])},
    "retry": {"retries_left": 3},
    "dependency": {"dependency_ids": json.dumps(["another"]), "dependency_id": "another"},
    "repeat": {"repeats_left": 5, "repeat_intervals": json.dumps([1])},
    "rate limit": {"rate_limit_key": "k", "rate_limit_concurrency": 1},
    "group": {"group_id": "g"},
    "meta": {"meta": json.dumps({"a": 1})},
    "what RQ may bring one day": {"setup_function_name": f"{MODULE}.called"},
}
UNREADABLE: dict[str, dict[str, Any]] = {
    "time limit": {"timeout": "abc"},
    "no time limit": {"timeout": -1},
    "time limit beyond the clock": {"timeout": 10**30},
    "lifetime": {"result_ttl": "for ever"},
    "lifetime beyond Valkey": {"failure_ttl": 10**30},
    "status": {"status": "no such status"},
    "time": {"enqueued_at": "yesterday"},
    "bytes": {"origin": b"\xff\xfe"},
    "call": {"data": b"\x80\x04junk"},
}
BOMB = zlib.compress(bytes(64 * 2**20))
