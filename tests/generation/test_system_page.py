"""The system at one look: whether it is well, what to do where it is not, and how it did over the last day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User, Visitor
from billing.shop.models import StripeEvent
from catalog.models import Model
from generation.models import SystemSample
from generation.moderation import reviews
from generation.settlement import ledger_check, system_samples
from generation.staff import needs
from gpu_worker.last_work import process_key
from loremotion.outbox.models import MailMessage
from tests.accounts.factories import browser_of, person
from tests.generation import factories
from tests.generation.test_fleet_page import heard
from tests.test_last_work import worked

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(valkey: redis.Redis) -> Client:
    """Of a site on which all is well."""
    cache.clear()
    worked(valkey)
    ledger_check.run()
    return browser_of(person("staff@example.com", is_staff=True))


def troubles(staff: Client) -> list[tuple[str, str]]:
    """What the page says is wrong, and where each thing is done."""
    found = staff.get("/admin/system/").context["troubles"]
    assert all(each.next_step for each in found)
    return [(each.what, each.address) for each in found]


def test_while_all_is_well_the_page_says_so_first(staff: Client) -> None:
    page = staff.get("/admin/system/").text
    assert '<h2 id="verdict">All is well</h2>' in page
    assert "errornote" not in page


def test_what_is_wrong_comes_first_each_with_its_next_step(staff: Client) -> None:
    StripeEvent.objects.create(event_id="evt_1", type="t", object_id="o", state="dead", last_error="no such price")
    page = staff.get("/admin/system/").text
    assert troubles(staff)[-1] == ("1 Stripe event that failed", "/admin/shop/stripeevent/?state__exact=dead")
    assert "Read why, then process it again: somebody may have paid." in page
    assert page.index("Stripe event that failed") < page.index("<h2>Processes</h2>")


def test_one_thing_is_broken_and_two_things_are(staff: Client) -> None:
    for number, heading in ((1, "1 thing is broken"), (2, "2 things are broken")):
        if number == 1:
            StripeEvent.objects.create(event_id="evt_1", type="t", object_id="o", state="dead")
        else:
            dead_mail()
        assert f'<h2 id="verdict">{heading}</h2>' in staff.get("/admin/system/").text


def test_things_are_counted_one_by_one_as_in_the_list_of_pages(staff: Client) -> None:
    for number in range(3):
        StripeEvent.objects.create(event_id=f"evt_{number}", type="t", object_id="o", state="dead")
    page = staff.get("/admin/system/")
    assert '<h2 id="verdict">3 things are broken</h2>' in page.text
    assert page.context["waiting"] == 3


def test_what_waits_is_counted_alike_on_the_first_page_on_this_one_and_in_the_list_of_pages(
    staff: Client, toy: Model, alice: Visitor
) -> None:
    """Whether it is broken, or somebody decides it; a model that could do better is not counted."""
    dead_mail()
    reviews.ask(alice.workspace, user=None, prompt="hardcore porn")
    today, system = (staff.get(f"/admin/{page}") for page in ("", "system/"))
    assert (today.context["waiting"], system.context["waiting"]) == (2, 2)
    assert [need.count for need in today.context["needs"] if not need.is_waited_for] == [1]
    assert sum(needs.by_page(User.objects.get(email="staff@example.com")).values()) == 2
    assert '<h2 id="verdict">1 thing is broken</h2>' in system.text
    assert "has 2 things that wait for you" in system.text


def dead_mail() -> None:
    MailMessage.objects.create(
        address="x@example.org", content="x.y", about=uuid4(), state="dead", last_error="550 no such mailbox",
        ended_at=timezone.now(), expires_at=timezone.now(),
    )  # fmt: skip


def test_a_process_that_is_late_is_told_once(staff: Client, valkey: redis.Redis) -> None:
    valkey.delete(process_key("mail"))
    page = staff.get("/admin/system/").text
    assert page.count("mail has not worked for a week.") == 1, "the banner of the other pages says it here again"


def test_books_that_nobody_checked_are_not_well(staff: Client) -> None:
    cache.delete("ledger:check")
    assert troubles(staff) == [("Nobody has checked the books in the last week.", "")]


def test_books_that_do_not_add_up_are_told(staff: Client) -> None:
    at = timezone.now().isoformat()
    cache.set("ledger:check", {"at": at, "violations": ["the books are off by 3"]})
    assert troubles(staff) == [("The books do not add up.", "#ledger")]


def test_clips_that_wait_for_no_worker_are_told(staff: Client, toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    factories.submitted(alice.workspace)
    assert troubles(staff) == [("Clips wait, and no worker takes any.", "/admin/fleet/")]
    heard(valkey)
    assert troubles(staff) == []


def test_stores_are_there_with_what_they_take(staff: Client) -> None:
    page = staff.get("/admin/system/").text
    for words in ("takes new connections", "takes writes", "has room"):
        assert f'<span class="state good">{words}</span>' in page


# --- samples ---------------------------------------------------------------------------------------------------------


def test_one_sample_a_minute_says_how_queues_and_processes_stand(staff: Client, valkey: redis.Redis) -> None:
    valkey.rpush("rq:queue:mail", *range(417))
    due_at = timezone.now() - timedelta(minutes=5)
    StripeEvent.objects.create(event_id="evt_1", type="t", object_id="o", due_at=due_at)
    StripeEvent.objects.create(event_id="evt_2", type="t", object_id="o", due_at=timezone.now() + timedelta(days=1))
    system_samples.sweep()
    sample = SystemSample.objects.order_by("at")[0]
    assert sample.waiting["mail"] == 417
    assert 295 <= sample.overdue.pop("stripe") <= 360
    assert sample.overdue == {"mail": 0, "webhooks": 0}
    assert sample.silence["beat"] >= 1
    seen = SystemSample.objects.count()
    SystemSample.objects.update(at=timezone.now())
    system_samples.sweep()
    assert SystemSample.objects.count() == seen, "one in a minute"


def at(minutes_ago: int, **figures: Any) -> SystemSample:
    moment = timezone.now() - timedelta(minutes=minutes_ago)
    return SystemSample.objects.create(at=moment, **({"waiting": {}, "silence": {}, "overdue": {}} | figures))


def test_samples_are_kept_for_a_week(staff: Client) -> None:
    at(6 * 24 * 60)
    at(8 * 24 * 60)
    system_samples.sweep()
    assert SystemSample.objects.filter(at__lt=timezone.now() - timedelta(minutes=2)).count() == 1


def test_a_part_of_a_span_shows_the_most_of_its_samples_and_nothing_where_there_is_none() -> None:
    until = timezone.now()
    for minutes, waiting in ((55, 3), (50, 9), (5, 2)):
        at(minutes, waiting={"mail": waiting})
    found = system_samples.courses(until - timedelta(hours=1), until, parts=3)
    assert found.waiting == {"mail": [9, None, 2]}


def test_the_last_day_is_plotted_once_there_is_a_sample(staff: Client) -> None:
    assert "plotted once the beat has written down a minute" in staff.get("/admin/system/").text
    cache.delete("admin-system:last-day")
    at(30, waiting={"mail": 7}, silence={"mail": 90, "unknown": 5}, overdue={"mail": 12})
    plots = staff.get("/admin/system/").context["plots"]
    assert [each["title"] for each in plots] == [
        *("Jobs waiting, by queue", "Longest overdue, by what is sent"),
        "Silence of processes, 100 % is late",
    ]
    assert [max(filter(None, each["series"]["mail"])) for each in plots] == [7, 12, 50.0]


def test_of_many_queues_the_four_that_rose_highest_are_plotted(staff: Client) -> None:
    at(30, waiting={name: number for number, name in enumerate("abcdef")})
    at(90, waiting={"a": 9})
    jobs = staff.get("/admin/system/").context["plots"][0]["series"]
    assert list(jobs) == ["a", "f", "e", "d"]


def test_the_page_takes_as_many_queries_however_many_samples_there_are(staff: Client) -> None:
    staff.get("/admin/system/")
    counts = []
    for first in (1, 10):
        for minutes in range(first, 10 * first):
            at(minutes)
        cache.delete("admin-system:last-day")
        with CaptureQueriesContext(connection) as asked:
            staff.get("/admin/system/")
        counts.append(len(asked))
    assert counts[0] == counts[1]
