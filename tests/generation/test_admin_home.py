"""The admin's first page: figures of a span are those of its rows, and each of staff sees what they may."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
import redis
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Visitor
from billing.shop import liability
from billing.shop.models import Payment, Price
from catalog.models import Model
from generation import figures
from generation.figures import BUCKETS, Span
from generation.models import FleetSample, Generation, State
from generation.moderation import reviews
from generation.webhooks.models import Delivery, Endpoint
from loremotion.staff_sections import SECTIONS
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.test_fleet_page import heard

NOW = timezone.now()
HOUR = Span(NOW - timedelta(hours=1), NOW)


def ended(
    visitor: Visitor,
    *,
    came: float,
    started: float | None,
    finished: float,
    state: State = State.SUCCEEDED,
    code: str = "",
) -> Generation:
    """A clip with its times as minutes before ``NOW``."""

    def moment(minutes: float | None) -> datetime | None:
        return None if minutes is None else NOW - timedelta(minutes=minutes)

    generation = factories.submitted(visitor.workspace)
    Generation.objects.filter(id=generation.id).update(
        created_at=moment(came), started_at=moment(started), finished_at=moment(finished), state=state, error_code=code
    )
    return generation


@pytest.fixture
def an_hour(toy: Model, alice: Visitor) -> None:
    ended(alice, came=59, started=49, finished=48)
    ended(alice, came=40, started=38, finished=35)
    ended(alice, came=30, started=29, finished=28, state=State.FAILED, code="out_of_memory")
    ended(alice, came=20, started=None, finished=10, state=State.CANCELLED)
    ended(alice, came=200, started=190, finished=180)  # of another hour


@pytest.mark.usefixtures("an_hour")
def test_totals_are_those_of_what_ended_in_the_span() -> None:
    totals = figures.totals_of(HOUR)
    assert (totals.made, totals.failed) == (2, 1)
    assert totals.success == pytest.approx(2 / 3)
    assert totals.wait_seconds is not None
    assert totals.wait_seconds[0] == pytest.approx(120)
    assert totals.render_seconds is not None
    assert totals.render_seconds[0] == pytest.approx(120)
    assert figures.totals_of(Span(NOW - timedelta(days=9), NOW - timedelta(days=8))).success is None


@pytest.mark.usefixtures("an_hour")
def test_the_course_tells_when_it_was() -> None:
    course = figures.course_of(HOUR, queued_now=0)
    assert sum(course.came) == 4
    assert {model: sum(made) for model, made in course.made.items()} == {"toy": 2}
    assert {code: sum(failed) for code, failed in course.failed.items()} == {"out_of_memory": 1}
    minutes = [60 - 60 * (at + 1) / BUCKETS for at in range(BUCKETS)]  # before now, at the end of each bucket
    waiting = {round(minute, 2): count for minute, count in zip(minutes, course.queued, strict=True) if count}
    assert set(waiting.values()) == {1}
    assert all(49 <= minute < 59 or 38 <= minute < 40 or 29 <= minute < 30 or 10 <= minute < 20 for minute in waiting)


def staff_who_may(*permissions: str) -> Client:
    user = people.person(f"{'-'.join(permissions) or 'nobody'}@example.org")
    User.objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return people.browser_of(User.objects.get(id=user.id))


@pytest.mark.usefixtures("an_hour")
def test_each_of_staff_sees_what_they_may(alice: Visitor) -> None:
    reviews.ask(alice.workspace, user=None, prompt="hardcore porn")
    home = reverse("admin:index")
    clips, moderator, nobody = (
        staff_who_may(*names).get(home).text for names in (["view_generation"], ["view_review"], [])
    )
    assert "Clips made, by model" in clips
    assert "prompt to review" not in clips
    assert "prompt to review" in moderator
    assert "Clips made" not in moderator
    assert "Clips made" not in nobody
    assert "prompt to review" not in nobody


@pytest.mark.usefixtures("an_hour")
@pytest.mark.parametrize("name", ["1h", "30d", "nonsense"])
def test_any_range_takes_as_many_queries(name: str, alice: Visitor) -> None:
    browser = staff_who_may("view_generation")
    address = reverse("admin:index") + f"?range={name}"
    browser.get(address)
    cache.clear()
    with CaptureQueriesContext(connection) as few:
        browser.get(address)
    for _ in range(5):
        ended(alice, came=5, started=4, finished=3)
    with CaptureQueriesContext(connection) as kept:
        browser.get(address)
    assert len(kept) < len(few)
    cache.clear()
    with CaptureQueriesContext(connection) as more:
        assert browser.get(address).status_code == 200
    assert len(more) == len(few)


@pytest.mark.usefixtures("an_hour")
def test_times_and_credits_are_those_of_the_part_in_which_clips_ended() -> None:
    times = figures.times_of(HOUR)
    for waits in (times.wait_p50, times.wait_p90):
        assert [seconds for seconds in waits if seconds is not None] == pytest.approx([600, 120, 60])
    assert [p50 for p50 in times.render_p50 if p50 is not None] == pytest.approx([60, 180])
    assert [share for share in times.success if share is not None] == [1.0, 1.0, 0.0]
    assert (
        sum(times.credits)
        == figures.totals_of(HOUR).credits
        == sum(
            clip.credits_quoted for clip in Generation.objects.filter(state=State.SUCCEEDED, created_at__gte=HOUR.since)
        )
    )


def test_revenue_is_for_whoever_may_see_it_and_by_currency(toy: Model) -> None:
    price = Price.objects.filter(currency="usd")[0]
    for number, minutes in enumerate((10, 70)):
        Payment.objects.create(
            **{"source": f"in_{number}", "workspace": uuid4(), "account": uuid4(), "price": price, "credits": 1},
            **{"amount_minor": 2_000, "currency": "usd", "paid_at": timezone.now() - timedelta(minutes=minutes)},
        )
    cache.clear()
    liability.count()
    finance, clips = staff_who_may("view_revenue"), staff_who_may("view_generation")
    page = finance.get(reverse("admin:index") + "?range=1h").context
    (tile,) = (each for each in page["tiles"] if each["title"] == "Revenue, USD")
    assert (tile["value"], tile["change"]) == ("$20.00", "+0\N{NO-BREAK SPACE}%")
    assert sum(tile["course"]) == 2_000
    assert [each["title"] for each in page["tiles"]] == [
        *("Revenue, USD", "Unspent liability, USD", "Free GPU time left today")
    ]
    assert [plot["title"] for plot in page["plots"]] == ["Revenue in USD"]
    assert "Revenue" not in clips.get(reverse("admin:index") + "?range=1h").text.split('id="content-main"')[0]


def test_what_waits_is_counted_for_whoever_may_see_it(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    clip = factories.submitted(alice.workspace)
    Generation.objects.filter(id=clip.id).update(needs_bytes=80 * 10**9)
    cache.clear()
    heard(valkey)
    first = staff_who_may("view_fleet").get(reverse("admin:index")).context["needs"][0]
    assert first.address == "/admin/fleet/#queue"
    needs = {
        need.one for need in staff_who_may("view_fleet", "view_model").get(reverse("admin:index")).context["needs"]
    }
    assert needs == {"queued clip that no GPU fits", "enabled model without a finished render"}


def test_endpoints_that_fail_and_events_that_were_given_up_are_counted(alice: Visitor) -> None:
    for number, (failing, disabled) in enumerate([(NOW, None), (None, None), (NOW, NOW)]):
        Endpoint.objects.create(
            **{"workspace": alice.workspace, "name": f"hook {number}", "url": "https://example.org", "event_types": []},
            **{"failing_since": failing, "disabled_at": disabled},
        )
    for number, (state, days) in enumerate([("dead", 1), ("dead", 2), ("dead", 9), ("sent", 1)]):
        ended_at = NOW - timedelta(days=days)
        Delivery.objects.create(
            **{"endpoint": Endpoint.objects.all()[0], "event_id": f"evt_{number}", "event_type": "video.completed"},
            **{"video_id": uuid4(), "state": state, "ended_at": ended_at, "created_at": ended_at, "expires_at": NOW},
        )
    browser = staff_who_may("view_endpoint", "view_delivery")
    needs = browser.get(reverse("admin:index")).context["needs"]
    assert [(need.count, need.one) for need in needs] == [
        (1, "webhook endpoint that fails"),
        (2, "webhook event that could not be delivered"),
    ]
    assert [len(browser.get(need.address).context["cl"].result_list) for need in needs] == [1, 3]
    (endpoints,) = staff_who_may("view_endpoint").get(reverse("admin:index")).context["needs"]
    assert endpoints == needs[0]


def test_what_is_counted_to_the_bound_may_be_more(
    toy: Model, alice: Visitor, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generation.staff.needs.MOST_COUNTED", 1)
    cache.clear()
    page = staff_who_may("view_model").get(reverse("admin:index"))
    assert [need.may_be_more for need in page.context["needs"]] == [True]
    assert "1+ enabled model" in page.text


def test_plots_and_tiles_have_their_pictures(toy: Model, alice: Visitor) -> None:
    ended(alice, came=30, started=29, finished=28)
    cache.clear()
    page = staff_who_may("view_generation").get(reverse("admin:index")).text
    for title in (
        "Queue depth",
        "Clips made, by model",
        "Wait",
        "Render",
        "GPU busy",
        "Credits charged",
    ):
        assert f"<figcaption>{title} " in page, title
    assert page.count('class="spark"') == 7
    made = page.split('id="clips-made-by-model-title"')[1].split("</figure>")[0]
    assert f"until now, {toy.name}; peak 1." in made
    assert "<span>now</span>" in made
    assert "style=" not in page.split('id="today"')[1].split('id="content-main"')[0]


@pytest.mark.usefixtures("an_hour")
def test_how_busy_the_gpus_were_is_told() -> None:
    for minute, activity in enumerate(["rendering", "idle", "idle", "loading"]):
        at = timezone.now() - timedelta(minutes=minute + 1)
        FleetSample.objects.create(at=at, worker="gpu-7", activity=activity, used_bytes=0, budget_bytes=1)
    cache.clear()
    tiles = staff_who_may("view_generation").get(reverse("admin:index") + "?range=1h").context["tiles"]
    assert {tile["title"]: tile["value"] for tile in tiles}["GPU busy"] == "50.0\N{NO-BREAK SPACE}%"


def test_every_page_stands_in_one_section(db: None) -> None:
    page = people.browser_of(people.person("root@example.org", is_staff=True)).get(reverse("admin:index"))
    shown = {app["name"]: [model["object_name"] for model in app["models"]] for app in page.context["app_list"]}
    assert [name for name in shown if name in SECTIONS] == list(SECTIONS)
    every = [name for names in shown.values() for name in names]
    assert len(every) == len(set(every))
    assert "Sign-in" in shown
