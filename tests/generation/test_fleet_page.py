"""The fleet for staff: what each worker is at and was at, why clips wait, and commands that are noted."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User, Visitor
from catalog.models import Model
from generation.models import FleetSample, Generation, State, StoragePause
from generation.scheduling import fleet_samples
from gpu_worker.contract import Progress
from gpu_worker.valkey_names import WORKERS_KEY, drain_key, progress_key, rq_worker, worker_key
from gpu_worker.worker_status import DRAINING, CardStatus, ResidentComponent, WorkerStatus
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS

PAGE = "/admin/fleet/"
GB = 10**9
TRANSFORMER = ResidentComponent(key="repo/transformer", name="transformer", size_bytes=6 * GB, tier="device")
ENCODER = ResidentComponent(key="repo/encoder", name="text encoder", size_bytes=2 * GB, tier="device", leases=1)


@pytest.fixture
def staff(db: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("staff@example.com", "irrelevant"))
    return browser


def heard(valkey: redis.Redis, name: str = "gpu-7", doing: Generation | None = None, **facts: Any) -> None:
    """A heartbeat of a worker, which lasts for as long as any test, however busy the machine is."""
    status = WorkerStatus.from_wire(
        {
            **WorkerStatus(name=name, device="RTX 4090", budget_bytes=16 * GB, used_bytes=8 * GB).to_wire(),
            **({"generation_id": str(doing.id), "attempt": 1, "stage": "denoising", "state": "busy"} if doing else {}),
            **facts,
        }
    )
    valkey.zadd(WORKERS_KEY, {name: time.time()})
    valkey.set(worker_key(name), json.dumps(status.to_wire()), ex=3600)


def on_card(*components: ResidentComponent) -> dict[str, Any]:
    return {"residents": [each.to_wire() for each in components]}


def test_a_card_shows_memory_by_component_and_the_step_of_the_clip(
    toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis
) -> None:
    clip = factories.submitted(alice.workspace)
    heard(valkey, doing=clip, **on_card(TRANSFORMER, ENCODER))
    step = Progress(kind="step", stage="denoising", step=3, steps_total=8)
    valkey.xadd(progress_key(str(clip.id)), {"event": "step", "data": json.dumps(step.to_wire())})
    answer = staff.get(PAGE)
    (card,) = answer.context["cards"]
    assert [(part.component.name, round(part.width)) for part in card.parts] == [
        ("transformer", 180),
        ("text encoder", 60),
    ]
    assert "step 3 of 8" in card.clips[0].words
    assert "Evict transformer" in answer.text
    assert "Evict text encoder" not in answer.text


def test_of_several_cards_each_shows_its_memory_and_whether_it_is_at_the_clip(
    staff: Client, valkey: redis.Redis
) -> None:
    both = CardStatus(name="cuda:0", budget_bytes=16 * GB, used_bytes=8 * GB, is_busy=True)
    idle = replace(both, name="cuda:1", used_bytes=4 * GB, is_busy=False)
    heard(valkey, cards=[each.to_wire() for each in (both, idle)])
    answer = staff.get(PAGE)
    (card,) = answer.context["cards"]
    assert [round(each.width) for each in card.several] == [240, 120]
    assert "Memory of its first GPU" in answer.text
    said = re.findall(r"(cuda:\d: \S+ of \S+)</span>.*?>(at the clip|idle)<", answer.text.replace("\xa0", "_"))
    assert said == [("cuda:0: 7.5_GB of 14.9_GB", "at the clip"), ("cuda:1: 3.7_GB of 14.9_GB", "idle")]


def test_what_a_hostile_host_says_breaks_nothing(staff: Client, valkey: redis.Redis) -> None:
    odd = ResidentComponent(key="k", name="<script>", size_bytes=-5, tier="device")
    cards = [CardStatus(name="<script>", used_bytes=-1).to_wire()] * 100
    heard(valkey, name="x/../y", generation_id="no uuid", delivering_id="17", cards=cards, **on_card(*[odd] * 300))
    page = staff.get(PAGE)
    assert page.status_code == 200
    assert "<script>," not in page.text
    assert len(page.context["cards"][0].parts) == 24
    assert [each.width for each in page.context["cards"][0].several] == [0.0] * 16


def test_the_queue_says_why_each_clip_waits(toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis) -> None:
    first, second = factories.submitted(alice.workspace), factories.submitted(alice.workspace)
    Generation.objects.filter(id=second.id).update(needs_bytes=24 * GB)
    heard(valkey)
    line = staff.get(PAGE).context["line"]
    assert [(each.clip.id, each.why) for each in line] == [
        (second.id, "Needs 24 GB of one GPU, and the largest that takes clips has 16 GB."),
        (first.id, "First in the queue."),
    ], "what waits for a larger GPU stands on top"
    assert [each.is_stuck for each in line] == [True, False]


def reasons(staff: Client) -> dict[Any, str]:
    return {each.clip.id: each.why for each in staff.get(PAGE).context["line"]}


def test_places_are_those_that_the_scheduler_counts(
    toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis
) -> None:
    heard(valkey)
    clips = [factories.submitted(alice.workspace) for _ in range(3)]
    running, handed, queued = clips
    now = timezone.now()
    Generation.objects.filter(id=running.id).update(state=State.RUNNING, dispatched_at=now, started_at=now)
    Generation.objects.filter(id=handed.id).update(state=State.DISPATCHED, dispatched_at=now)
    paid_first = " Paid clips go first."
    assert reasons(staff) == {
        handed.id: f"Handed to the GPUs, 1 clip ahead of it.{paid_first}",
        queued.id: f"2 clips ahead of it.{paid_first}",
    }
    Generation.objects.filter(id=running.id).update(state=State.SUCCEEDED, finished_at=now)
    assert reasons(staff)[handed.id] == "Handed to the GPUs, and next: the first that is free takes it."


def test_of_what_gpus_were_handed_paid_clips_stand_first(
    toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis
) -> None:
    heard(valkey)
    free, paid = (factories.submitted(alice.workspace) for _ in range(2))
    now = timezone.now()
    Generation.objects.filter(id=free.id).update(state=State.DISPATCHED, dispatched_at=now - timedelta(minutes=9))
    Generation.objects.filter(id=paid.id).update(state=State.DISPATCHED, dispatched_at=now, fair_finish=1.0)
    assert [each.clip.id for each in staff.get(PAGE).context["line"]] == [paid.id, free.id]


def test_a_clip_that_few_gpus_can_hold_says_how_many(
    toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis
) -> None:
    heard(valkey)
    heard(valkey, name="gpu-8", budget_bytes=48 * GB)
    clip = factories.submitted(alice.workspace)
    Generation.objects.filter(id=clip.id).update(needs_bytes=24 * GB)
    assert reasons(staff)[clip.id] == "First in the queue. Of 2 GPUs 1 has the 24 GB that it needs."
    heard(valkey, state=DRAINING)
    heard(valkey, name="gpu-8", state=DRAINING)
    assert reasons(staff)[clip.id] == "No GPU takes clips right now."


def test_while_clips_cannot_be_stored_nobody_is_sent_for_a_larger_gpu(
    toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis
) -> None:
    heard(valkey)
    clip = factories.submitted(alice.workspace)
    Generation.objects.filter(id=clip.id).update(needs_bytes=8 * GB)
    StoragePause.objects.create(id=1, failures=9, until=timezone.now() + timedelta(minutes=5))
    assert reasons(staff)[clip.id] == "Clips cannot be stored right now, so none begins."


def test_a_queue_that_is_counted_to_the_bound_may_be_longer(
    toy: Model, alice: Visitor, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.submitted(alice.workspace)
    assert "Clips waiting: 1 in the queue, 0 handed to GPUs" in staff.get(PAGE).text
    monkeypatch.setattr("generation.staff.fleet.MOST_COUNTED", 1)
    assert "Clips waiting: 1 or more in the queue" in staff.get(PAGE).text


def test_the_page_takes_as_many_queries_whatever_waits(
    toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis
) -> None:
    factories.submitted(alice.workspace)
    heard(valkey)
    staff.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        staff.get(PAGE)
    row: dict[str, Any] = dict(Generation.objects.values().get())
    del row["id"]
    Generation.objects.bulk_create([Generation(**row) for _ in range(80)])
    heard(valkey, name="gpu-8")
    with CaptureQueriesContext(connection) as many:
        page = staff.get(PAGE)
    assert len(many) == len(few)
    assert len(page.context["line"]) == 30


# --- commands --------------------------------------------------------------------------------------------------------


def commands_to(valkey: redis.Redis, name: str) -> redis.client.PubSub:
    listener: redis.client.PubSub = valkey.pubsub()  # type: ignore[no-untyped-call]  # redis-py has no types for it
    listener.subscribe(f"rq:pubsub:{rq_worker(name)}")
    listener.get_message(timeout=PATIENCE_SECONDS)
    return listener


def command(listener: redis.client.PubSub) -> dict[str, object]:
    message = listener.get_message(timeout=PATIENCE_SECONDS)
    assert message is not None
    found: dict[str, object] = json.loads(message["data"])
    return found


@pytest.mark.parametrize(
    ("page", "said", "expected"),
    [
        ("drain", {}, {"command": "drain"}),
        ("drain", {"within_seconds": "30"}, {"command": "drain", "within_seconds": 30.0}),
        ("resume", {}, {"command": "resume"}),
        ("evict", {"key": "repo/transformer"}, {"command": "evict", "key": "repo/transformer"}),
        ("stop", {}, {"command": "shutdown"}),
    ],
)
def test_a_command_reaches_the_worker_and_is_noted(
    page: str, said: dict[str, str], expected: dict[str, object], staff: Client, valkey: redis.Redis
) -> None:
    heard(valkey, **on_card(TRANSFORMER))
    listener = commands_to(valkey, "gpu-7")
    answer = staff.post(f"{PAGE}{page}/", {"worker": "gpu-7", **said}, follow=True)
    found = command(listener)
    assert {name: found.get(name) for name in expected} == expected
    note = LogEntry.objects.get()
    assert (note.object_id, str(note.user)) == ("gpu-7", "staff@example.com")
    assert note.change_message in answer.text
    listener.close()


def test_preload_sends_the_model_as_it_is_now(toy: Model, staff: Client, valkey: redis.Redis) -> None:
    heard(valkey)
    listener = commands_to(valkey, "gpu-7")
    staff.post(f"{PAGE}preload/", {"worker": "gpu-7", "model": "toy"})
    assert toy.current is not None
    assert command(listener)["model"] == json.loads(json.dumps(toy.current.spec().to_wire()))
    listener.close()


@pytest.mark.parametrize(
    ("page", "said", "why"),
    [
        ("drain", {"worker": "gone"}, "No worker of this name is on"),
        ("drain", {"worker": "gpu-7", "within_seconds": "soon"}, "Give seconds"),
        ("drain", {"worker": "gpu-7", "within_seconds": "-1"}, "Give seconds"),
        ("evict", {"worker": "gpu-7", "key": "another"}, "does not hold this component"),
        ("preload", {"worker": "gpu-7", "model": "another"}, "No enabled model"),
    ],
)
def test_what_cannot_be_done_says_why(
    page: str, said: dict[str, str], why: str, staff: Client, valkey: redis.Redis
) -> None:
    heard(valkey)
    assert why in staff.post(f"{PAGE}{page}/", said, follow=True).text
    assert not LogEntry.objects.exists()
    assert not valkey.exists(drain_key("gone"), drain_key("gpu-7"))


def test_draining_says_what_becomes_of_the_clip_in_hand_and_what_undoes_it(
    toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis
) -> None:
    heard(valkey)
    assert "The clip in hand" not in staff.get(PAGE).text
    heard(valkey, doing=factories.submitted(alice.workspace))
    page = staff.get(PAGE).text
    assert "no more clips until somebody resumes it" in page
    assert re.findall(r'<option value="(\d*)">(?:is|goes)', page) == ["", "0", "60", "600", "3600"]
    answer = staff.post(f"{PAGE}drain/", {"worker": "gpu-7", "within_seconds": "60"}, follow=True)
    assert "until it is resumed. What takes longer than 60 s goes to another GPU." in answer.text


def test_a_drained_worker_can_be_resumed_and_no_other(staff: Client, valkey: redis.Redis) -> None:
    heard(valkey)
    assert "fleet/drain/" in staff.get(PAGE).text
    heard(valkey, state=DRAINING)
    page = staff.get(PAGE).text
    assert "fleet/resume/" in page
    assert "fleet/drain/" not in page


def test_a_drain_shows_at_once_and_until_the_worker_has_heard_it(staff: Client, valkey: redis.Redis) -> None:
    heard(valkey)
    commands_to(valkey, "gpu-7")
    page = staff.post("/admin/fleet/drain/", {"worker": "gpu-7"}, follow=True)
    (card,) = page.context["cards"]
    assert (card.state, card.takes_clips) == ("drain asked", False)
    assert "Resume" in page.text
    heard(valkey, state=DRAINING)
    (card,) = staff.get("/admin/fleet/").context["cards"]
    assert card.state == DRAINING
    heard(valkey)
    staff.post("/admin/fleet/resume/", {"worker": "gpu-7"})
    (card,) = staff.get("/admin/fleet/").context["cards"]
    assert (card.state, card.takes_clips) == ("idle", True)


# --- samples ---------------------------------------------------------------------------------------------------------


def test_one_sample_of_each_worker_in_a_minute(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    heard(valkey, doing=factories.submitted(alice.workspace))
    heard(valkey, name="gpu-8", used_bytes=-1)
    fleet_samples.sweep()
    fleet_samples.sweep()
    rows = FleetSample.objects.filter(at=FleetSample.objects.order_by("at")[0].at).order_by("worker")
    assert [(row.worker, row.activity) for row in rows] == [("gpu-7", "rendering"), ("gpu-8", "idle")]
    assert fleet_samples.last_hour(["gpu-7"])["gpu-7"].count("rendering") >= 1


def test_samples_are_kept_for_thirty_days(db: None, valkey: redis.Redis) -> None:
    now = timezone.now()
    for days in (1, 31):
        FleetSample.objects.create(
            at=now - timedelta(days=days), worker="gpu-7", activity="idle", used_bytes=0, budget_bytes=1
        )
    fleet_samples.sweep()
    assert FleetSample.objects.count() == 1


def test_the_share_of_busy_minutes(db: None) -> None:
    now = timezone.now()
    assert fleet_samples.busy_share(now - timedelta(hours=1), now) is None
    for minute, activity in enumerate(["rendering", "loading", "idle", "draining"]):
        FleetSample.objects.create(
            at=now - timedelta(minutes=minute + 1), worker="gpu-7", activity=activity, used_bytes=0, budget_bytes=1
        )
    assert fleet_samples.busy_share(now - timedelta(hours=1), now) == 0.5
