"""What ``make`` does before there is a virtual environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean checkout, as far as make looks at it."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``make`` as from a terminal, also when this test runs below another make."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["/usr/bin/env", "make", *arguments]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_missing_python_is_one_clear_line(checkout: Path) -> None:
    answer = make(checkout, "run", "PYTHON=python-of-nowhere")
    assert answer.returncode != 0
    assert answer.stdout.startswith("Python 3.11 or newer is needed, and 'python-of-nowhere' is")
    assert answer.stdout.count("\n") == 1
    assert "Traceback" not in answer.stderr


def test_an_old_python_is_named_with_its_version(checkout: Path, tmp_path: Path) -> None:
    old = program(tmp_path / "old-python", '[ "$1" = --version ] && echo Python 3.9.1 || exit 1')
    answer = make(checkout, "install", f"PYTHON={old}")
    assert answer.returncode != 0
    assert "is Python 3.9.1. Name one: make run PYTHON=python3.12" in answer.stdout


def test_pip_runs_only_when_a_requirement_changed(checkout: Path) -> None:
    program(checkout / ".venv" / "bin" / "python", "echo $* >> pip.log")
    calls = checkout / "pip.log"
    assert make(checkout, "install").returncode == 0
    once = len(calls.read_text().splitlines())
    assert make(checkout, "install").returncode == 0
    assert len(calls.read_text().splitlines()) == once
    web = checkout / "requirements" / "web.txt"
    stamp = (checkout / ".venv" / "development.installed").stat().st_mtime_ns
    os.utime(web, ns=(stamp + 10**9, stamp + 10**9))
    assert make(checkout, "install").returncode == 0
    assert len(calls.read_text().splitlines()) == 2 * once
