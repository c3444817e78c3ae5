"""The whole site as a context manager."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from loremotion.local import orphans
from loremotion.local.environment import ROOT, site_setting_names
from loremotion.local.failure import CannotStart
from loremotion.local.stack import Stack, StackFailed, procfile, site_answers
from tests.clients.test_python_client import IS_MISSING, PYTHON, run_with_client
from tests.local.conftest import is_alive, until
from tests.patience import PATIENCE_SECONDS
from tests.prepared_site import NewSite
from tests.whole_site import make_whole


@pytest.fixture(scope="module")
def site(new_site: NewSite) -> Iterator[Stack]:
    """In a folder that a stack of this run has prepared; ``test_run`` begins with an empty one."""
    with Stack(new_site("stack"), is_prepared=True) as running:
        yield running
        assert len(orphans.marked_processes(running.mark)) > 6
    assert not orphans.marked_processes(running.mark)
    assert not site_answers(running.url)


@pytest.fixture
def stack(site: Stack) -> Stack:
    return make_whole(site)


def test_it_works(stack: Stack) -> None:
    assert httpx.get(stack.url, timeout=PATIENCE_SECONDS).status_code == 200
    assert stack.wait_for_worker()
    assert all(stack.is_running(name) for name in procfile())


@pytest.mark.skipif(not PYTHON.exists(), reason=IS_MISSING)
def test_the_projects_own_command_makes_a_clip(stack: Stack, tmp_path: Path) -> None:
    make_key = """
        from accounts import api_keys
        from accounts.roles import BY_ROLE, Role
        from billing import ledger
        from tests.accounts import factories as people
        owner = people.person("owner@example.org")
        studio = people.team(owner, "Studio")
        ledger.grant(account=studio.id, reference="test:client", amount=100, kind=ledger.LotKind.PACK)
        key = api_keys.issue(
            workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="test", scopes=["generate", "read"]
        )
        print(key[1])
    """
    key = subprocess.check_output(
        [sys.executable, ROOT / "manage.py", "shell", "--no-imports", "-c", textwrap.dedent(make_key)],
        env=stack.environment,
        text=True,
    ).split()[-1]
    stack.wait_for_worker()
    command = ("-m", "loremotion", "generate", "a red circle moving right on a black background")
    said = run_with_client(
        *command, "--out", "clip.mp4", cwd=tmp_path, LOREMOTION_BASE_URL=stack.url, LOREMOTION_API_KEY=key
    )
    assert "Denoising" in said
    assert "2 credits charged, 0 given back" in said
    assert (tmp_path / "clip.mp4").read_bytes()[4:8] == b"ftyp"


def test_what_renders_holds_no_secret_of_the_website(stack: Stack) -> None:
    stack.wait_for_worker()
    [worker, *_] = psutil.Process(stack.pid("gpu")).children(recursive=True)
    for process in (psutil.Process(stack.pid("gpu")), worker):
        environment = process.environ()
        assert not {"DATABASE_URL", "SECRET_KEY", "MEDIA_DIR", "STRIPE_SECRET_KEY"} & set(environment)
        assert stack.environment["REDIS_URL"] not in environment.values()
        assert stack.environment["DATABASE_URL"] not in environment.values()
        assert not (site_setting_names() - {"REDIS_URL", "LOG_FORMAT"}) & set(environment)


def test_valkey_tells_the_website_the_gpu_worker_and_strangers_apart(stack: Stack) -> None:
    assert stack.stores.valkey is not None
    assert stat.S_IMODE((stack.stores.valkey.folder / "users.acl").stat().st_mode) == 0o600
    with redis.Redis.from_url(stack.stores.redis_url) as site:
        assert site.ping()
    with redis.Redis.from_url(psutil.Process(stack.pid("gpu")).environ()["REDIS_URL"]) as worker:
        assert worker.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            worker.lrange("rq:queue:mail", 0, -1)
    with redis.Redis(port=stack.stores.valkey.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_every_process_is_explained_in_the_readme() -> None:
    explained = re.findall(r"^\| `([a-z]+)` \| `", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert explained == list(procfile())


def test_a_killed_process_takes_its_descendants_with_it_and_can_come_back(stack: Stack) -> None:
    stack.wait_for_worker()
    family = psutil.Process(stack.pid("gpu")).children(recursive=True)
    assert family, "the supervisor has a worker below it"
    stack.kill("gpu")
    assert not stack.is_running("gpu")
    assert until(lambda: not any(is_alive(member.pid) for member in family))
    stack.launch("gpu")
    assert stack.is_running("gpu")


def test_the_site_comes_back_on_the_same_address(stack: Stack) -> None:
    stack.kill("web")
    assert not site_answers(stack.url)
    stack.launch("web")
    stack.wait_for_site()
    with pytest.raises(StackFailed, match="web is running already"):
        stack.launch("web")


def test_a_bad_setting_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    stack = Stack(tmp_path, settings={"FREE_DAILY_CREDITS": "plenty"})
    with pytest.raises(CannotStart, match="FREE_DAILY_CREDITS"), stack:
        pytest.fail("it started")
    assert not orphans.marked_processes(stack.mark)


def test_a_process_that_ends_at_once_is_said_with_its_last_words(new_site: NewSite) -> None:
    with (
        pytest.raises(StackFailed, match=r"gpu ended at once: .*GPU_WORKER_WINDOW"),
        Stack(new_site("ended"), is_prepared=True, processes=["gpu"], settings={"GPU_WORKER_WINDOW": "wide"}) as stack,
    ):
        stack.wait_for_worker()


def test_nothing_outlives_a_killed_parent(new_site: NewSite) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from loremotion.local.stack import Stack
        with Stack(Path(sys.argv[1]), processes=["web", "beat"], is_prepared=True) as stack:
            print(stack.mark, flush=True)
            time.sleep(600)
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(new_site("killed"))], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    mark = parent.stdout.readline().strip()
    assert len(orphans.marked_processes(mark)) >= 4
    parent.kill()
    parent.wait()
    assert until(lambda: not orphans.marked_processes(mark))
