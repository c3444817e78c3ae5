"""What rests on how RQ works inside, seam by seam, with the release that it was written against.

A new release of RQ fails here first, once for each seam. Read what RQ does there now, beside what we do, run the tests
of that module, and only then write the new release behind the seam.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import rq
from rq.serializers import JSONSerializer

from gpu_worker.rq_seams.allowed_jobs import AllowedJob, AllowedJobWorker
from gpu_worker.rq_seams.one_job_worker import NoAlarm, OneJobWorker
from gpu_worker.worker import GpuWorker

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


@dataclass(frozen=True)
class Seam:
    ours: str
    """Where we rest on it, inside ``gpu_worker.rq_seams``."""
    theirs: str
    """The method that we override or call, or the key that we read."""
    spelled: str
    """Its parameters, or what the key is."""
    rq: str
    """The release that it was written against."""

    def __str__(self) -> str:
        return f"{self.ours} on {self.theirs}"


SEAMS = (
    Seam("allowed_jobs.AllowedJob.fetch", "rq.job.Job.fetch", "(id, connection=None, serializer=None)", rq="3.0.0"),
    Seam("allowed_jobs.AllowedJob.restore", "rq.job.Job.restore", "(self, raw_data)", rq="3.0.0"),
    Seam("allowed_jobs.AllowedJob.func", "rq.job.Job.func", "property", rq="3.0.0"),
    Seam("allowed_jobs.AllowedJob.success_callback", "rq.job.Job.success_callback", "property", rq="3.0.0"),
    Seam("allowed_jobs.AllowedJob.failure_callback", "rq.job.Job.failure_callback", "property", rq="3.0.0"),
    Seam("allowed_jobs.AllowedJob.stopped_callback", "rq.job.Job.stopped_callback", "property", rq="3.0.0"),
    Seam("allowed_jobs.PickleSerializer", "rq.serializers.PickleSerializer", "class", rq="3.0.0"),
    Seam(
        "allowed_jobs.AllowedJobWorker.check_for_suspension",
        "rq.worker.BaseWorker.check_for_suspension",
        "(self, burst)",
        rq="3.0.0",
    ),
    Seam(
        "allowed_jobs.AllowedJobWorker.run_maintenance_tasks",
        "rq.worker.BaseWorker.run_maintenance_tasks",
        "(self)",
        rq="3.0.0",
    ),
    Seam(
        "allowed_jobs.AllowedJobWorker.run_maintenance_tasks",
        "rq.queue.Queue.acquire_maintenance_lock",
        "(self)",
        rq="3.0.0",
    ),
    Seam(
        "allowed_jobs.AllowedJobWorker.run_maintenance_tasks",
        "rq.registry.StartedJobRegistry.cleanup",
        "(self, timestamp=None, exception_handlers=None)",
        rq="3.0.0",
    ),
    Seam(
        "allowed_jobs.AllowedJobWorker.run_maintenance_tasks",
        "rq.intermediate_queue.IntermediateQueue.cleanup",
        "(self, worker, queue)",
        rq="3.0.0",
    ),
    Seam(
        "allowed_jobs.AllowedJobWorker._forget_lapsed_workers",
        "rq.worker_registration.get_keys",
        "(queue=None, connection=None)",
        rq="3.0.0",
    ),
    Seam(
        "allowed_jobs.AllowedJobWorker._forget_lapsed_workers",
        "rq.utils.missing_keys",
        "(connection, keys)",
        rq="3.0.0",
    ),
    Seam(
        "allowed_jobs.AllowedJobWorker.heartbeat",
        "rq.worker.BaseWorker.heartbeat",
        "(self, timeout=None, pipeline=None)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.NoAlarm.setup_death_penalty",
        "rq.timeouts.BaseDeathPenalty.setup_death_penalty",
        "(self)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.NoAlarm.cancel_death_penalty",
        "rq.timeouts.BaseDeathPenalty.cancel_death_penalty",
        "(self)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker.run_maintenance_tasks",
        "rq.worker.BaseWorker.run_maintenance_tasks",
        "(self)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker.bootstrap",
        "rq.worker.BaseWorker.bootstrap",
        "(self, logging_level='INFO', date_format='%H:%M:%S', log_format='%(asctime)s %(message)s')",
        rq="3.0.0",
    ),
    Seam("one_job_worker.OneJobWorker.teardown", "rq.worker.BaseWorker.teardown", "(self)", rq="3.0.0"),
    Seam(
        "one_job_worker.OneJobWorker.request_stop",
        "rq.worker.BaseWorker.request_stop",
        "(self, signum, frame)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker.dequeue_job_and_maintain_ttl",
        "rq.worker.BaseWorker.dequeue_job_and_maintain_ttl",
        "(self, timeout, max_idle_time=None)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker.execute_job",
        "rq.worker.SimpleWorker.execute_job",
        "(self, job, queue)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker.handle_payload",
        "rq.worker.BaseWorker.handle_payload",
        "(self, message)",
        rq="3.0.0",
    ),
    Seam("one_job_worker.OneJobWorker.unsubscribe", "rq.worker.BaseWorker.unsubscribe", "(self)", rq="3.0.0"),
    Seam(
        "one_job_worker.OneJobWorker._pubsub_exception_handler",
        "rq.worker.BaseWorker._pubsub_exception_handler",
        "(self, exc, pubsub, pubsub_thread)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker.heartbeat",
        "rq.worker.BaseWorker.heartbeat",
        "(self, timeout=None, pipeline=None)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker.get_heartbeat_ttl",
        "rq.worker.SimpleWorker.get_heartbeat_ttl",
        "(self, job, working_time=0.0)",
        rq="3.0.0",
    ),
    Seam("one_job_worker.OneJobWorker.perform", "rq.worker.BaseWorker.prepare_execution", "(self, job)", rq="3.0.0"),
    Seam(
        "one_job_worker.OneJobWorker.perform",
        "rq.worker.BaseWorker.perform_job",
        "(self, job, queue, execution)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker.fail",
        "rq.worker.BaseWorker.handle_job_failure",
        "(self, job, queue, started_job_registry=None, exc_string='', execution=None)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker._finalize_success",
        "rq.worker.BaseWorker._finalize_success",
        "(self, job, queue, execution, return_value)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker._end",
        "rq.worker.BaseWorker._finalize_failure",
        "(self, job, queue, execution, exc_info)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.STOP_JOB",
        "rq.command.send_stop_job_command",
        "(connection, job_id, serializer=None)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker.request_stop_execution",
        "rq.worker.BaseWorker.request_stop_execution",
        "(self, execution_id)",
        rq="3.0.0",
    ),
    Seam(
        "one_job_worker.OneJobWorker.keep_registered",
        "rq.worker_registration.register",
        "(worker, pipeline=None)",
        rq="3.0.0",
    ),
    Seam("one_job_worker.OneJobWorker.keep_registered", "rq.worker.BaseWorker.serialize", "(self)", rq="3.0.0"),
    Seam(
        "one_job_worker.OneJobWorker.keep_running",
        "rq.worker.BaseWorker.maintain_heartbeats",
        "(self, job, execution)",
        rq="3.0.0",
    ),
    Seam("render_queue.RenderQueue", "rq.queue.Queue.redis_queue_namespace_prefix", "rq:queue:", rq="3.0.0"),
    Seam("render_queue.RenderQueue", "rq.job.Job.redis_job_namespace_prefix", "rq:job:", rq="3.0.0"),
    Seam(
        "render_queue.RenderQueue.take",
        "rq.intermediate_queue.IntermediateQueue.get_intermediate_queue_key",
        "(queue_key)",
        rq="3.0.0",
    ),
    Seam("render_queue.read", "rq.job.Job.to_dict", "(self, include_meta=True, include_result=True)", rq="3.0.0"),
    Seam("dead_worker.fail", "rq.job_lifecycle.record_job_failure", "(job, exc_string, pipeline)", rq="3.0.0"),
    Seam("dead_worker.fail", "rq.intermediate_queue.IntermediateQueue.remove", "(self, job_id)", rq="3.0.0"),
    Seam("dead_worker.clear", "rq.executions.Execution.from_composite_key", "(composite_key, connection)", rq="3.0.0"),
    Seam("dead_worker.clear", "rq.executions.Execution.delete", "(self, job, pipeline)", rq="3.0.0"),
    Seam("dead_worker.held_jobs", "rq.executions.Execution.composite_key", "property", rq="3.0.0"),
    Seam("dead_worker.clear", "rq.executions.WORKER_EXECUTIONS_KEY_TEMPLATE", "rq:worker:{0}:executions", rq="3.0.0"),
    Seam("dead_worker.clear", "rq.worker.BaseWorker.redis_worker_namespace_prefix", "rq:worker:", rq="3.0.0"),
    Seam(
        "one_job_worker.OneJobWorker.redis_workers_keys",
        "rq.worker.BaseWorker.redis_workers_keys",
        "rq:workers",
        rq="3.0.0",
    ),
    Seam("dead_worker.clear", "rq.worker_registration.WORKERS_BY_QUEUE_KEY", "rq:workers:%s", rq="3.0.0"),
    Seam(
        "unique_job.enqueue_once",
        "rq.scripts.save_unique_job",
        "(connection, queue_key, job, enqueue=True, at_front=False)",
        rq="3.0.0",
    ),
)


def spelled(name: str) -> str:
    """A method's parameters without their types; a key as it is."""
    found = pkgutil.resolve_name(name)
    if isinstance(found, str):
        return found
    if isinstance(found, property | type):
        return "property" if isinstance(found, property) else "class"
    signature = inspect.signature(found)
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def pinned(requirements: str) -> str:
    text = (REQUIREMENTS / requirements).read_text()
    [release] = re.findall(r"^rq==(\S+)$", text, flags=re.MULTILINE)[:1]
    return str(release)


@pytest.mark.parametrize("seam", SEAMS, ids=str)
def test_the_seam_was_looked_at_for_the_pinned_release(seam: Seam) -> None:
    for requirements in ("gpu.txt", "remote.txt", "web.txt", "constraints.txt"):
        assert pinned(requirements) == seam.rq, (
            f"requirements/{requirements} pins RQ {pinned(requirements)}. gpu_worker/rq_seams: {seam.ours} was written "
            f"against {seam.theirs} of RQ {seam.rq}: read both, then say so in this table."
        )


@pytest.mark.parametrize("seam", SEAMS, ids=str)
def test_rq_still_has_it_in_this_shape(seam: Seam) -> None:
    try:
        found = spelled(seam.theirs)
    except AttributeError:
        found = "gone"
    assert found == seam.spelled, f"RQ {rq.VERSION}: {seam.theirs} is {found}; gpu_worker/rq_seams: {seam.ours}"


@pytest.mark.parametrize("ours", [AllowedJob, AllowedJobWorker, NoAlarm, OneJobWorker, GpuWorker])
def test_nothing_of_rq_is_overridden_outside_the_table(ours: type) -> None:
    """Also not by a name of our own that RQ happens to use, now or in a later release."""
    of_rq = {name for base in ours.__mro__ if base.__module__.startswith("rq.") for name in vars(base)}
    in_table = {seam.ours.rpartition(".")[2] for seam in SEAMS if f".{ours.__name__}." in seam.ours}
    told = {"__init__", "__module__", "__doc__", "__annotations__", "__abstractmethods__", "_abc_impl", "origin"}
    told |= {"death_penalty_class"}  # how RQ is told of another
    assert (set(vars(ours)) & of_rq) - told <= in_table


def test_what_rq_writes_of_a_plain_call_asks_for_nothing_more(valkey: redis.Redis) -> None:
    """Else every job would be refused by the worker that takes it."""
    queue = rq.Queue("render", connection=valkey, serializer=JSONSerializer)
    written = queue.enqueue_call("a.name", args=(1,), timeout=60, result_ttl=1, failure_ttl=1, job_id="0a-1")
    assert AllowedJob.fetch(written.id, connection=valkey, serializer=JSONSerializer).extras == ()
