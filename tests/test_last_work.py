"""Every process says when it last did its work, and staff are told of one that no longer does."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from generation.settlement import housekeeping
from gpu_worker import last_work
from gpu_worker.last_work import LastWork, ages_seconds, process_key
from loremotion import health, queue_worker
from loremotion.local.ports import free_port
from tests.catalog.factories import make_model
from tests.catalog.tokenizers import checkpoint_with, unigram


def worked(valkey: redis.Redis, *, but: str = "", seconds_ago: int = 1) -> None:
    """Every process has done its work so long ago, ``but`` one."""
    for process in ("web", "beat", "gpu", *django_settings.QUEUE_JOBS):
        if process != but:
            valkey.set(process_key(process), 1, ex=last_work.REMEMBERED_SECONDS - seconds_ago)


def doctor() -> tuple[int, str]:
    """Exit status and words of the command."""
    said = io.StringIO()
    try:
        call_command("doctor", stdout=said)
    except SystemExit as leaving:
        return int(str(leaving.code)), said.getvalue()
    return 0, said.getvalue()


@pytest.fixture(autouse=True)
def no_site(settings: Settings) -> None:
    settings.SITE_URL = f"http://127.0.0.1:{free_port()}"


def test_an_age_is_counted_by_the_stores_clock(valkey: redis.Redis) -> None:
    worked(valkey, but="beat", seconds_ago=50)
    ages = ages_seconds(valkey, ["mail", "beat"])
    assert ages["beat"] is None
    assert ages["mail"] is not None
    assert ages["mail"] >= 50


def test_work_is_noted_at_most_every_few_seconds(valkey: redis.Redis) -> None:
    now = 0.0
    last = LastWork(valkey, "mail", clock=lambda: now)
    last.note()
    assert valkey.delete(process_key("mail")) == 1
    last.note()
    assert not valkey.exists(process_key("mail"))
    now = last_work.EVERY_SECONDS
    last.note()
    assert valkey.exists(process_key("mail"))


def test_without_valkey_the_work_goes_on() -> None:
    LastWork(redis.Redis.from_url(f"redis://127.0.0.1:{free_port()}/0"), "mail").note()


@pytest.mark.django_db
def test_a_queue_worker_says_that_it_works(valkey: redis.Redis) -> None:
    queue_worker.work("mail", burst=True)
    assert valkey.exists(process_key("mail"))


@pytest.mark.django_db
def test_one_that_would_lose_its_next_job_does_not(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(connection, "cursor", lost)
    queue_worker.work("mail", burst=True)
    assert not valkey.exists(process_key("mail"))


@pytest.mark.django_db(transaction=True)
def test_the_beat_says_that_it_works(valkey: redis.Redis) -> None:
    assert housekeeping.beat()
    assert valkey.exists(process_key("beat"))


@pytest.mark.django_db
def test_a_web_process_says_that_it_served(valkey: redis.Redis) -> None:
    health.web_work.cache_clear()
    Client().get("/pricing/")
    assert valkey.exists(process_key("web"))


@pytest.mark.django_db
def test_the_doctor_is_content_while_everybody_works(valkey: redis.Redis) -> None:
    worked(valkey)
    status, said = doctor()
    assert status == 0, said
    assert re.search(r"^ok    beat: last worked: \d+ s ago$", said, re.MULTILINE)


@pytest.mark.django_db
@pytest.mark.parametrize("silent", ["web", "beat", "gpu", *django_settings.QUEUE_JOBS])
def test_the_doctor_names_who_is_silent(valkey: redis.Redis, silent: str) -> None:
    worked(valkey, but=silent)
    status, said = doctor()
    assert status == 1
    assert re.findall(r"^(?!ok|note).+$", said, flags=re.MULTILINE) == [f"LATE  {silent}: last worked: not in a week"]


@pytest.mark.django_db
def test_the_doctor_names_a_store_that_is_away(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    worked(valkey)
    monkeypatch.setitem(connection.settings_dict, "PORT", free_port())
    status, said = doctor()
    assert status == 1
    assert "AWAY  database: does not answer" in said


@pytest.mark.django_db
def test_the_doctor_advises_to_fetch_what_counts_the_prompts_of_an_offered_model(
    valkey: redis.Redis, tmp_path: Path
) -> None:
    worked(valkey)
    make_model("from-the-hub", source="owner/not-on-this-machine")
    make_model("draft", enabled=False, source="owner/not-on-this-machine")
    make_model("counted", source=str(checkpoint_with(unigram, tmp_path / "counted")))
    make_model("folder", source=str(tmp_path))
    status, said = doctor()
    assert status == 0, said
    notes = [line for line in said.splitlines() if "tokenizer" in line]
    assert [note.split(":")[0] for note in notes] == ["note  folder", "note  from-the-hub"]
    assert f"bring {tmp_path}/tokenizer here" in notes[0]
    assert "run manage.py catalog tokenizers" in notes[1]


@pytest.mark.django_db
def test_staff_see_on_the_page_of_processes_who_is_silent(valkey: redis.Redis) -> None:
    browser = Client()
    browser.force_login(User.objects.create_superuser("staff@example.com", "irrelevant"))
    worked(valkey, but="stripe")
    page = browser.get("/admin/system/").text
    assert '<td>stripe</td><td>not in a week</td><td><strong class="state bad">late</strong>' in page
    assert page.count(">late</strong>") == 1


@pytest.fixture
def evicting(valkey: redis.Redis) -> Iterator[None]:
    """Valkey as many hosts sell it: a cache, which drops what was not asked for lately."""
    valkey.config_set("maxmemory-policy", "allkeys-lru")
    yield
    valkey.config_set("maxmemory-policy", "noeviction")


@pytest.mark.django_db
def test_the_doctor_says_that_valkey_may_drop_jobs_and_what_to_do(valkey: redis.Redis, evicting: None) -> None:
    worked(valkey)
    status, said = doctor()
    assert status == 1
    assert "maxmemory-policy allkeys-lru" in said
    assert "set maxmemory-policy noeviction" in said


@pytest.mark.django_db
def test_the_doctor_advises_to_keep_jobs_over_a_restart(valkey: redis.Redis) -> None:
    worked(valkey)
    status, said = doctor()
    assert (status, "set appendonly yes" in said) == (0, True)
    valkey.config_set("appendonly", "yes")
    try:
        assert "appendonly" not in doctor()[1]
    finally:
        valkey.config_set("appendonly", "no")


@pytest.mark.django_db(transaction=True)
def test_a_beat_says_at_its_start_that_valkey_may_drop_jobs(evicting: None, caplog: pytest.LogCaptureFixture) -> None:
    call_command("housekeeping", "--once")
    assert any(r.levelname == "CRITICAL" and "maxmemory-policy noeviction" in r.getMessage() for r in caplog.records)
