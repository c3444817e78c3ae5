"""What a decoder that was taken over cannot do, tried from inside the sandbox; each part of it also alone."""

from __future__ import annotations

import json
import os
import platform
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpu_worker import confinement, media_input, sandbox
from tests.media_files import write_video

PREPARE = f"""
import encodings.idna, ctypes, json, os, runpy, signal, socket, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
parent = os.getppid()
held = runpy.run_path({str(media_input.READER)!r})["confine"]()
print("confined", flush=True)
"""
ENDED = "ended"

HAS_TABLE = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")
pytestmark = pytest.mark.skipif(not HAS_TABLE, reason="no table of calls for this machine")


def attempt(code: str, *, without: str = "") -> str:
    """What comes of the code in the sandbox: its own words, the error that it met, or that it was ended."""
    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"{without}\n{PREPARE}\n{code}"],
        env={**sandbox.ENVIRONMENT, "SECRET": "of the parent"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = ran.stdout.splitlines()
    assert said[:1] == ["confined"], ran.stderr
    if ran.returncode == -signal.SIGSYS:
        return ENDED
    return said[1] if said[1:] else ran.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "code",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "os.execv('/bin/true', ['true'])",
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.kill(parent, 0)",
        "libc.tgkill(parent, parent, 0)",
        "libc.ptrace(16, parent, 0, 0)",
        "libc.process_vm_readv(parent, None, 0, None, 0, 0)",
        "libc.unshare(0)",
        "libc.mount(None, None, None, 0, None)",
        "libc.io_uring_setup(1, None) if hasattr(libc, 'io_uring_setup') else libc.syscall(425, 1, None)",
        "os.mkdir('x')",
        "os.unlink('x')",
    ],
)
def test_what_no_decoder_does_ends_it(code: str) -> None:
    assert attempt(f"{code}\nprint('was let')") == ENDED


@pytest.mark.parametrize(
    "path",
    [f"/proc/{os.getpid()}/environ", "/proc/self/environ", "/etc/passwd", "/proc/self/mem", str(Path(__file__))],
    ids=["another process", "its own environment", "passwords", "its own memory", "our code"],
)
def test_no_file_can_be_opened(path: str) -> None:
    assert "Permission" in attempt(f"open({path!r}, 'rb').read(); print('was let')")


def test_its_parent_cannot_be_read() -> None:
    assert "Permission" in attempt("print(open(f'/proc/{parent}/environ').read())")


def test_nothing_can_be_written(tmp_path: Path) -> None:
    assert "Permission" in attempt(f"open({str(tmp_path / 'left')!r}, 'w')")
    assert not list(tmp_path.iterdir())


def test_other_processes_are_out_of_reach_but_threads_are_not() -> None:
    assert attempt("t = threading.Thread(target=print, args=['a thread']); t.start(); t.join()") == "a thread"


def test_what_holds_it_is_said() -> None:
    held = media_input.confinement()
    assert confinement.SECCOMP in held
    assert json.loads(attempt("print(json.dumps(held))")) == held


def test_where_it_is_no_linux_nothing_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert confinement.confine() == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == before


def test_without_seccomp_the_kernels_other_means_still_hold() -> None:
    """As on a machine that has no table of calls here: no file, and where there is a namespace no network."""
    without = "import platform; platform.machine = lambda: 'unknown'"
    held = json.loads(attempt("print(json.dumps(held))", without=without))
    assert confinement.SECCOMP not in held
    if any(part.startswith(confinement.LANDLOCK) for part in held):
        assert "Permission" in attempt("open('/etc/passwd')", without=without)
    if confinement.NAMESPACES in held:
        datagram = "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))"
        assert "unreachable" in attempt(datagram, without=without)


def test_a_decoder_that_is_taken_over_ends_the_reading_and_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    taken_over = tmp_path / "media_sandbox.py"
    code = f"import runpy, os\nrunpy.run_path({str(media_input.READER)!r})['confine']()\nos.fork()\n"
    taken_over.write_text(code)
    monkeypatch.setattr(media_input, "READER", taken_over)
    video, wanted = write_video(tmp_path / "a.mp4"), media_input.Wanted(width=64, height=48, fps=8, first=8)
    with pytest.raises(sandbox.FileUnreadable):
        media_input.frames(video, wanted, lambda: None)
    assert "tried what no decoder does" in caplog.text
