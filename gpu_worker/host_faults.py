"""What is wrong with a GPU host, told to the website, which tells its operator.

A host says a word of a table, and the sentence is the reader's: what a host writes is neither shown nor mailed, save a
name that a worker may have.
"""

from __future__ import annotations

import enum
import logging
import re
from typing import Final, cast

import redis
from redis.exceptions import NoPermissionError

from gpu_worker.liveness import MOST_WORKERS
from gpu_worker.valkey import Unreachable
from gpu_worker.valkey_names import WORKERS_KEY

logger = logging.getLogger(__name__)

REMEMBERED_SECONDS: Final = 3600
MOST_TOLD: Final = 5
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


class HostFault(enum.StrEnum):
    """The word on the wire."""

    KEEPS_DYING = "keeps_dying"
    CANNOT_START = "cannot_start"
    NO_SANDBOX = "no_sandbox"
    NO_SECCOMP = "no_seccomp"
    CLOCK = "clock"
    DISK_FULL = "disk_full"


WORDS: Final = {
    HostFault.KEEPS_DYING: "dies again and again",
    HostFault.CANNOT_START: "cannot start with its settings",
    HostFault.NO_SANDBOX: "cannot read what people send, since its sandbox does not start",
    HostFault.NO_SECCOMP: "reads what people send without seccomp",
    HostFault.CLOCK: "has a clock that is off: set it by NTP",
    HostFault.DISK_FULL: "takes nothing, since its disk is full",
}
"""What an operator is told, after the worker's name."""


def fault_key(name: str) -> str:
    """Where the last fault of a worker and its host stands for an hour."""
    return f"gpu:worker:{name}:fault"


def tell(connection: redis.Redis, name: str, fault: HostFault, *, now: float) -> None:
    """Tell the website. It is in the log of this host too, so what Valkey does not hear is not lost."""
    try:
        with connection.pipeline(transaction=False) as pipeline:
            pipeline.zadd(WORKERS_KEY, {name: now})
            pipeline.set(fault_key(name), fault.value, ex=REMEMBERED_SECONDS)
            pipeline.execute()
    except (NoPermissionError, *Unreachable) as problem:
        logger.warning("The website is not told that this worker %s: %s", WORDS[fault], problem)


def sentences(connection: redis.Redis) -> list[str]:
    """Return a sentence for each worker that said something within the hour, a few at most, by name.

    Raises:
        RedisError: Valkey is away.
    """
    raw = cast(list[bytes], connection.zrange(WORKERS_KEY, 0, MOST_WORKERS - 1))
    names = sorted(name for name in (one.decode(errors="replace") for one in raw) if _NAME.fullmatch(name))
    said = cast(list[bytes | None], connection.mget([fault_key(name) for name in names])) if names else []
    known: dict[bytes | None, str] = {fault.value.encode(): words for fault, words in WORDS.items()}
    return [f"{name} {known[word]}" for name, word in zip(names, said, strict=True) if word in known][:MOST_TOLD]
