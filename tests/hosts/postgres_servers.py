"""A primary of PostgreSQL that waits for its replica at each commit, and how the replica takes over."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import psycopg

from loremotion.local.postgres import SUPERUSER, as_ordinary_user, binaries
from tests.hosts.network import NETWORK, Host
from tests.patience import wait_until

PORT: Final = 5432
NAME: Final = "postgres"


class Server:
    """One server on ``host``, whose cluster lies in ``data``."""

    def __init__(self, host: Host, data: Path, password: str) -> None:
        self.host, self.data, self.password = host, data, password
        self.log = data.parent / f"{host.name}.log"

    @property
    def url(self) -> str:
        return f"postgres://{SUPERUSER}:{self.password}@{self.host.address}:{PORT}/{NAME}?connect_timeout=3"

    def start(self) -> None:
        options = {
            "listen_addresses": self.host.address,
            "unix_socket_directories": "",
            "fsync": "off",
            "wal_keep_size": "256MB",
        }
        said = (f"--{name}={value}" for name, value in options.items())
        command = [*as_ordinary_user(), str(binaries() / "postgres"), "-D", str(self.data), "-p", str(PORT), *said]
        self.host.run(command, environment={}, log=self.log)
        wait_until(self.answers, what=lambda: self.log.read_text()[-2000:])

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url) as asked:
                return asked.execute("SELECT 1").fetchone() is not None
        except psycopg.OperationalError:
            return False

    def let_hosts_in(self) -> None:
        """Before it starts: by password, from any host of the network."""
        with (self.data / "pg_hba.conf").open("a") as file:
            file.writelines(f"host {whose} all {NETWORK}.0/24 scram-sha-256\n" for whose in ("all", "replication"))

    def replica(self, host: Host, data: Path) -> Server:
        """Start a copy on ``host`` that follows, and have every commit wait for it from then on."""
        at = f"host={self.host.address} port={PORT} user={SUPERUSER} password={self.password}"
        with host.inside():
            copying = [str(binaries() / "pg_basebackup"), "-d", at, "-D", str(data), "-R", "-X", "stream", "-c", "fast"]
            subprocess.run([*as_ordinary_user(), *copying], check=True, capture_output=True)
        follower = Server(host, data, self.password)
        follower.start()
        with psycopg.connect(self.url, autocommit=True) as asked:
            asked.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            asked.execute("SELECT pg_reload_conf()")
            follows = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
            wait_until(lambda: asked.execute(follows).fetchone() == (1,))
        return follower

    def promote(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as asked:
            assert asked.execute("SELECT pg_promote()").fetchone() == (True,)
