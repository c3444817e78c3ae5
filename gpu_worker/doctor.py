"""``python -m gpu_worker --doctor``: whether a worker could begin on this host, with its settings and as its user.

It makes no clip and takes no job, so it may run beside a worker: ``check`` asks a card for everything, for minutes.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, cast

import httpx
import redis
from redis.exceptions import AuthenticationError, NoPermissionError

from gpu_worker import clock
from gpu_worker.settings import Settings
from gpu_worker.valkey import Unreachable, connect
from gpu_worker.valkey_names import REMOTE_QUEUE, RENDER_QUEUE, drain_key, worker_key
from gpu_worker.worker_status import CLOCK_MAY_DIFFER_SECONDS, read_status

LEAST_FREE_BYTES: Final = 10 * 2**30
"""For quantised weights, snapshots and files of the clips in hand; a model's own weights are many times that."""
LEAST_SERVERS: Final = {"valkey": (7, 2), "redis": (7, 0)}
"""Those whose users can be kept to some keys: see ``rq_seams.valkey_rights``."""
ANSWER_SECONDS: Final = 10.0
PACKAGES: Final = ("torch", "diffusers", "transformers", "torchao", "av")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it is, and the next step where that will not do."""

    what: str
    how: str
    next_step: str = ""
    is_advice: bool = False
    """Whether a worker works all the same."""

    @property
    def is_fault(self) -> bool:
        return bool(self.next_step) and not self.is_advice

    @property
    def line(self) -> str:
        word = "BAD" if self.is_fault else "note" if self.is_advice else "ok"
        return f"{word:4}  {self.what}: {self.how} {self.next_step}".rstrip()


def main(settings: Settings, *, is_remote: bool, reached: Sequence[str]) -> int:
    """Print what was found. Returns the exit status: 1 where a worker could not work."""
    is_well = True
    for finding in findings(settings, is_remote=is_remote, reached=reached):
        sys.stdout.write(f"{finding.line}\n")
        sys.stdout.flush()
        is_well = is_well and not finding.is_fault
    return int(not is_well)


def findings(settings: Settings, *, is_remote: bool, reached: Sequence[str]) -> Iterator[Finding]:
    """Look at one thing after the other. ``reached`` are addresses that this host has to reach."""
    yield _user()
    yield from _valkey(settings, REMOTE_QUEUE if is_remote else RENDER_QUEUE)
    yield _cache(settings.cache)
    yield from (_address(address) for address in reached)
    yield _sandbox()
    if is_remote:
        yield _accounts(settings)
    else:
        yield _models(settings.models)
        yield _packages()
        yield from _cards(settings)


def _user() -> Finding:
    if os.name == "posix" and os.geteuid() == 0:
        return Finding(
            "user", "root.", "Run it as a user of its own: deploy/systemd and the images do.", is_advice=True
        )
    return Finding("user", f"number {os.geteuid()}" if os.name == "posix" else "whoever runs this")


def _valkey(settings: Settings, queue: str) -> Iterator[Finding]:
    connection = connect(settings.redis_url)
    try:
        yield _server(cast(Any, connection).execute_command("HELLO"))
        yield _clock(clock.ahead_seconds(connection))
        yield _rights(connection, settings.name, queue)
        yield _name(connection, settings.name)
    except AuthenticationError as problem:
        yield Finding("valkey", f"{problem}.", "Put user and password of `manage.py gpu_user` into REDIS_URL.")
    except NoPermissionError as problem:
        yield _refused(problem)
    except Unreachable as problem:
        yield Finding(
            "valkey",
            f"cannot be reached: {problem}",
            "Look at REDIS_URL, whether Valkey runs, and whether a firewall lets this host through.",
        )
    finally:
        connection.close()


def _server(said: Any) -> Finding:
    """From what ``HELLO`` answers: pairs in one list by the older of Valkey's two protocols."""
    pairs = said if isinstance(said, Mapping) else dict(zip(said[::2], said[1::2], strict=True))
    kind, number = pairs[b"server"].decode(), pairs[b"version"].decode()
    parts = tuple(int(part) for part in number.split(".")[:2] if part.isdecimal())
    if parts < LEAST_SERVERS.get(kind, (0,)):
        return Finding("valkey", f"{kind} {number}.", "Bring it up to Valkey 7.2, Redis 7 or newer.")
    return Finding("valkey", f"answers, {kind} {number}")


def _clock(ahead_seconds: float) -> Finding:
    how = f"{abs(ahead_seconds):.1f} s {'ahead of' if ahead_seconds > 0 else 'behind'} Valkey's"
    if abs(ahead_seconds) > CLOCK_MAY_DIFFER_SECONDS:
        return Finding("clock", f"{how}.", "Set it by NTP.")
    return Finding("clock", how)


def _rights(connection: redis.Redis, name: str, queue: str) -> Finding:
    """Ask for a little of each kind of key that a worker reads; nothing is changed."""
    asks: tuple[Callable[[], object], ...] = (
        lambda: connection.lrange(f"rq:queue:{queue}", 0, 0),
        lambda: connection.lrange(f"rq:queue:{queue}:intermediate", 0, 0),
        lambda: connection.hget("rq:job:render-doctor", "status"),
        lambda: connection.exists("rq:job:reports-doctor"),
        lambda: connection.exists(drain_key(name)),
        lambda: connection.hexists(f"rq:worker:gpu:{name}", "state"),
    )
    for ask in asks:
        try:
            ask()
        except NoPermissionError as problem:
            return _refused(problem)
    return Finding("rights", f"this user may take from the line {queue!r}")


def _refused(problem: NoPermissionError) -> Finding:
    return Finding(
        "rights",
        f"Valkey refuses this user something that a worker needs: {problem}.",
        "Print its line anew for this release, name and kind of worker (`manage.py gpu_user`), and ACL LOAD.",
    )


def _name(connection: redis.Redis, name: str) -> Finding:
    status = read_status(name, cast(bytes | None, connection.get(worker_key(name))))
    if status is None:
        return Finding("name", f"{name}, which is free")
    return Finding("name", f"{name}, at work on {status.host} as process {status.pid}")


def _cache(folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"doctor")
    except OSError as problem:
        return Finding("cache", f"{folder}: {problem.strerror}.", "Let the worker's user write to GPU_WORKER_CACHE.")
    free_bytes = shutil.disk_usage(folder).free
    how = f"{free_bytes / 2**30:.0f} GiB are free in {folder}"
    if free_bytes < LEAST_FREE_BYTES:
        return Finding("cache", f"{how}.", f"Make room: {LEAST_FREE_BYTES // 2**30} GiB at least.")
    return Finding("cache", how)


def _models(folder: Path) -> Finding:
    if not folder.exists():
        return Finding("models", f"{folder} is not there: weights come from the Hub")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Finding("models", f"{folder} cannot be read.", "Let the worker's user read it (GPU_WORKER_MODELS).")
    return Finding("models", f"{folder} can be read")


def _address(address: str) -> Finding:
    """Any answer will do: a bucket refuses who comes without a signature."""
    began = time.monotonic()
    try:
        status = httpx.get(address, timeout=ANSWER_SECONDS).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return Finding(
            "address",
            f"{address} cannot be reached: {problem}.",
            "Look at its name, its certificate, and whether a firewall lets this host through.",
        )
    how = f"{address} answers {status} in {time.monotonic() - began:.2f} s"
    return Finding("address", f"{how}.", "Look into the log there.") if status >= 500 else Finding("address", how)


def _sandbox() -> Finding:
    from gpu_worker import media_input, sandbox
    from gpu_worker.confinement import SECCOMP

    try:
        held = media_input.confinement()
    except sandbox.FileUnreadable as problem:
        return Finding("sandbox", f"what people send cannot be read: it {problem}.", "Install requirements/gpu.txt.")
    if SECCOMP not in held:
        return Finding("sandbox", "this kernel has no seccomp for it.", "Use a kernel with CONFIG_SECCOMP_FILTER.")
    return Finding("sandbox", ", ".join(["limits", *held]))


def _accounts(settings: Settings) -> Finding:
    from gpu_worker.remote.accounts import AccountsRefused
    from gpu_worker.remote.set_up import engine_of
    from gpu_worker.sealed_keys import PrivateKeysRefused

    try:
        engine_of(settings)
    except AccountsRefused as refusal:
        return Finding("accounts", f"{settings.accounts}: {refusal}", "docs/remote.md says what stands in it.")
    except PrivateKeysRefused as refusal:
        return Finding("private keys", str(refusal), "docs/remote.md says how they are made.")
    return Finding("accounts", f"{settings.accounts} can be used")


def _packages() -> Finding:
    try:
        return Finding("versions", ", ".join(f"{name} {version(name)}" for name in PACKAGES))
    except PackageNotFoundError as missing:
        return Finding("versions", f"{missing.name} is not installed.", "Install requirements/gpu.txt.")


def _cards(settings: Settings) -> Iterator[Finding]:
    try:
        from gpu_worker.engine import device_from_environment
        from gpu_worker.engine.memory import driver
        from gpu_worker.engine.sizes import show_bytes
    except ImportError as problem:
        yield Finding("card", f"PyTorch cannot be loaded: {problem}.", "Install requirements/gpu.txt.")
        return
    kind = os.environ.get("GPU_WORKER_DEVICE", "").strip()
    named = ["cpu" if kind == "cpu" else f"cuda:{card}" for card in settings.cards] or [kind]
    for name in dict.fromkeys(named):
        try:
            device = device_from_environment({**os.environ, "GPU_WORKER_DEVICE": name})
        except (ValueError, RuntimeError) as refusal:
            yield Finding("card", f"{refusal}.", "Mend that; `python -m gpu_worker check` then tries the card.")
            continue
        yield Finding("card", f"{device.name}, {show_bytes(device.budget_bytes)} may be used")
        if device.torch_device.type != "cuda":
            continue
        yield Finding("driver", device.driver_version or "its version cannot be told")
        if fault := driver.cudnn_problem(driver.cudnn_version()):
            before, _, next_step = fault.rpartition(". ")
            yield Finding("cuDNN", f"{before}.", next_step)
