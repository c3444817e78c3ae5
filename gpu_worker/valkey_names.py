"""Names of what the website and the GPU fleet find each other by in Valkey: queues, jobs, keys, and how long they last.

Jobs of RQ are dotted names with JSON arguments, so neither side imports the other. Standard library only, as
``gpu_worker.contract``, whose messages travel there.
"""

from __future__ import annotations

import hashlib

RENDER_QUEUE = "render"
REMOTE_QUEUE = "remote"
"""Attempts that other people's APIs make: a line of their own, so that no card waits for them."""
ATTEMPT_QUEUES = (RENDER_QUEUE, REMOTE_QUEUE)
REPORTS_QUEUE = "reports"
RENDER_FUNCTION = "gpu_worker.render_job.run"
STARTED_FUNCTION = "generation.reports.started"
FINISHED_FUNCTION = "generation.reports.finished"
WORKER_LOST_FUNCTION = "generation.reports.worker_lost"
KEY_TESTED_FUNCTION = "generation.reports.key_tested"

_GPU_WORKER = "gpu:"

# Valkey keys beside RQ's own.
WORKERS_KEY = "gpu:workers"  # sorted set: worker name → epoch second of its last heartbeat; see gpu_worker.liveness
HEARTBEAT_SECONDS = 3
WORKER_DEAD_AFTER_SECONDS = 15
PROGRESS_MAXLEN = 1_000  # entries kept in one progress stream
PROGRESS_TTL_SECONDS = 24 * 3600
CANCEL_TTL_SECONDS = 24 * 3600


# RQ keeps the jobs of all queues side by side. The ids of those that GPU hosts have to do with begin with their queue,
# so that Valkey itself can keep a GPU host from all others: see gpu_worker.rq_seams.valkey_rights.
def job_id(generation_id: str, attempt: int) -> str:
    """RQ's id of one attempt. Enqueued twice, it is one job."""
    return f"{RENDER_QUEUE}-{generation_id}-{attempt}"


def former_job_id(generation_id: str, attempt: int) -> str:
    """The id that the release before gave to an attempt. What it left in RQ is still found, for one release."""
    return f"{generation_id}-{attempt}"


def attempt_of(job_id: str) -> tuple[str, int]:
    """``(generation_id, attempt)`` from RQ's id of one attempt, of this release or the one before.

    Raises:
        ValueError: the id is not one of an attempt.
    """
    generation_id, _, attempt = job_id.removeprefix(f"{RENDER_QUEUE}-").rpartition("-")
    if not generation_id or not attempt.isdecimal():
        raise ValueError(f"{job_id!r} is not the id of an attempt: 'render-<generation>-<attempt>' is expected")
    return generation_id, int(attempt)


REPORT_KINDS = ("started", "finished", "lost")


def report_id(kind: str, generation_id: str, attempt: int, secret: str) -> str:
    """RQ's id of a report of one attempt. Sent twice, it is one job.

    Who does not know the attempt's secret cannot make the id either, so a forged report stands in no true one's place.
    """
    digest = hashlib.sha256(secret.encode()).hexdigest()[:32]
    return f"{REPORTS_QUEUE}-{kind}-{generation_id}-{attempt}-{digest}"


def progress_key(generation_id: str) -> str:
    """The Valkey Stream that a browser follows; its entry ids are the SSE ids."""
    return f"generation:{generation_id}"


def cancel_key(generation_id: str) -> str:
    """The key that is set while a generation is to be stopped. Survives a stop command that nobody heard."""
    return f"generation:{generation_id}:cancel"


def remote_key(generation_id: str) -> str:
    """The key under which a remote worker notes which job it began with a provider."""
    return f"generation:{generation_id}:remote"


def rq_worker(name: str) -> str:
    """RQ's name of a GPU worker, which no worker of the website's has."""
    return f"{_GPU_WORKER}{name}"


def worker_of(rq_name: str) -> str:
    """The name of a GPU worker, from RQ's; of one of the release before it is the same."""
    return rq_name.removeprefix(_GPU_WORKER)


def worker_key(name: str) -> str:
    """The key under which a worker publishes its ``WorkerStatus`` as JSON, expiring with its heartbeat."""
    return f"gpu:worker:{name}"


def holding_key(name: str) -> str:
    """The key of the id of the job in a worker's hands, written with the pop: what a dead worker leaves behind."""
    return f"gpu:worker:{name}:holding"


def drain_key(name: str) -> str:
    """The key that is set while a worker is to take no new jobs. Survives its restarts. GPU hosts may only read it."""
    return f"gpu:drain:{name}"
