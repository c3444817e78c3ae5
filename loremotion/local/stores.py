"""The two stores of a stack: the wheels' own, unless the environment names others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.local.valkey import Valkey


class Stores:
    """PostgreSQL and Valkey below ``folder``, each on a free port.

    Args:
        database_url: a PostgreSQL server to use instead of starting one.
        redis_url: a Valkey or Redis server to use instead of starting one.
        is_durable: false trades what survives a crash of the machine for speed; for stacks that are thrown away.
        environment: what the servers are started with; the caller's own by default.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str = "",
        redis_url: str = "",
        is_durable: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.postgres = (
            None
            if database_url
            else Postgres(folder / "postgres", free_port(), is_durable=is_durable, environment=environment)
        )
        self.valkey = (
            None
            if redis_url
            else Valkey(
                folder / "valkey",
                free_port(),
                is_durable=is_durable,
                environment=environment,
                secrets=folder / "secrets",
            )
        )
        self._database_url = database_url
        self._redis_url = redis_url

    @property
    def database_url(self) -> str:
        """Readable once the server's folder has been made, that is after ``start``."""
        return self.postgres.url() if self.postgres else self._database_url

    @property
    def redis_url(self) -> str:
        return self.valkey.url() if self.valkey else self._redis_url

    @property
    def gpu_redis_url(self) -> str:
        """For the GPU worker: a server of one's own is asked under the one name that was given."""
        return self.valkey.gpu_url() if self.valkey else self._redis_url

    def start(self) -> None:
        """Start what is ours and wait until it answers.

        Raises:
            PostgresFailed, ValkeyFailed: with the server's last words.
        """
        if self.valkey:
            self.valkey.start()
        if self.postgres:
            self.postgres.start()

    def stop(self) -> None:
        if self.postgres:
            self.postgres.stop()
        if self.valkey:
            self.valkey.stop()
