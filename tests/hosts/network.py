"""Hosts on one switch, by network namespaces: each has an address, a loopback and a link of its own.

Everything lies in the namespaces of the run (``unshare`` in the Makefile), and ends with the last process in them.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from loremotion.local.environment import ROOT

SWITCH: Final = "switch"
NETWORK: Final = "10.77.0"
NOBODY: Final = "02:00:00:00:00:01"
"""The hardware address of no host: what is sent there is lost without a word."""
_HOLDER: Final = ("unshare", "--net", "sh", "-c", "echo; exec sleep inf")
"""Keeps the namespace of a host on which nothing runs."""
_CLONE_NEWNET: Final = 0x40000000


def reason_to_skip() -> str:
    """Why no hosts can be made here; empty where they can."""
    if [name for _, name in socket.if_nameindex() if name not in ("lo", SWITCH)]:
        return "'make hosts' runs it, in namespaces of its own"
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    return ""


class Host:
    """A machine on the switch. Its processes run in ``inside``, or by ``run``."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.address = f"{NETWORK}.{number}"
        self._link = f"link{number}"
        self._holder = subprocess.Popen(_HOLDER, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        self._holder.stdout.readline()  # the namespace is there
        self._namespace = os.open(f"/proc/{self._holder.pid}/ns/net", os.O_RDONLY)
        self.processes: list[subprocess.Popen[bytes]] = []
        _ip(f"link add {self._link} type veth peer name eth0 netns {self._holder.pid}")
        _ip(f"link set {self._link} master {SWITCH} up")
        with self.inside():
            _ip("link set lo up")
            _ip(f"address add {self.address}/24 dev eth0")
            _ip("link set eth0 up")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What this thread opens or starts in this block, it does on this host."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _enter(self._namespace)
            yield
        finally:
            _enter(before)
            os.close(before)

    def run(self, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Start a process here, whose output is appended to ``log``."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with self.inside(), log.open("ab") as said:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    # --- its links ---------------------------------------------------------------------------------------------------

    def cut_from(self, other: Host) -> None:
        """Lose whatever these two send each other, silently, as when a cable is pulled somewhere between them."""
        self._lose_what_goes_to(other)
        other._lose_what_goes_to(self)

    def heal_with(self, other: Host) -> None:
        self._send_again_to(other)
        other._send_again_to(self)

    def unplug(self) -> None:
        """Take the host off the switch."""
        _ip(f"link set {self._link} down")

    def plug_in(self) -> None:
        _ip(f"link set {self._link} up")

    def slow_down(self, kilobits: int) -> None:
        """Let so much a second through what the host sends: a full packet of 1500 bytes takes 12 kilobits."""
        with self.inside():
            _run(f"tc qdisc replace dev eth0 root tbf rate {kilobits}kbit burst 1600 limit 100000")

    def speed_up(self) -> None:
        with self.inside():
            _run("tc qdisc delete dev eth0 root")

    def _lose_what_goes_to(self, other: Host) -> None:
        with self.inside():
            _ip(f"neighbour replace {other.address} lladdr {NOBODY} dev eth0 nud permanent")

    def _send_again_to(self, other: Host) -> None:
        with self.inside():
            _ip(f"neighbour delete {other.address} dev eth0")

    # --- its power ---------------------------------------------------------------------------------------------------

    def go_dark(self) -> None:
        """Off the switch first, so that no connection hears an end, then every process at once."""
        self.unplug()
        family = [psutil.Process(each.pid) for each in self.processes if each.poll() is None]
        for member in [*family, *(child for each in family for child in each.children(recursive=True))]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        for process in self.processes:
            process.wait()
        self.processes.clear()


class Network:
    """The switch and its hosts. The tests themselves have the first address."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        if SWITCH not in [name for _, name in socket.if_nameindex()]:
            _ip(f"link add {SWITCH} type bridge")
            _ip(f"address add {NETWORK}.1/24 dev {SWITCH}")
            _ip(f"link set {SWITCH} up")

    def host(self, name: str, number: int) -> Host:
        self.hosts[name] = Host(name, number)
        return self.hosts[name]

    def stop(self) -> None:
        for host in self.hosts.values():
            host.go_dark()
            host._holder.kill()
            host._holder.wait()


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(arguments: str) -> None:
    _run(f"ip {arguments}")


def _run(command: str) -> None:
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{command}: {done.stderr.strip()}")
