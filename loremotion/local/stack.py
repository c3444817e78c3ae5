"""The whole site as a context manager: both stores and every process of the Procfile, on free ports, in a folder.

For programs that drive a stack (the demo, the crash tests, the end-to-end benchmark); a person runs ``make run``::

    with Stack(tmp_path) as stack:
        httpx.get(stack.url)
        stack.kill("gpu")
        stack.launch("gpu")
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import redis
from honcho.environ import parse_procfile

from gpu_worker import last_work, valkey_names
from loremotion.local import orphans, preparation
from loremotion.local.environment import ROOT, environment_of, environments_of, settings_of
from loremotion.local.failure import CannotStart
from loremotion.local.ports import free_port
from loremotion.local.stores import Stores


class StackFailed(CannotStart):
    """A stack did not come up; the message names the process and its last words."""


def procfile() -> dict[str, str]:
    """Process name → shell command."""
    return dict(parse_procfile((ROOT / "Procfile").read_text()).processes)


class Stack:
    """Starts on entering, ends with everything it started on leaving, and also when its own process is killed.

    Args:
        folder: where stores, clips, secrets and logs live; may be empty.
        processes: names from the Procfile to start at once, all by default; ``launch`` starts others later.
        settings: environment variables for every process, over what a fresh machine gets.
        port: of the site; a free one by default.
        is_durable: whether the stores keep what they hold over a restart.
        is_prepared: ``folder`` is a copy of one that this code has prepared, so nobody has to look whether it is.
    """

    def __init__(
        self,
        folder: Path,
        *,
        processes: Sequence[str] | None = None,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
        is_durable: bool = False,
        is_prepared: bool = False,
    ) -> None:
        self.folder = folder
        self.is_prepared = is_prepared
        self.port = port or free_port()
        self.processes = tuple(procfile()) if processes is None else tuple(processes)
        self.mark = secrets.token_hex(8)
        self._settings = {**(settings or {}), orphans.MARK: self.mark}
        self.stores = Stores(folder, is_durable=is_durable, environment={**os.environ, **self._settings})
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the site, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the website runs with; readable once the stores have started."""
        own = settings_of(self.folder, port=self.port, stores=self.stores, chosen=self._settings)
        return environment_of({**self._settings, **own})

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- the whole -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the stores, prepare the database, start the processes, wait until the site answers.

        Raises:
            StackFailed, PostgresFailed, ValkeyFailed, PreparationFailed: with the reason; nothing is stopped yet.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._watcher = orphans.start_watcher(self.mark)
        self.stores.start()
        if not self.is_prepared:
            preparation.prepare(self.folder, self.environment)
        for name in self.processes:
            self.launch(name)
        if "web" in self.processes:
            self.wait_for_site()

    def stop(self) -> None:
        """End every process, then the stores, then whatever still carries this stack's mark."""
        for process in self._running.values():
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + orphans.GRACE_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.wait()
        self._running.clear()
        self.stores.stop()
        orphans.end(self.mark)
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.wait()
            self._watcher = None

    # --- one process -----------------------------------------------------------------------------------------

    def launch(self, name: str) -> None:
        """Start the Procfile's process ``name``; its output is appended to ``log(name)``."""
        if self.is_running(name):
            raise StackFailed(f"{name} is running already.")
        self.log(name).parent.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {procfile()[name]}"],
                cwd=ROOT,
                env=environments_of([name], self.environment, self.stores)[name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_running(self, name: str) -> bool:
        process = self._running.get(name)
        return process is not None and process.poll() is None

    def pid(self, name: str) -> int:
        """Process id of the Procfile's process; what it started are its descendants."""
        return self._running[name].pid

    def kill(self, name: str) -> None:
        """SIGKILL the process and all its descendants at once, as when its machine goes dark."""
        process = psutil.Process(self.pid(name))
        family = [process, *process.children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.suspend()  # so that no supervisor replaces the first victim while the second falls
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self._running.pop(name).wait()

    def end(self, name: str, timeout_seconds: float = 10.0) -> int:
        """SIGTERM the process, wait for it, and return its exit status."""
        process = self._running.pop(name)
        process.terminate()
        return process.wait(timeout_seconds)

    # --- what to look at -------------------------------------------------------------------------------------

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def last_words(self, name: str, characters: int = 800) -> str:
        """The end of a process's log."""
        log = self.log(name)
        return log.read_text(errors="replace")[-characters:].strip() if log.exists() else ""

    def wait_for_site(self, timeout_seconds: float = 120.0) -> None:
        """Return once the site answers.

        Raises:
            StackFailed: it ended, or did not answer in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while not site_answers(self.url):
            self._fail_if("web", is_late=time.monotonic() > deadline, timeout_seconds=timeout_seconds)
            time.sleep(0.05)

    def wait_for_worker(self, timeout_seconds: float = 120.0) -> str:
        """Return the name of a GPU worker as soon as one is ready for jobs, or busy with one.

        Raises:
            StackFailed: the gpu process ended, or none was ready in time.
        """
        deadline = time.monotonic() + timeout_seconds
        with redis.Redis.from_url(self.stores.redis_url, decode_responses=True) as connection:
            while True:
                for name in connection.zrange(valkey_names.WORKERS_KEY, 0, -1):
                    status = connection.get(valkey_names.worker_key(name))
                    if status and json.loads(status)["state"] != "starting":
                        return str(name)
                self._fail_if("gpu", is_late=time.monotonic() > deadline, timeout_seconds=timeout_seconds)
                time.sleep(0.05)

    def wait_for_queue(self, name: str, timeout_seconds: float = 120.0) -> None:
        """Return once the process that works through the queue ``name`` has looked into it.

        Raises:
            StackFailed: it ended, or did not look in time.
        """
        deadline = time.monotonic() + timeout_seconds
        with redis.Redis.from_url(self.stores.redis_url) as connection:
            while not connection.exists(last_work.process_key(name)):
                self._fail_if(name, is_late=time.monotonic() > deadline, timeout_seconds=timeout_seconds)
                time.sleep(0.05)

    def _fail_if(self, name: str, *, is_late: bool, timeout_seconds: float) -> None:
        if not self.is_running(name):
            raise StackFailed(f"{name} ended at once: {self.last_words(name)}")
        if is_late:
            raise StackFailed(f"{name} was not ready in {timeout_seconds:.0f} s: {self.last_words(name)}")


def site_answers(url: str) -> bool:
    """Whether the site at ``url`` says that it can serve."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 - an address of our own
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Each process leads a group of its own, so its children hear the signal too."""
    if process.poll() is None:
        os.killpg(process.pid, number)
