"""A run of the tests that is killed leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import redis

from tests import stores
from tests.patience import wait_until

ROOT = Path(__file__).parents[1]
RUN = "from tests import stores; stores.start(); import os; print(os.environ['REDIS_URL'], flush=True); input()"


def begin(folder: Path) -> subprocess.Popen[str]:
    """Start a process with stores of its own, PostgreSQL apart, in ``folder``."""
    own = {"TMPDIR": str(folder), "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}
    others = {name: value for name, value in os.environ.items() if name not in (stores.OWN, stores.RUN, "REDIS_URL")}
    return subprocess.Popen(
        [sys.executable, "-c", RUN],
        env=others | own,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as valkey:
            return bool(valkey.ping())
    except redis.ConnectionError:
        return False


def test_the_stores_of_a_killed_run_end_and_its_folder_goes_with_the_next(tmp_path: Path) -> None:
    with begin(tmp_path) as killed, begin(tmp_path) as other:
        assert killed.stdout is not None
        assert other.stdout is not None
        url, url_of_other = killed.stdout.readline().strip(), other.stdout.readline().strip()
        assert answers(url)
        killed.kill()
        wait_until(lambda: not answers(url))
        with begin(tmp_path) as following:
            following.communicate("\n")
        assert answers(url_of_other)
        assert len(list(tmp_path.glob(f"{stores.PREFIX}*"))) == 1
        other.communicate("\n")
    assert list(tmp_path.glob(f"{stores.PREFIX}*")) == []
