"""Whether this web process can serve, and whether every process of the site does its work."""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg
import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from gpu_worker import host_faults, last_work
from gpu_worker.last_work import LastWork
from loremotion import valkey, valkey_memory

logger = logging.getLogger(__name__)

WEB: Final = "web"
BEAT: Final = "beat"
CONNECT_SECONDS: Final = 2
LEAST_FREE_BYTES: Final = 64 * 2**20
"""With less, what people and GPU hosts send cannot be laid down any more."""
PROBE_KEY: Final = "process:probe"
LOGGED_KEY: Final = "process:told"
LOGGED_OF_GPU_KEY: Final = "process:told-of-gpu"
LOGGED_AGAIN_AFTER_SECONDS: Final = 3600
LATE_AFTER_SECONDS: Final = {WEB: 300.0, BEAT: 120.0, last_work.GPU: 900.0}
"""A beat's round takes about a minute: ten sweeps go row by row, each for ``sweeping.SECONDS`` and a row at most; the
others ask for a bounded number of rows. And a card may load one model for many minutes."""
MAKE_ROOM: Final = (
    "A user of GPU hosts that sends much: shut it out as docs/gpu-hosts.md says, and the beat deletes what it wrote. "
    "Nobody: raise maxmemory."
)
QUEUE_LATE_AFTER_SECONDS: Final = 180.0
"""A worker looks at its queue every 15 seconds, and a job of it takes two minutes at most."""


@dataclass(frozen=True, slots=True)
class ProcessAge:
    """When processes of one kind last did their work."""

    name: str
    seconds: float | None
    """None: not for a week, or never."""
    late_after_seconds: float

    @property
    def is_late(self) -> bool:
        return self.seconds is None or self.seconds > self.late_after_seconds

    @property
    def silence(self) -> str:
        """How long it has not worked, in words."""
        if self.seconds is None:
            return "a week"
        return f"{self.seconds / 60:.0f} minutes" if self.seconds < 7200 else f"{self.seconds / 3600:.0f} hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a web process needs in order to serve, and what it knows of the others."""

    database: bool
    valkey: bool
    disk: bool
    processes: tuple[ProcessAge, ...]
    """They say nothing about this process: nobody is helped when a site without a beat shows no pages either."""

    @property
    def is_ready(self) -> bool:
        return self.database and self.valkey and self.disk

    def to_json(self) -> dict[str, Any]:
        ages = {
            process.name: {"seconds": None if process.seconds is None else round(process.seconds, 1)}
            | {"is_late": process.is_late}
            for process in self.processes
        }
        return {"database": self.database, "valkey": self.valkey, "disk": self.disk, "processes": ages}


def readiness() -> Readiness:
    """Return what is there at this moment. Takes seconds where a store is silent, and no connection of the pool."""
    is_writable = _valkey_takes_a_write()
    return Readiness(
        database=_database_answers(),
        valkey=is_writable,
        disk=free_bytes() >= LEAST_FREE_BYTES,
        processes=tuple(process_ages()) if is_writable else (),
    )


def process_ages() -> list[ProcessAge]:
    """Return when the processes of each kind last worked.

    Raises:
        RedisError: Valkey is away.
    """
    late_after = late_after_seconds()
    ages = last_work.ages_seconds(valkey.connection(), late_after)
    return [ProcessAge(name, ages[name], seconds) for name, seconds in late_after.items()]


def late_after_seconds() -> dict[str, float]:
    """Return process → after how many seconds without work it is late."""
    return {
        WEB: LATE_AFTER_SECONDS[WEB],
        **dict.fromkeys(settings.QUEUE_JOBS, QUEUE_LATE_AFTER_SECONDS),
        **LATE_AFTER_SECONDS,
    }


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that keeps the site from its work, and what to do about it."""

    what: str
    next_step: str


def faults() -> list[Fault]:
    """Return what is unwell, for staff: asks Valkey and the disk. Who reads it has been served by the database."""
    found = []
    if not _valkey_takes_a_write():
        found.append(Fault("Valkey takes no write.", "Look whether it runs, and at its memory."))
        found += _full_valkey()
    else:
        found += _full_valkey()
        if fault := valkey.eviction_fault():
            found.append(Fault("Valkey may drop jobs.", fault))
        found += [
            Fault(f"{process.name} has not worked for {process.silence}.", "Start it, or look into its log.")
            for process in process_ages()
            if process.is_late
        ]
        found += [Fault(f"The GPU worker {said}.", "Look into its log, on its host.") for said in _gpu_faults()]
    if free_bytes() < LEAST_FREE_BYTES:
        found.append(Fault(f"{free_bytes() // 2**20} MiB are free for clips.", "Make room where MEDIA_DIR lies."))
    return found


def _full_valkey() -> list[Fault]:
    try:
        fault = valkey_memory.fault()
    except redis.RedisError:
        return []
    return [Fault(fault, MAKE_ROOM)] if fault else []


def log_full_valkey() -> None:
    """Log that Valkey is nearly full. Nothing is written there, as it may take nothing any more: who mails such lines
    counts for itself."""
    for fault in _full_valkey():
        logger.critical("%s %s", fault.what, fault.next_step)


def log_silent_processes() -> None:
    """Log, at most once an hour, which processes have stopped. One that was never started is missed by nobody.

    Raises:
        RedisError: Valkey is away.
    """
    silent = [process for process in process_ages() if process.is_late and process.seconds is not None]
    if silent and valkey.connection().set(LOGGED_KEY, 1, nx=True, ex=LOGGED_AGAIN_AFTER_SECONDS):
        said = "; ".join(f"{process.name} has not worked for {process.silence}" for process in silent)
        logger.critical("Start what has stopped, or look into its log: %s", said)


def log_gpu_hosts() -> None:
    """Log, at most once an hour, what GPU workers said of themselves and their hosts.

    Raises:
        RedisError: Valkey is away.
    """
    said = _gpu_faults()
    if said and valkey.connection().set(LOGGED_OF_GPU_KEY, 1, nx=True, ex=LOGGED_AGAIN_AFTER_SECONDS):
        logger.critical("Look into the logs of GPU workers: %s", "; ".join(said))


def _gpu_faults() -> list[str]:
    return host_faults.sentences(valkey.connection())


def free_bytes() -> int:
    """Return the free space where clips and uploads go; with a bucket, where uploads lie before they go there."""
    folder = Path(tempfile.gettempdir()) if settings.STORE_ORIGINS else Path(settings.MEDIA_DIR)
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _database_answers() -> bool:
    try:
        params = connection.get_connection_params() | {"connect_timeout": CONNECT_SECONDS}
        with psycopg.connect(**params) as own:
            own.execute("SELECT 1")
        return True
    except psycopg.Error as problem:
        logger.warning("The database does not answer: %s", problem)
        return False


def _valkey_takes_a_write() -> bool:
    try:
        return bool(valkey.connection().set(PROBE_KEY, 1, ex=60))
    except redis.RedisError as problem:
        logger.warning("Valkey takes no write: %s", problem)
        return False


@cache
def web_work() -> LastWork:
    """The note of this web process's last work."""
    return LastWork(valkey.connection(), WEB)


class WorkMiddleware(MiddlewareMixin):
    """Notes that a request was served."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code < 500:
            web_work().note()
        return response
