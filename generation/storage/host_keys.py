"""What GPU hosts may write in Valkey, kept to what clips need: Valkey has one limit of memory for all of its users.

A host that was taken over can write faster than anything is swept. The operator is told of it
(``loremotion.valkey_memory``) and shuts it out; what it wrote is gone a while later, and nobody has to know its keys.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

from redis.client import Pipeline

from generation.models import Generation
from generation.storage import traces
from loremotion import valkey_memory
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

KEYS_AT_ONCE: Final = 500
MOST_LOOKS: Final = 40
"""Of so many keys each, in a round while memory is short; one otherwise."""
SHORT_SHARE: Final = 0.5
"""Of Valkey's memory in use, from which on it is swept as fast as that."""
KEPT_SECONDS: Final = 7 * 24 * 3600
"""How long stays what its writer gave no end. A job that still waits then is put in line anew."""
MOST_BYTES: Final = 4 * 2**20
"""Of one record of a clip, or of a worker."""
MOST_BYTES_OF_MANY: Final = 16 * 2**20
"""Of a clip's progress, of a thousand entries with a picture each, and of what is kept of all clips or workers."""
MOST_PARTS: Final = 100_000
_COUNTED_BY: Final[Mapping[bytes, Callable[[Pipeline, bytes], object]]] = {
    b"hash": Pipeline.hlen,
    b"zset": Pipeline.zcard,
    b"set": Pipeline.scard,
    b"list": Pipeline.llen,
    b"stream": Pipeline.xlen,
}

_UUID: Final = rb".{8}-.{4}-.{4}-.{4}-.{12}"
_OF_JOB: Final = re.compile(
    rb"(?:rq:(?:job::?|results:|executions?:)|rq:queue:render:intermediate:first_seen:)"
    rb"((?:render|reports)-[^:]*)(?::.*)?",
    re.DOTALL,
)
_PROGRESS: Final = re.compile(rb"generation:(" + _UUID + rb")", re.DOTALL)
_WORKER: Final = re.compile(rb"(?:gpu:worker:|rq:worker:gpu:).*", re.DOTALL)
_OF_ALL: Final = frozenset(
    f"rq:{name}".encode()
    for name in ("queue:render:intermediate", "queue:reports", "wip:render", "finished:render", "failed:render")
) | {b"rq:workers:render", b"rq:clean_registries:render", b"gpu:workers", b"process:gpu"}
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_cursor = 0


def sweep() -> None:
    """Delete what no clip needs, and what is larger than any is, of the next keys in Valkey's own order.

    Raises:
        RedisError: Valkey is away.
    """
    global _cursor
    looks = MOST_LOOKS if valkey_memory.used_share() >= SHORT_SHARE else 1
    found: list[tuple[int, int]] = []
    for _ in range(looks):
        _cursor, keys = cast(tuple[int, list[bytes]], connection().scan(cursor=_cursor, count=KEYS_AT_ONCE))
        found.append(_look_at([key for key in keys if _is_of_host(key)]))
        if _cursor == 0:
            break
    if keys_deleted := sum(count for count, _ in found):
        logger.info("Deleted %d keys of GPU hosts in Valkey, %d bytes", keys_deleted, sum(size for _, size in found))


def _is_of_host(key: bytes) -> bool:
    return key in _OF_ALL or any(kind.fullmatch(key) for kind in (_OF_JOB, _PROGRESS, _WORKER))


def _look_at(keys: list[bytes]) -> tuple[int, int]:
    """Delete some of the keys and give the others an end. Returns how many were deleted, and of how many bytes."""
    if not keys:
        return 0, 0
    sizes = _sizes_of(keys)
    attempts = _attempts_of(filter(None, map(_clip_of, keys)))
    dropped = [key for key in keys if sizes[key] > _most_bytes(key) or not _is_needed(key, attempts)]
    with connection().pipeline(transaction=False) as pipeline:
        for key in set(keys) - set(dropped) - _OF_ALL:
            pipeline.expire(key, KEPT_SECONDS, nx=True)
        if dropped:
            pipeline.unlink(*dropped)
        pipeline.execute()
    return len(dropped), sum(sizes[key] for key in dropped)


def _sizes_of(keys: list[bytes]) -> dict[bytes, int]:
    """The bytes that each takes. One of so many parts that counting them would hold Valkey up counts as too large."""
    with connection().pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.type(key)
        kinds = pipeline.execute()
        counted = [(key, _COUNTED_BY[kind]) for key, kind in zip(keys, kinds, strict=True) if kind in _COUNTED_BY]
        for key, command in counted:
            command(pipeline, key)
        parts = pipeline.execute(raise_on_error=False)  # it may be another kind by now
        sizes = {
            key: 2 * MOST_BYTES_OF_MANY
            for (key, _), count in zip(counted, parts, strict=True)
            if isinstance(count, int) and count > MOST_PARTS
        }
        measured = [key for key in keys if key not in sizes]
        for key in measured:
            pipeline.memory_usage(key, samples=0)
        return sizes | dict(zip(measured, (size or 0 for size in pipeline.execute()), strict=True))


def _most_bytes(key: bytes) -> int:
    return MOST_BYTES_OF_MANY if key in _OF_ALL or _PROGRESS.fullmatch(key) else MOST_BYTES


def _is_needed(key: bytes, attempts: Mapping[str, int]) -> bool:
    """Whether the key is one that a clip of ours has, or no clip's at all."""
    if _PROGRESS.fullmatch(key):
        return _clip_of(key) in attempts
    if (job := _OF_JOB.fullmatch(key)) is None:
        return True
    clip_id = _clip_of(key)
    return clip_id in attempts and job[1].decode() in set(traces.job_ids(clip_id, attempts[clip_id]))


def _clip_of(key: bytes) -> str:
    """The id in the key; empty where there is none."""
    named = _PROGRESS.fullmatch(key) or _OF_JOB.fullmatch(key)
    found = _ID.search(named[1].decode(errors="replace")) if named is not None else None
    return found[0] if found is not None else ""


def _attempts_of(clip_ids: Iterable[str]) -> dict[str, int]:
    """The attempts of those that there are."""
    known = Generation.objects.filter(id__in=set(clip_ids)).values_list("id", "attempt")
    return {str(clip_id): attempt for clip_id, attempt in known}
