"""Whatever the processes ``mail``, ``webhooks`` and ``stripe`` log of a job leads back to the click and to the clip."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import redis
from django.conf import settings as django_settings
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User, Workspace
from billing.shop import inbox, jobs, locks, subscribing
from billing.shop.models import StripeEvent
from generation.webhooks import deliveries
from generation.webhooks.models import Delivery, Endpoint
from gpu_worker import log_context
from gpu_worker.log_context import ContextFilter, JsonFormatter, LineFormatter
from loremotion import queue_worker
from loremotion.outbox import mail, sending
from loremotion.outbox.mail import Content
from loremotion.outbox.models import MailMessage, Retried
from tests.accounts import factories as people

pytestmark = pytest.mark.django_db

logger = logging.getLogger(__name__)
CLIP = UUID("00000000-0000-4000-8000-00000000c11b")
OURS = ("loremotion", "generation", "billing", "accounts", "tests", "rq", "stripe")


def says(message: MailMessage) -> Content:
    logger.info("putting it into words")
    return Content("mail/nothing.txt", {})


SAYS = {f"{__name__}.says": says}


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(queue_worker, "close_old_connections", lambda: None)  # the test's transaction is in it
    return valkey


@pytest.fixture
def studio(db: None) -> Workspace:
    return people.team(people.person("alice@example.org"), "Studio")


@contextmanager
def clicked() -> Iterator[None]:
    """As a request does that somebody made."""
    with log_context.bound(request_id="click-1"):
        yield


def a_mail(studio: Workspace, expires_at: datetime) -> tuple[Retried, dict[str, str]]:
    to = User.objects.get()
    with clicked():
        written = MailMessage(workspace=studio, user=to, content=f"{__name__}.says", about=CLIP, expires_at=expires_at)
        MailMessage.objects.bulk_create([written])  # as loremotion.outbox.mail writes them
    return written, {"request_id": "click-1", "mail_id": str(written.pk), "about_id": str(CLIP)}


def a_delivery(studio: Workspace, expires_at: datetime) -> tuple[Retried, dict[str, str]]:
    endpoint = Endpoint.objects.create(workspace=studio, name="Ours", url="https://x.example", event_types=[])
    with clicked():
        made = Delivery(endpoint=endpoint, event_id="evt_clip", event_type="x", video_id=CLIP, expires_at=expires_at)
        Delivery.objects.bulk_create([made], ignore_conflicts=True)
    row = Delivery.objects.get()
    return row, {"request_id": "click-1", "generation_id": str(CLIP), "event_id": "evt_clip"}


def an_event(studio: Workspace, expires_at: datetime) -> tuple[Retried, dict[str, str]]:
    with clicked():
        inbox.store("evt_1", "invoice.paid", "in_1", heard_from="webhook")
    row = StripeEvent.objects.get()
    if expires_at < timezone.now():
        StripeEvent.objects.update(attempts=StripeEvent.MOST_ATTEMPTS)
    return row, {"request_id": "click-1", "event_id": "evt_1", "object_id": "in_1"}


WRITE: tuple[Callable[[Workspace, datetime], tuple[Retried, dict[str, str]]], ...] = (a_mail, a_delivery, an_event)


def worked_off(row: Retried) -> None:
    kind = type(row)
    sending.enqueue(kind, [(getattr(row, kind.job_argument), row.attempts)])
    queue_worker.work(kind.queue, burst=True)


def said_as_json(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Every line that a process of the site wrote, as ``LOG_FORMAT=json`` writes it."""
    records = [record for record in caplog.records if record.name.split(".")[0] in OURS]
    return [json.loads(JsonFormatter().format(record)) for record in records]


def leads_back(line: Mapping[str, Any], ids: Mapping[str, str]) -> bool:
    return {name: line.get(name) for name in ids} == dict(ids)


def broken(*_: object, **__: object) -> Any:
    logger.info("about to break")
    raise ValueError("a bug")


def without_database(*_: object, **__: object) -> Any:
    raise OperationalError("the connection is lost")


@pytest.mark.parametrize("write", WRITE)
@pytest.mark.parametrize("failure", [broken, without_database])
def test_every_line_of_a_job_that_fails_names_the_click_and_what_was_worked_on(
    write: Callable[[Workspace, datetime], tuple[Retried, dict[str, str]]],
    failure: Callable[..., Any],
    studio: Workspace,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row, ids = write(studio, timezone.now() + timedelta(hours=1))
    for module, name in ((mail, "content_of"), (deliveries, "attempt"), (inbox, "follow")):
        monkeypatch.setattr(module, name, failure)
    monkeypatch.setattr(queue_worker, "replace_process", lambda: None)
    with caplog.filtering(ContextFilter()):
        worked_off(row)
    lines = [line for line in said_as_json(caplog) if "job_id" in line]
    assert lines
    assert [line for line in lines if line["level"] in ("WARNING", "ERROR")]
    assert [line["message"] for line in lines if line["level"] != "INFO" and not leads_back(line, ids)] == []
    assert [line["message"] for line in lines if line["logger"] == __name__ and not leads_back(line, ids)] == []


@pytest.mark.parametrize("write", WRITE)
def test_what_is_given_up_before_it_is_tried_names_them_too(
    write: Callable[[Workspace, datetime], tuple[Retried, dict[str, str]]],
    studio: Workspace,
    caplog: pytest.LogCaptureFixture,
) -> None:
    row, ids = write(studio, timezone.now() - timedelta(hours=1))
    with caplog.filtering(ContextFilter()):
        worked_off(row)
    [line] = [line for line in said_as_json(caplog) if "is given up" in line["message"]]
    assert leads_back(line, ids)


def test_a_mail_that_is_sent_names_them_on_a_line_for_people(
    studio: Workspace, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.MAIL_CONTENTS = [*django_settings.MAIL_CONTENTS, f"{__name__}.SAYS"]
    row, _ = a_mail(studio, timezone.now() + timedelta(hours=1))
    with caplog.filtering(ContextFilter()):
        worked_off(row)
    [record] = [record for record in caplog.records if record.name == __name__]
    said = LineFormatter("{message}", style="{").format(record)
    begin = f"putting it into words [request=click-1 mail={row.pk} about={CLIP} job=mailmessage-{row.pk}-0-"
    assert said.startswith(begin)


def test_what_is_brought_to_where_stripe_says_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no event led to it: the nightly comparison, an order that nobody told us of, a workspace's end."""
    monkeypatch.setattr(subscribing, "end_all", broken)
    workspace = str(uuid4())
    with caplog.filtering(ContextFilter()):
        with locks.alone_with("order:1"):
            logger.warning("asking")
        with pytest.raises(ValueError, match="a bug") as raised:
            jobs.end_subscriptions(workspace)
    lines = said_as_json(caplog)
    assert [line["subject"] for line in lines] == ["order:1", f"workspace:{workspace}"]
    assert log_context.of(raised.value) == {"subject": f"workspace:{workspace}"}


def test_an_error_that_is_logged_further_out_names_what_was_worked_on(caplog: pytest.LogCaptureFixture) -> None:
    def work() -> None:
        with log_context.bound(request_id="r-1", mail_id="1"):
            broken()

    with caplog.filtering(ContextFilter()), log_context.bound(request_id="r-2"):
        try:
            work()
        except ValueError:
            logger.exception("It failed")
    last = cast(Any, caplog.records[-1])
    assert (last.request_id, last.mail_id) == ("r-2", "1")
