"""``python -m gpu_worker``: a supervisor and its worker, a look at the fleet, ``bench``, ``check``, ``guard`` or
``keys``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import signal
import sys
import time
from importlib import import_module

import redis
from redis.exceptions import NoPermissionError

from gpu_worker import commands, host_faults, log_context, without_torch
from gpu_worker.contract import ModelSpec
from gpu_worker.host_faults import HostFault
from gpu_worker.liveness import live_workers
from gpu_worker.parent_death import die_with
from gpu_worker.render_engine import RenderEngine
from gpu_worker.settings import Settings, SettingsRefused
from gpu_worker.status_table import table
from gpu_worker.valkey import Unreachable, connect
from gpu_worker.valkey_names import REMOTE_QUEUE, RENDER_QUEUE


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] in (["bench"], ["check"], ["guard"], ["keys"]):
        return _other_program(*arguments)
    asked = _asked(arguments)
    try:
        settings = Settings.from_environment() if asked.supervisor is None else Settings.from_supervisor()
    except SettingsRefused as refusal:
        print(refusal, file=sys.stderr)
        return os.EX_CONFIG
    logging.basicConfig(level=settings.log_level, handlers=[_log_handler(settings)])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines hold signed addresses
    if asked.worker:
        return _work(settings, asked.lifeline, asked.supervisor, is_remote=asked.remote)
    if any((asked.status, asked.drain, asked.resume, asked.stop, asked.preload, asked.evict, asked.cancel)):
        return _command(settings, asked)
    if asked.doctor:
        from gpu_worker import doctor

        return doctor.main(settings, is_remote=asked.remote, reached=asked.reach)
    if asked.parent is not None:
        die_with(asked.parent)
    if asked.remote and settings.remote_jobs > 1:
        from gpu_worker.remote import processes

        return processes.run(settings.name, settings.remote_jobs)
    return _supervise(settings, is_remote=asked.remote)


def _other_program(name: str, *arguments: str) -> int:
    """Run what needs neither Valkey nor the settings of a worker."""
    if name == "check":
        from gpu_worker.worker_process import worker_environment

        os.environ.update(worker_environment())  # how the allocators work is decided before PyTorch is there
    main: int = import_module(f"gpu_worker.{name}").main(list(arguments))
    return main


def _log_handler(settings: Settings) -> logging.Handler:
    handler = logging.StreamHandler()
    handler.addFilter(log_context.ContextFilter())
    line = log_context.LineFormatter(f"%(asctime)s {settings.name}[%(process)d] %(levelname)s %(message)s")
    handler.setFormatter(log_context.JsonFormatter(worker=settings.name) if settings.log_format == "json" else line)
    return handler


def _asked(arguments: list[str]) -> argparse.Namespace:
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.within is not None and not asked.drain:
        parser.error("--within says how soon a worker has to be drained: name it with --drain")
    if asked.within is not None and not 0 <= asked.within < float("inf"):
        parser.error(f"--within takes seconds, 0 or more, not {asked.within}")
    if asked.reach and not asked.doctor:
        parser.error("--reach says what a host has to reach: name it with --doctor")
    return asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gpu_worker",
        description="Renders clips. Settings come from the environment. 'bench' measures this host, 'check' tries it.",
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--status", action="store_true", help="show the live workers and what they hold")
    one.add_argument("--drain", metavar="NAME", help="let a worker finish its job and take no other")
    parser.add_argument("--within", metavar="SECONDS", type=float, help="with --drain: hand back what takes longer")
    one.add_argument("--resume", metavar="NAME", help="let a drained worker take jobs again")
    one.add_argument("--stop", metavar="NAME", help="end a worker after its job")
    one.add_argument("--preload", metavar=("NAME", "MODEL"), nargs=2, help="load a model, given as a ModelSpec in JSON")
    one.add_argument("--evict", metavar=("NAME", "KEY"), nargs=2, help="free the memory of a component, see --status")
    one.add_argument("--cancel", metavar="GENERATION", help="stop a render at its next step")
    one.add_argument("--doctor", action="store_true", help="say whether a worker can begin here, and what it lacks")
    parser.add_argument(
        "--reach", metavar="URL", action="append", default=[], help="with --doctor: the site, the bucket"
    )
    one.add_argument("--worker", action="store_true", help="the worker process itself, without a supervisor")
    parser.add_argument("--remote", action="store_true", help="make clips by the APIs of GPU_WORKER_ACCOUNTS: no card")
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--supervisor", type=int, help=argparse.SUPPRESS)
    return parser


def _supervise(settings: Settings, *, is_remote: bool) -> int:
    from gpu_worker import metrics
    from gpu_worker.supervisor import NameTaken, Supervisor

    command = [sys.executable, "-m", "gpu_worker", "--worker", *(["--remote"] if is_remote else [])]
    supervisor = Supervisor(settings, command, REMOTE_QUEUE if is_remote else RENDER_QUEUE)
    try:
        if settings.metrics is not None:
            figures = metrics.WorkerFigures(connect(settings.redis_url), settings.name, lambda: supervisor.restarts)
            metrics.serve(settings.metrics, figures)
        return supervisor.run()
    except OSError as problem:
        print(f"The worker cannot start: {problem}", file=sys.stderr)
        return os.EX_OSERR
    except NameTaken as refusal:
        print(refusal, file=sys.stderr)
        return os.EX_UNAVAILABLE


def _work(settings: Settings, lifeline: int | None, supervisor: int | None, *, is_remote: bool) -> int:
    if supervisor is not None:
        die_with(supervisor)
    if is_remote:
        return _work_remotely(settings, lifeline)
    try:
        engine = _engine(settings)
    except (ValueError, RuntimeError) as refusal:
        print(refusal, file=sys.stderr)
        return os.EX_CONFIG
    except Exception:  # a mistake of ours: started again, it would be made again
        logging.getLogger(__name__).exception("The worker cannot start")
        return os.EX_CONFIG
    _say_how_inputs_are_read(settings)
    return work(settings, engine, lifeline)


def _engine(settings: Settings) -> RenderEngine:
    """Return the engine of one card, or of several.

    Raises:
        ValueError, RuntimeError: a setting, or a card, cannot be used.
    """
    from gpu_worker.engine import Engine, device_from_environment

    if not settings.cards:
        device = device_from_environment()
        return Engine(device=device, models=settings.models, cache=settings.cache, policy=settings.policy)
    from gpu_worker.engine.cards.shared_engine import SharedEngine

    kind = os.environ.get("GPU_WORKER_DEVICE", "").strip()
    first, *others = ["cpu" if kind == "cpu" else f"cuda:{card}" for card in settings.cards]
    device = device_from_environment({**os.environ, "GPU_WORKER_DEVICE": first})
    return SharedEngine(
        device=device, others=others, models=settings.models, cache=settings.cache, policy=settings.policy
    )


def _work_remotely(settings: Settings, lifeline: int | None) -> int:
    without_torch.choose()
    from gpu_worker.remote.accounts import AccountsRefused
    from gpu_worker.remote.set_up import engine_of
    from gpu_worker.sealed_keys import PrivateKeysRefused

    try:
        engine = engine_of(settings)
    except AccountsRefused as refusal:
        print(f"{settings.accounts}: {refusal}", file=sys.stderr)
        return os.EX_CONFIG
    except PrivateKeysRefused as refusal:
        print(f"REMOTE_KEYS_PRIVATE: {refusal}", file=sys.stderr)
        return os.EX_CONFIG
    _say_how_inputs_are_read(settings)
    return work(settings, engine, lifeline, REMOTE_QUEUE)


def _say_how_inputs_are_read(settings: Settings) -> None:
    from gpu_worker import media_input, sandbox
    from gpu_worker.confinement import SECCOMP

    logger = logging.getLogger(__name__)
    try:
        held = media_input.confinement()
    except sandbox.FileUnreadable as problem:
        logger.error("The sandbox for what people send does not start here; such jobs will fail: it %s", problem)
        _tell(settings, HostFault.NO_SANDBOX)
        return
    logger.info("What people send is read in a sandbox of: %s", ", ".join(["limits", *held]))
    if SECCOMP not in held:
        logger.warning("This kernel has no seccomp for it: a decoder that is taken over can reach the network")
        _tell(settings, HostFault.NO_SECCOMP)


def _tell(settings: Settings, fault: HostFault) -> None:
    host_faults.tell(connect(settings.redis_url), settings.name, fault, now=time.time())


def work(settings: Settings, engine: RenderEngine, lifeline: int | None, queue: str = RENDER_QUEUE) -> int:
    """Render with ``engine`` until asked to stop. Returns the exit status; leaves at once when the device is lost."""
    from gpu_worker.lifeline import Lifeline
    from gpu_worker.supervisor import EXIT_ON
    from gpu_worker.worker import EXIT_DEVICE_LOST, GpuWorker

    shutil.rmtree(settings.scratch, ignore_errors=True)
    worker = GpuWorker(settings, engine, Lifeline(lifeline), connect(settings.redis_url), queue)
    try:
        worker.work(logging_level=None)
    except SystemExit as leaving:
        if worker.is_device_lost:
            logging.shutdown()
            # Tidying up would wait for a device that does not answer any more.
            os._exit(leaving.code if isinstance(leaving.code, int) else EXIT_DEVICE_LOST)
        raise
    if worker.is_sent_away:
        return os.EX_OK
    return os.EX_SOFTWARE if worker.stop_signal is None else EXIT_ON[signal.Signals(worker.stop_signal)]


def _command(settings: Settings, asked: argparse.Namespace) -> int:
    connection = connect(settings.redis_url)
    try:
        _obey(connection, asked)
    except Unreachable as problem:
        print(f"Valkey at REDIS_URL cannot be asked: {problem}", file=sys.stderr)
        return os.EX_UNAVAILABLE
    except NoPermissionError:
        print("The user in REDIS_URL may render, not command the fleet: name the website's user.", file=sys.stderr)
        return os.EX_NOPERM
    except (commands.NoSuchWorker, KeyError, ValueError) as problem:
        print(problem.args[0], file=sys.stderr)
        return os.EX_DATAERR
    return os.EX_OK


def _obey(connection: redis.Redis, asked: argparse.Namespace) -> None:
    if asked.status:
        print(table(live_workers(connection)))
    elif asked.drain:
        commands.drain(connection, asked.drain, asked.within)
    elif asked.resume:
        commands.resume(connection, asked.resume)
    elif asked.stop:
        commands.stop(connection, asked.stop)
    elif asked.preload:
        name, model = asked.preload
        commands.preload(connection, name, ModelSpec.from_wire(json.loads(model)))
    elif asked.evict:
        commands.evict(connection, *asked.evict)
    elif not commands.cancel(connection, asked.cancel):
        print("No worker is at it now. It ends as cancelled when one begins it.")


if __name__ == "__main__":
    sys.exit(main())
