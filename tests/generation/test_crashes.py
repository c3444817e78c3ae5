"""Kill anything anywhere: no job, no clip and no credit is lost, and nothing is charged twice.

Against a real stack of real processes. Every story ends by asking the books.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from loremotion.local.environment import ROOT
from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor

SLOW = {"prompt": "a red circle moving right", "steps": 50}
RETRIED_WITHIN_SECONDS = 30.0
ENDS_WITHIN_SECONDS = 90.0
ENDED = ("completed", "failed")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("crashes")
    with Stack(folder, settings={"FREE_DAILY_CREDITS": "1000", "HOUSEKEEPING_SECONDS": "1"}) as running:
        yield running


@pytest.fixture
def visitor(stack: Stack) -> Iterator[Visitor]:
    for name in ("web", "clerk", "beat", "gpu"):
        if not stack.is_running(name):
            stack.launch(name)
    stack.wait_for_site()
    stack.wait_for_worker()
    with Visitor(stack.url) as newcomer:
        yield newcomer


@pytest.fixture(autouse=True)
def sound_books_after_all(stack: Stack) -> Iterator[None]:
    yield
    audit = subprocess.run(
        [sys.executable, "manage.py", "audit_ledger"], cwd=ROOT, env=stack.environment, capture_output=True, text=True
    )
    assert audit.returncode == 0, audit.stdout + audit.stderr


def wait_until_denoising(visitor: Visitor, video_id: str, *, step: int = 3) -> None:
    for event, data in visitor.events(video_id):
        assert event != "done", "it ended before it could be disturbed"
        if event == "step" and data["step"] >= step:
            return


def wait_for(visitor: Visitor, video_id: str, *, within_seconds: float, **wanted: Any) -> dict[str, Any]:
    """Ask until the clip has ended, or stands as ``wanted`` says."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        video = visitor.video(video_id)
        if (
            all(video["lm"].get(name) == value for name, value in wanted.items())
            if wanted
            else video["status"] in ENDED
        ):
            return video
        time.sleep(0.1)
    raise AssertionError(f"not in {within_seconds:.0f} s: {visitor.video(video_id)}")


def assert_charged_once(visitor: Visitor, video: dict[str, Any], tmp_path: Path) -> None:
    assert video["status"] == "completed", video
    cost = video["lm"]["cost"]
    assert (cost["charged"], cost["given_back"]) == (cost["quoted"], 0)
    assert visitor.download(video["id"], tmp_path / "clip.mp4") > 1_000


def render_process(stack: Stack) -> psutil.Process:
    """The process with the models, below its supervisor."""
    (child,) = psutil.Process(stack.pid("gpu")).children()
    return child


def test_a_killed_worker_is_replaced_and_the_clip_arrives(stack: Stack, visitor: Visitor, tmp_path: Path) -> None:
    video = visitor.create(**SLOW)
    wait_until_denoising(visitor, video["id"])
    render_process(stack).kill()
    wait_for(visitor, video["id"], within_seconds=RETRIED_WITHIN_SECONDS, state="running", attempt=2)
    assert_charged_once(visitor, wait_for(visitor, video["id"], within_seconds=ENDS_WITHIN_SECONDS), tmp_path)


def test_a_machine_that_goes_dark_loses_its_job_to_the_next(stack: Stack, visitor: Visitor, tmp_path: Path) -> None:
    video = visitor.create(**SLOW)
    wait_until_denoising(visitor, video["id"])
    stack.kill("gpu")
    stack.launch("gpu")
    wait_for(visitor, video["id"], within_seconds=RETRIED_WITHIN_SECONDS, state="running", attempt=2)
    assert_charged_once(visitor, wait_for(visitor, video["id"], within_seconds=ENDS_WITHIN_SECONDS), tmp_path)


def test_killed_three_times_it_fails_and_gives_the_credits_back(stack: Stack, visitor: Visitor) -> None:
    video = visitor.create(**SLOW)
    for attempt in (1, 2, 3):
        wait_for(visitor, video["id"], within_seconds=ENDS_WITHIN_SECONDS, state="running", attempt=attempt)
        render_process(stack).kill()
    ended = wait_for(visitor, video["id"], within_seconds=ENDS_WITHIN_SECONDS)
    assert ended["status"] == "failed"
    assert "tried 3 times" in ended["error"]["message"]
    assert ended["lm"]["cost"]["charged"] == 0
    assert ended["lm"]["cost"]["given_back"] == ended["lm"]["cost"]["quoted"]


def test_valkey_restarted_empty_loses_nothing(stack: Stack, visitor: Visitor, tmp_path: Path) -> None:
    valkey = stack.stores.valkey
    assert valkey is not None
    assert valkey.process is not None
    videos = [visitor.create(**SLOW) for _ in range(3)]
    wait_until_denoising(visitor, videos[0]["id"])
    valkey.process.kill()
    valkey.process.wait()
    valkey.start()
    for video in videos:
        assert_charged_once(visitor, wait_for(visitor, video["id"], within_seconds=ENDS_WITHIN_SECONDS), tmp_path)


def test_the_clerk_killed_while_a_clip_is_made(stack: Stack, visitor: Visitor, tmp_path: Path) -> None:
    video = visitor.create(**SLOW)
    wait_until_denoising(visitor, video["id"])
    stack.kill("clerk")
    stack.launch("clerk")
    assert_charged_once(visitor, wait_for(visitor, video["id"], within_seconds=ENDS_WITHIN_SECONDS), tmp_path)


def test_postgresql_killed_while_a_clip_is_made(stack: Stack, visitor: Visitor, tmp_path: Path) -> None:
    postgres = stack.stores.postgres
    assert postgres is not None
    assert postgres.process is not None
    video = visitor.create(**SLOW)
    wait_until_denoising(visitor, video["id"])
    for member in [*psutil.Process(postgres.process.pid).children(), psutil.Process(postgres.process.pid)]:
        member.kill()
    postgres.process.wait()
    postgres.start()
    stack.wait_for_site()
    for name in ("clerk", "beat"):
        if not stack.is_running(name):  # whoever runs them starts them again
            stack.launch(name)
    assert_charged_once(visitor, wait_for(visitor, video["id"], within_seconds=ENDS_WITHIN_SECONDS), tmp_path)


def test_a_clip_cancelled_while_it_runs_stops_at_the_next_step(stack: Stack, visitor: Visitor) -> None:
    video = visitor.create(**SLOW)
    wait_until_denoising(visitor, video["id"], step=5)
    visitor.cancel(video["id"])
    ended = wait_for(visitor, video["id"], within_seconds=10)
    cost = ended["lm"]["cost"]
    assert (ended["status"], ended["lm"]["state"]) == ("failed", "cancelled")
    assert 0 < cost["charged"] < cost["quoted"]
    assert cost["charged"] + cost["given_back"] == cost["quoted"]


def test_a_clip_cancelled_while_it_waits_costs_nothing(stack: Stack, visitor: Visitor) -> None:
    stack.kill("gpu")
    video = visitor.create(**SLOW)
    ended = visitor.cancel(video["id"])
    assert ended["lm"]["state"] == "cancelled"
    assert ended["lm"]["cost"]["given_back"] == ended["lm"]["cost"]["quoted"]
