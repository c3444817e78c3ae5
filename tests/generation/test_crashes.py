"""Kill anything anywhere: no job, no clip and no credit is lost, and nothing is charged twice.

Against a real stack of real processes. Every story ends by asking the books.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from loremotion.local.environment import ROOT
from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor
from tests.patience import wait_until
from tests.prepared_site import NewSite
from tests.whole_site import make_whole

SLOW: dict[str, Any] = {"prompt": "a red circle moving right", "steps": 50}
ENDLESS = """
models:
  endless:
    name: Endless
    summary: The preview model with so many steps that there is always time to disturb it.
    status: enabled
    position: 900
    version:
      family: preview
      source: preview
      dtype: float32
      modes: [text]
      sizes: [48x48]
      fps: 8
      min_seconds: 2
      max_seconds: 2
      default_seconds: 2
      max_steps: 1000
      max_prompt_characters: 500
      presets:
        standard: {steps: 1000, guidance_scale: 1.0}
      upscale: 8
      timeout_seconds: 600
      prices:
        standard: {360p: 10000}
      licence: Apache-2.0
"""
ENDED = ("completed", "failed")


@pytest.fixture(scope="module")
def site(new_site: NewSite) -> Iterator[Stack]:
    folder = new_site("crashes")
    settings = {"FREE_DAILY_CREDITS": "1000", "HOUSEKEEPING_SECONDS": "1", "LOG_FORMAT": "json"}
    with Stack(folder, is_prepared=True, processes=("web", "reports", "beat", "gpu"), settings=settings) as running:
        catalogue = folder / "catalogue.yaml"
        catalogue.write_text(ENDLESS)
        manage(running, "catalog", "load", str(catalogue))
        yield running
        manage(running, "audit_ledger")
        with redis.Redis.from_url(running.stores.redis_url) as valkey:
            # With an empty Valkey a GPU host waits for the beat, who alone may load RQ's scripts.
            refused = [one for one in valkey.acl_log() if one["object"] != "script|load"]
            assert refused == [], "a worker was refused what it needs"


@pytest.fixture
def stack(site: Stack) -> Stack:
    return make_whole(site)


def manage(stack: Stack, *command: str) -> None:
    """A management command in the stack's own environment."""
    ran = subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=stack.environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture
def visitor(stack: Stack) -> Iterator[Visitor]:
    for name in ("web", "reports", "beat", "gpu"):
        if not stack.is_running(name):
            stack.launch(name)
    stack.wait_for_site()
    stack.wait_for_worker()
    with Visitor(stack.url) as newcomer:
        yield newcomer


@pytest.fixture(autouse=True)
def sound_books_after_all(stack: Stack) -> Iterator[None]:
    """As ``audit_ledger`` asks, without a process for each test."""
    yield
    with psycopg.connect(stack.stores.database_url) as database:
        assert database.execute("SELECT rule, account_id, detail FROM ledger_violations LIMIT 5").fetchall() == []


def wait_until_denoising(visitor: Visitor, video_id: str, *, step: int = 3) -> None:
    for event, data in visitor.events(video_id):
        assert event != "done", "it ended before it could be disturbed"
        if event == "step" and data["step"] >= step:
            return


def wait_for(visitor: Visitor, video_id: str, **wanted: Any) -> dict[str, Any]:
    """Ask until the clip has ended, or stands as ``wanted`` says."""

    def as_wanted() -> dict[str, Any] | None:
        video = visitor.video(video_id)
        if wanted:
            return video if all(video["lm"].get(name) == value for name, value in wanted.items()) else None
        return video if video["status"] in ENDED else None

    # Below the limit of 600 reads a minute.
    video = wait_until(as_wanted, pause_seconds=0.3, what=lambda: visitor.video(video_id))
    assert video is not None
    return video


def assert_charged_once(visitor: Visitor, video: dict[str, Any], tmp_path: Path) -> None:
    assert video["status"] == "completed", video
    cost = video["lm"]["cost"]
    assert (cost["charged"], cost["given_back"]) == (cost["quoted"], 0)
    assert visitor.download(video["id"], tmp_path / "clip.mp4") > 1_000


def render_process(stack: Stack) -> psutil.Process:
    """The process with the models, below its supervisor."""
    (child,) = psutil.Process(stack.pid("gpu")).children()
    return child


def messages_of(stack: Stack, name: str, *, request_id: str, video_id: str) -> set[str]:
    """What a process has logged for one request and its clip."""
    lines = [json.loads(line) for line in stack.log(name).read_text().splitlines() if line.startswith("{")]
    ids = (request_id, video_id)
    return {line["message"] for line in lines if (line.get("request_id"), line.get("generation_id")) == ids}


def test_a_killed_worker_is_replaced_and_the_clip_arrives(stack: Stack, visitor: Visitor, tmp_path: Path) -> None:
    """One id leads from the click to the clip, through every process and both attempts."""
    visitor.client.headers["X-Request-ID"] = "click-1"
    video = visitor.create(**SLOW)
    wait_until_denoising(visitor, video["id"])
    render_process(stack).kill()
    wait_for(visitor, video["id"], state="running", attempt=2)
    assert_charged_once(visitor, wait_for(visitor, video["id"]), tmp_path)

    def messages(name: str) -> set[str]:
        return messages_of(stack, name, request_id="click-1", video_id=video["id"])

    wait_until(lambda: "Attempt 2 is succeeded" in messages("reports"))
    # Whether it went on from a snapshot depends on how far the first one came.
    wait_until(lambda: [said for said in messages("gpu") if said.startswith("Attempt 2 is succeeded")])
    assert "Attempt 1 is in line" in messages("web")
    assert any(message.startswith("Queued for ") for message in messages("web"))
    assert {"Attempt 1 begins", "Attempt 2 begins"} <= messages("gpu")
    assert any("denoising" in message for message in messages("gpu"))  # the engine's own lines too


def test_a_machine_that_goes_dark_loses_its_job_to_the_next(stack: Stack, visitor: Visitor, tmp_path: Path) -> None:
    video = visitor.create(**SLOW)
    wait_until_denoising(visitor, video["id"])
    stack.kill("gpu")
    stack.launch("gpu")
    wait_for(visitor, video["id"], state="running", attempt=2)
    assert_charged_once(visitor, wait_for(visitor, video["id"]), tmp_path)


def test_killed_three_times_it_fails_and_gives_the_credits_back(stack: Stack, visitor: Visitor) -> None:
    video = visitor.create("a red circle", model="endless")
    for attempt in (1, 2, 3):
        wait_for(visitor, video["id"], state="running", attempt=attempt)
        render_process(stack).kill()
    ended = wait_for(visitor, video["id"])
    assert ended["status"] == "failed"
    assert "tried 3 times" in ended["error"]["message"]
    assert ended["lm"]["cost"]["charged"] == 0
    assert ended["lm"]["cost"]["given_back"] == ended["lm"]["cost"]["quoted"]


def test_valkey_restarted_empty_loses_nothing(stack: Stack, visitor: Visitor, tmp_path: Path) -> None:
    valkey = stack.stores.valkey
    assert valkey is not None
    videos = [visitor.create(**SLOW), *(visitor.create(**SLOW | {"steps": 5}) for _ in range(2))]
    wait_until_denoising(visitor, videos[0]["id"])
    valkey.kill()
    valkey.start()
    for video in videos:
        assert_charged_once(visitor, wait_for(visitor, video["id"]), tmp_path)


def test_the_process_of_reports_killed_while_a_clip_is_made(stack: Stack, visitor: Visitor, tmp_path: Path) -> None:
    video = visitor.create(**SLOW)
    wait_until_denoising(visitor, video["id"])
    stack.kill("reports")
    stack.launch("reports")
    assert_charged_once(visitor, wait_for(visitor, video["id"]), tmp_path)


def test_postgresql_killed_while_a_clip_is_made(stack: Stack, visitor: Visitor, tmp_path: Path) -> None:
    postgres = stack.stores.postgres
    assert postgres is not None
    video = visitor.create(**SLOW)
    wait_until_denoising(visitor, video["id"])
    postgres.kill()
    postgres.start()
    stack.wait_for_site()
    for name in ("reports", "beat"):
        if not stack.is_running(name):  # whoever runs them starts them again
            stack.launch(name)
    assert_charged_once(visitor, wait_for(visitor, video["id"]), tmp_path)


def test_a_clip_cancelled_while_it_runs_stops_at_the_next_step(stack: Stack, visitor: Visitor) -> None:
    video = visitor.create("a red circle", model="endless")
    wait_until_denoising(visitor, video["id"], step=100)
    visitor.cancel(video["id"])
    ended = wait_for(visitor, video["id"])
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
