"""``make run`` as a newcomer meets it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from loremotion.local.ports import free_port
from tests.local.conftest import is_alive, until
from tests.patience import PATIENCE_SECONDS
from tests.prepared_site import NewSite

COMMAND = [sys.executable, "-m", "loremotion.local", "run"]


@contextmanager
def running(folder: Path, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and what it printed up to the end of its welcome."""
    process = subprocess.Popen(
        [*COMMAND, "--folder", str(folder)],
        env={**environment, "PORT": str(free_port())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, f"it ended early:\n{said}"
            said += line
        yield process, said
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()


def arguments_of(process: psutil.Process) -> list[str]:
    """Its command line; nothing where it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def login(said: str) -> tuple[str, str]:
    """Address of the admin and the password from the welcome."""
    found = re.search(r"Staff login\s+(\S+)\s+admin@localhost\s+(\S+)", said)
    assert found is not None, said
    return found[1], found[2]


def test_it_starts_says_how_to_log_in_stops_without_a_trace_and_says_who_ended(
    tmp_path: Path, newcomer: dict[str, str]
) -> None:
    with running(tmp_path, newcomer) as (process, said):
        admin, password = login(said)
        with httpx.Client(follow_redirects=True, timeout=PATIENCE_SECONDS) as client:
            form = client.get(admin)
            answers = {"login": "admin@localhost", "password": password}
            page = client.post(form.url, data={**answers, "csrfmiddlewaretoken": client.cookies["csrftoken"]})
        assert page.url == admin
        assert "<title>Today | LoreMotion</title>" in page.text
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) > 8
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert not any(is_alive(member.pid) for member in family)
    with running(tmp_path, newcomer) as (process, said):
        assert login(said)[1] == password, "the second start is the same site"
        family = psutil.Process(process.pid).children(recursive=True)
        [mail] = [member for member in family if "mail" in arguments_of(member)]
        mail.kill()
        assert process.stdout is not None
        assert "Stopped, because mail ended with status -9" in process.stdout.read()
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGKILL


def test_nothing_outlives_a_killed_run(new_site: NewSite, newcomer: dict[str, str]) -> None:
    with running(new_site("run"), newcomer) as (process, _):
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        assert until(lambda: not any(is_alive(member.pid) for member in family))


def test_a_port_in_use_is_one_clear_line(tmp_path: Path, newcomer: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = subprocess.run(
            [*COMMAND, "--folder", str(tmp_path)],
            env={**newcomer, "PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert re.fullmatch(rf"Not started: Port {port} is in use: .*PORT=8001'\.\n", answer.stderr)
