"""The public record says what came of forecasts, of models that people may choose."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import redis
from django.test import Client
from django.utils import timezone

from accounts.models import User
from catalog.models import Model
from generation.models import ForecastHour, ServiceSpan
from generation.scheduling import service_record
from gpu_worker.valkey_names import WORKERS_KEY, worker_key
from gpu_worker.worker_status import WorkerStatus
from tests.generation import factories
from tests.generation import test_remote_clips as remote


def hour(model: str = "toy", *, ago: float = 1.0, tier: str = "free", **counts: Any) -> None:
    at = timezone.now() - timedelta(hours=ago)
    told = {"told": 10, "before": 9, "inside": 8, "waits": {"24": 5, "28": 5}} | counts
    ForecastHour.objects.create(hour=at, model=model, tier=tier, **told)


def test_shares_and_waits_are_summed_over_hours_and_tiers(toy: Model, client: Client) -> None:
    hour()
    hour(tier="paid", before=7)
    hour(ago=2.0)
    said = client.get("/status.json").json()
    assert said["all"]["forecasts"] == 30
    assert said["all"]["ready_in_time"] == 0.833
    assert said["all"]["inside_range"] == 0.8
    (one,) = said["models"]
    assert (one["model"], one["clips"], len(one["hours"])) == ("toy", 30, 3)
    assert 64 <= one["wait_p50_seconds"] <= 80
    assert 128 <= one["wait_p90_seconds"] <= 160


def test_yesterday_is_over(toy: Model, client: Client) -> None:
    hour(ago=25.0)
    assert client.get("/status.json").json()["all"]["forecasts"] == 0
    assert "No clips were made in that time" in client.get("/status/").text


def test_models_that_people_may_not_choose_are_not_named(toy: Model, client: Client) -> None:
    hour()
    factories.model("secret", is_default=False)
    Model.objects.filter(slug="secret").update(status=Model.Status.DRAFT)
    hour("secret")
    answer = client.get("/status.json")
    assert "secret" not in answer.text
    assert answer.json()["all"]["forecasts"] == 10


def test_gpus_that_take_clips_are_counted(toy: Model, client: Client, valkey: redis.Redis) -> None:
    assert client.get("/status.json").json()["gpus_on"] == 0
    assert "No GPUs are running" in client.get("/status/").text
    for name, state in (("one", "idle"), ("two", "draining")):
        valkey.zadd(WORKERS_KEY, {name: time.time()})
        valkey.set(worker_key(name), json.dumps(WorkerStatus(name=name, state=state).to_wire()), ex=60)
    assert client.get("/status.json").json()["gpus_on"] == 1


def beat(valkey: redis.Redis, *, is_on: bool) -> None:
    """Have the beat look while the only GPU worker is on, or away."""
    if is_on:
        valkey.zadd(WORKERS_KEY, {"one": time.time()})
        valkey.set(worker_key("one"), json.dumps(WorkerStatus(name="one", state="idle").to_wire()), ex=60)
    else:
        valkey.delete(WORKERS_KEY)
    service_record.sweep()


def earlier(**ago: float) -> None:
    """Move all that the beat has written into the past."""
    for span in ServiceSpan.objects.all():
        span.began_at, span.until_at = span.began_at - timedelta(**ago), span.until_at - timedelta(**ago)
        span.save()


def test_an_outage_is_told_while_it_goes_on_and_afterwards(toy: Model, client: Client, valkey: redis.Redis) -> None:
    beat(valkey, is_on=True)
    earlier(minutes=3)
    beat(valkey, is_on=False)
    page = client.get("/status/").text
    assert "No GPUs are running" in page
    assert "Going on" in page
    earlier(minutes=2)
    beat(valkey, is_on=True)
    said = client.get("/status.json").json()
    (outage,) = said["outages"]
    assert said["state"] == "up"
    assert outage["models"] == ["toy"]
    assert outage["ended_at"]
    page = client.get("/status/").text
    assert "All models are up" in page
    assert "Without an outage since" in page
    assert "Going on" not in page


def test_a_span_goes_on_while_nothing_changes(toy: Model, valkey: redis.Redis) -> None:
    for _ in range(3):
        beat(valkey, is_on=True)
        earlier(minutes=2)
    (span,) = ServiceSpan.objects.all()
    assert span.until_at - span.began_at >= timedelta(minutes=4)


def test_what_nobody_watched_is_neither_up_nor_down(toy: Model, client: Client, valkey: redis.Redis) -> None:
    beat(valkey, is_on=True)
    earlier(hours=1)
    beat(valkey, is_on=True)
    assert ServiceSpan.objects.count() == 2, "between them is a gap"
    assert client.get("/status.json").json()["outages"] == []
    assert service_record.record_of(["toy"]).up_share("toy") in {1.0, None}


def test_what_is_older_than_it_is_kept_is_deleted(toy: Model, valkey: redis.Redis) -> None:
    beat(valkey, is_on=True)
    earlier(days=40)
    beat(valkey, is_on=True)
    assert ServiceSpan.objects.count() == 1


def test_a_model_is_offline_while_nobody_who_can_ask_its_provider_runs(
    toy: Model, client: Client, valkey: redis.Redis
) -> None:
    factories.model("far", is_default=False, **remote.SPEC)
    beat(valkey, is_on=True)
    said = client.get("/status.json").json()
    assert {each["model"]: each["is_up"] for each in said["models"]} == {"toy": True, "far": False}
    assert "1 of 2 models is offline" in client.get("/status/").text


def test_shares_are_written_as_the_reader_s_language_does(toy: Model, client: Client) -> None:
    hour()
    german = client.get("/status/", headers={"Accept-Language": "de"}).text
    assert "wurden 90 % eingehalten" in german
    assert "80 %</td>" in german


def test_the_page_says_it_in_words(toy: Model, client: Client) -> None:
    hour()
    page = client.get("/status/").text
    assert "Of 10 estimates, 90% were met in time" in page
    assert "80% of clips were ready within the range" in page


def test_staff_reads_why_estimates_were_missed_by_tier_and_nobody_else(toy: Model, client: Client) -> None:
    hour(misses={"loading": 1})
    hour(tier="paid", misses={"handed_on": 2})
    assert "for staff" not in client.get("/status/").text
    client.force_login(User.objects.create_user("staff@example.org", "a long password", is_staff=True))
    page = client.get("/status/").text
    assert "handed on: 2" in page
    assert "loading: 1" in page
    assert "misses" not in client.get("/status.json").text


def test_it_asks_the_same_however_many_hours_there_are(
    toy: Model, client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        hour(ago=number + 0.5)
    with django_assert_max_num_queries(6):
        client.get("/status.json")
