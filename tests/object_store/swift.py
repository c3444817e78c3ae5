"""A real object store for tests: OpenStack Swift with its S3 API, four small processes on an address of their own.

It refuses what S3 refuses: other bytes, sizes and kinds than were signed, addresses that are over, other keys.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.patience import PATIENCE_SECONDS

ACCESS_KEY: Final = "test:tester"
SECRET_KEY: Final = "testing"
BUCKET: Final = "clips-of-tests"
SITE: Final = "https://clips.example"
HOME: Final = Path(__file__).parent / ".venv" / "bin"
_PORTS: Final = {"account": 6201, "container": 6202, "object": 6203}
_PROXY_PORT: Final = 6200
_RINGS: Final = """
import sys
from swift.common.ring import RingBuilder
folder, host = sys.argv[1:3]
for pair in sys.argv[3:]:
    name, port = pair.split("=")
    builder = RingBuilder(4, 1, 0)
    at = dict(ip=host, port=int(port), replication_ip=host, replication_port=int(port))
    builder.add_dev(dict(region=1, zone=1, weight=1.0, device="d1", **at))
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{name}.ring.gz")
"""
_SERVER: Final = """[DEFAULT]
bind_ip = {host}
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/srv
mount_check = false
disable_fallocate = true
recon_cache_path = {folder}
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{egg}
"""
_PROXY: Final = """[DEFAULT]
bind_ip = {host}
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
[pipeline:main]
pipeline = catch_errors proxy-logging cache listing_formats s3api tempauth bulk copy slo symlink proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
cors_preflight_allow_origin = *
location = us-east-1
dns_compliant_bucket_names = true
min_segment_size = 5242880
check_bucket_owner = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:symlink]
use = egg:swift#symlink
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
cors_allow_origin = {site}
strict_cors_mode = true
"""


def reason_to_skip() -> str:
    """Why there is no store for tests here; empty where there is one."""
    if sys.platform != "linux":
        return "the object store of the tests runs on Linux alone"
    if not (HOME / "swift-proxy-server").exists():
        return "swift is not installed: 'make object-store' brings it"
    return ""


class Swift:
    """The running store. ``stop`` ends its processes."""

    def __init__(self, folder: Path, host: str = "") -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        pid = os.getpid()
        # Every process of tests has an address of its own, so that no port is taken twice.
        self._host = host or f"127.{80 + (pid >> 16)}.{pid >> 8 & 255}.{pid & 255}"
        self.endpoint = f"http://{self._host}:{_PROXY_PORT}"

    def start(self) -> None:
        """Start its processes, and return once they take connections."""
        self._write_down()
        for name in (*_PORTS, "proxy"):
            with (self._folder / f"{name}.log").open("wb") as log:
                command = [str(HOME / f"swift-{name}-server"), str(self._folder / f"{name}.conf")]
                self._processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        until = time.monotonic() + PATIENCE_SECONDS
        for port in (*_PORTS.values(), _PROXY_PORT):
            while not self._takes_connections(port):
                if time.monotonic() > until or any(process.poll() is not None for process in self._processes):
                    self.stop()
                    raise RuntimeError(f"Swift does not start: see the logs in {self._folder}")
                time.sleep(0.05)

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()

    def _takes_connections(self, port: int) -> bool:
        try:
            socket.create_connection((self._host, port), 1).close()
        except OSError:
            return False
        return True

    def _write_down(self) -> None:
        folder = self._folder
        (folder / "srv" / "d1").mkdir(parents=True)
        hashes = "[swift-hash]\nswift_hash_path_suffix = test\nswift_hash_path_prefix = test\n"
        policy = "[storage-policy:0]\nname = gold\ndefault = yes\n"
        (folder / "swift.conf").write_text(hashes + policy)
        said = {"host": self._host, "folder": folder, "user": _own_name(), "site": SITE}
        for name, port in _PORTS.items():
            egg = "mem_object" if name == "object" else name
            (folder / f"{name}.conf").write_text(_SERVER.format(**said, name=name, port=port, egg=egg))
        (folder / "proxy.conf").write_text(_PROXY.format(**said, port=_PROXY_PORT))
        ports = [f"{name}={port}" for name, port in _PORTS.items()]
        subprocess.run([HOME / "python", "-c", _RINGS, folder, self._host, *ports], check=True)


def _own_name() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
