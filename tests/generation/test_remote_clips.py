"""Clips by other people's APIs on the site: their own line, no card that waits, ceilings that are not passed."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import redis
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User, Visitor, Workspace
from billing.plans import entitlements
from catalog.models import Model
from catalog.offers import make_offer
from catalog.requests import Ask
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.scheduling.offline import NO_REMOTE_WORKER
from generation.scheduling.prospect import prospect_of, wait_before_asking
from generation.scheduling.wait import wait_of
from generation.settlement import settle
from gpu_worker.contract import REMOTE_BYTES, Outcome, RenderError
from gpu_worker.valkey_names import WORKERS_KEY, worker_key
from gpu_worker.worker_status import WorkerStatus
from loremotion.refusals import TooMany
from tests.generation import factories

pytestmark = pytest.mark.django_db(transaction=True)
SPEC: dict[str, Any] = {
    "family": "remote",
    "source": "there/their-model",
    "sizes": ["64x48"],
    "modes": ["text"],
    "presets": {"standard": {"steps": 1}},
    "max_steps": 1,
    "prices": {"standard": {"360p": 10_000}},
}


@pytest.fixture
def far(toy: Model) -> Model:
    return factories.model("far", is_default=False, **SPEC)


def on(connection: redis.Redis, name: str, budget_bytes: int) -> None:
    status = WorkerStatus(name=name, host="h", pid=1, device="d", budget_bytes=budget_bytes, state="idle")
    connection.set(worker_key(name), json.dumps(status.to_wire()), ex=60)
    connection.zadd(WORKERS_KEY, {name: time.time()})


def asked(workspace: Workspace) -> Generation:
    return factories.submitted(workspace, model="far", seconds=1)


def lengths(connection: redis.Redis) -> tuple[int, int]:
    return connection.llen("rq:queue:render"), connection.llen("rq:queue:remote")


def test_it_goes_into_the_line_of_remote_workers(far: Model, alice: Visitor, valkey: redis.Redis) -> None:
    on(valkey, "far-1", REMOTE_BYTES)
    on(valkey, "card", 8 * 2**30)
    clip, near = asked(alice.workspace), factories.submitted(alice.workspace)
    dispatch.fill_window()
    clip.refresh_from_db()
    near.refresh_from_db()
    assert (clip.state, near.state) == (State.DISPATCHED, State.DISPATCHED)
    assert clip.needs_bytes == REMOTE_BYTES
    assert lengths(valkey) == (1, 1)
    assert wait_of(near).place == 0, "what a provider makes is before nobody who waits for a card"


def test_when_it_is_ready_is_told_by_what_earlier_ones_took(far: Model, alice: Visitor, valkey: redis.Redis) -> None:
    on(valkey, "far-1", REMOTE_BYTES)
    guessed = wait_of(asked(alice.workspace)).expected
    assert guessed is not None
    for _ in range(8):
        clip = asked(alice.workspace)
        factories.deliver_clip(clip)
        seconds = {"denoising": 300.0, "encoding_video": 1.0, "uploading": 1.0, "encoding_prompt": 1.0}
        assert settle.settle(factories.report(clip, stage_seconds=seconds))
    first = Generation.objects.open().get()
    learned = wait_of(first).expected
    assert learned is not None
    assert guessed.ready.mid < 100 < 200 < learned.ready.mid < 400
    second = wait_of(asked(alice.workspace)).expected
    assert second is not None
    assert second.start.mid == pytest.approx(learned.ready.mid, rel=0.2), "one worker makes them one after the other"
    offer = make_offer(Ask(prompt="a fox", model="far", seconds=1))
    before = wait_before_asking(offer, alice.workspace, may=entitlements(alice.workspace.id))
    prospect = prospect_of(offer, alice.workspace, may=entitlements(alice.workspace.id))
    assert prospect is not None
    assert before.expected == prospect
    assert prospect.start.mid > second.start.mid
    Generation.objects.filter(id=first.id).update(state=State.RUNNING, started_at=timezone.now())
    running = wait_of(Generation.objects.get(id=first.id)).expected
    assert running is not None
    assert running.start.high == 0
    assert running.ready.mid == pytest.approx(learned.ready.mid, rel=0.1)


def test_while_no_remote_worker_is_on_it_waits_and_says_so(far: Model, alice: Visitor, valkey: redis.Redis) -> None:
    on(valkey, "card", 8 * 2**30)
    clip = asked(alice.workspace)
    dispatch.fill_window()
    clip.refresh_from_db()
    assert clip.state == State.QUEUED
    assert wait_of(clip).is_for_a_machine
    assert wait_of(clip).reason.startswith(NO_REMOTE_WORKER)
    on(valkey, "far-1", REMOTE_BYTES)
    dispatch.fill_window()
    assert lengths(valkey) == (0, 1)


def test_a_remote_worker_is_no_card(far: Model, alice: Visitor, valkey: redis.Redis) -> None:
    on(valkey, "far-1", REMOTE_BYTES)
    near = factories.submitted(alice.workspace)
    assert wait_of(near).is_for_a_machine
    asked(alice.workspace)
    assert lengths(valkey)[1] == 1


def test_a_refusal_by_the_provider_gives_the_credits_back(far: Model, alice: Visitor, valkey: redis.Redis) -> None:
    on(valkey, "far-1", REMOTE_BYTES)
    clip = asked(alice.workspace)
    clip.refresh_from_db()
    error = RenderError(code="remote_refused", message="Example refused: not allowed.")
    assert settle.settle(factories.report(clip, Outcome.FAILED, error=error, clip=None))
    clip.refresh_from_db()
    assert (clip.state, clip.error_message) == (State.FAILED, "Example refused: not allowed.")


@pytest.mark.parametrize("name", ["PER_DAY", "PER_MODEL_AND_DAY", "PER_WORKSPACE_AND_DAY"])
def test_a_ceiling_of_the_day_is_not_passed(
    far: Model, alice: Visitor, valkey: redis.Redis, settings: Settings, name: str
) -> None:
    first = asked(alice.workspace)
    setattr(settings, f"REMOTE_CREDITS_{name}", 2 * first.credits_quoted)
    asked(alice.workspace)
    with pytest.raises(TooMany, match="today"):
        asked(alice.workspace)
    factories.submitted(alice.workspace)  # what runs here has no part in it
    assert Generation.objects.filter(needs_bytes=REMOTE_BYTES).count() == 2


def test_a_ceiling_of_a_workspace_is_its_own(
    far: Model, alice: Visitor, bob: Visitor, valkey: redis.Redis, settings: Settings
) -> None:
    first = asked(alice.workspace)
    settings.REMOTE_CREDITS_PER_WORKSPACE_AND_DAY = first.credits_quoted
    with pytest.raises(TooMany):
        asked(alice.workspace)
    asked(bob.workspace)


@pytest.mark.parametrize(
    ("written", "said"), [("", "go to another company"), ("Your prompt goes to Google.", "Your prompt goes to Google.")]
)
def test_before_asking_the_form_says_to_whom_the_prompt_goes(
    toy: Model, client: Client, valkey: redis.Redis, written: str, said: str
) -> None:
    factories.model("far", is_default=False, licence_notice=written, **SPEC)
    page = client.get("/", {"model": "far"}).content.decode()
    assert page.count(said) == 1, "of one of the two models"


def test_the_fleet_page_shows_no_memory_of_a_worker_without_a_card(db: None, valkey: redis.Redis) -> None:
    staff = Client()
    staff.force_login(User.objects.create_superuser("staff@example.com", "irrelevant"))
    on(valkey, "far-1", REMOTE_BYTES)
    page = staff.get("/admin/fleet/").content.decode()
    assert "far-1" in page
    assert "Memory:" not in page
    assert "Preload" not in page
    on(valkey, "card", 8 * 2**30)
    assert "Memory:" in staff.get("/admin/fleet/").content.decode()
