"""Nothing outlives the process that started it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

from loremotion.local import orphans
from tests.local.conftest import is_alive, until

PARENT = textwrap.dedent(
    """
    import os, subprocess, sys, time
    from loremotion.local import orphans
    os.environ[orphans.MARK] = sys.argv[1]
    orphans.start_watcher(sys.argv[1])
    child = subprocess.Popen(
        ["/bin/sh", "-c", "setsid sleep 600 & echo $!; sleep 600"], start_new_session=True
    )
    time.sleep(600)
    """
)


def test_a_grandchild_in_its_own_session_ends_with_a_killed_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, "mark-killed"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    grandchild = int(parent.stdout.readline())
    assert is_alive(grandchild)
    assert len(orphans.marked_processes("mark-killed")) >= 3
    parent.kill()
    parent.wait()
    assert until(lambda: not orphans.marked_processes("mark-killed"))
    assert not is_alive(grandchild)


def test_only_what_carries_the_mark_is_ended() -> None:
    marked = subprocess.Popen(["/bin/sleep", "600"], env={**os.environ, orphans.MARK: "mark-mine"})
    other = subprocess.Popen(["/bin/sleep", "600"], env={**os.environ, orphans.MARK: "mark-others"})
    try:
        assert orphans.end("mark-mine") == [marked.pid]
        assert not is_alive(marked.pid)
        assert is_alive(other.pid)
    finally:
        marked.kill()
        other.kill()
        other.wait()


def test_what_does_not_listen_is_made_to_end() -> None:
    script = "trap '' TERM; echo deaf; while :; do sleep 1; done"
    deaf = subprocess.Popen(
        ["/bin/sh", "-c", script], env={**os.environ, orphans.MARK: "mark-deaf"}, stdout=subprocess.PIPE
    )
    assert deaf.stdout is not None
    assert deaf.stdout.readline() == b"deaf\n"
    orphans.end("mark-deaf", grace_seconds=0.2)
    assert not is_alive(deaf.pid)
    deaf.stdout.close()
