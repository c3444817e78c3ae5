"""The admin's first page: figures of a span are those of its rows, and each of staff sees what they may."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
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
from generation.figures import PARTS, Span
from generation.models import FleetSample, Generation, State
from generation.moderation import reviews
from generation.staff import tiles
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox.models import MailMessage
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
    course = figures.course_of(HOUR, waiting_now=0)
    assert sum(course.came) == 4
    assert {model: sum(made) for model, made in course.made.items()} == {"toy": 2}
    assert {code: sum(failed) for code, failed in course.failed.items()} == {"out_of_memory": 1}
    minutes = [60 - 60 * (at + 1) / PARTS for at in range(PARTS)]  # before now, at the end of each bucket
    waiting = {round(minute, 2): count for minute, count in zip(minutes, course.waiting, strict=True) if count}
    assert set(waiting.values()) == {1}
    assert all(49 <= minute < 59 or 38 <= minute < 40 or 29 <= minute < 30 or 10 <= minute < 20 for minute in waiting)


@pytest.mark.parametrize(
    ("length", "parts", "said"),
    [
        (timedelta(hours=1), 30, r"\d\d:[0-5][02468]:00"),
        (timedelta(hours=24), 24, r"\d\d:00:00"),
        (timedelta(days=7), 28, r"(00|06|12|18):00:00"),
        (timedelta(days=30), 30, "00:00:00"),
    ],
)
def test_the_parts_of_a_plot_begin_at_round_moments_and_the_last_is_now(
    length: timedelta, parts: int, said: str
) -> None:
    before = timezone.now()
    span = Span.aligned(length, parts)
    assert span.until - span.since == length
    assert all(re.fullmatch(said, f"{edge:%H:%M:%S}") for edge in span.edges)
    assert span.edges[-1] <= timezone.now()
    assert span.until > before


def test_how_long_the_longest_waited_is_told_of_those_that_still_wait_too(toy: Model, alice: Visitor) -> None:
    span = Span(NOW - timedelta(hours=1), NOW, 6)
    ended(alice, came=59, started=29, finished=28)
    still = factories.submitted(alice.workspace)
    Generation.objects.filter(id=still.id).update(created_at=NOW - timedelta(minutes=15))
    found = figures.longest_waits_of(span)
    assert [wait and round(wait / 60) for wait in found] == [9, 19, 29, None, 5, 15]


def test_a_clip_that_has_waited_since_before_the_span_is_told_from_its_first_part_on(
    toy: Model, alice: Visitor
) -> None:
    old = factories.submitted(alice.workspace)
    Generation.objects.filter(id=old.id).update(created_at=NOW - timedelta(minutes=90))
    assert [wait and round(wait / 60) for wait in figures.longest_waits_of(Span(HOUR.since, NOW, 2))] == [60, 90]


@pytest.mark.parametrize(
    ("seconds", "expected", "unit"), [([7.0, None], [7.0, None], "s"), ([60.0, 2_760.0], [1.0, 46.0], "min")]
)
def test_times_are_plotted_in_the_unit_of_the_largest(
    seconds: list[float | None], expected: list[float | None], unit: str
) -> None:
    assert tiles.in_one_unit({"p50": seconds}) == ({"p50": expected}, unit)


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
    assert "Your account has no role yet" in nobody
    assert "Nothing waits for you" not in nobody
    assert "Your account has no role yet" not in moderator


@pytest.mark.django_db
def test_whoever_may_not_do_it_reads_who_does() -> None:
    MailMessage.objects.create(
        **{"address": "x@example.org", "content": "x.y", "about": uuid4(), "state": "dead", "last_error": "550 no"},
        **{"ended_at": timezone.now(), "expires_at": timezone.now()},
    )
    home = reverse("admin:index")
    for rights, said in (
        (["view_mailmessage"], "Read why; Operations can send it again."),
        (["view_mailmessage", "retry_mailmessage"], "Read why, then send it again."),
    ):
        [need] = staff_who_may(*rights).get(home).context["needs"]
        assert need.todo == said


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
    (tile,) = (each for each in page["tiles"] if each["title"] == "Gross, USD")
    assert (tile["value"], tile["note"]) == ("$20.00", "was $20.00")
    assert sum(tile["course"]) == 2_000
    assert [each["title"] for each in page["tiles"]] == ["Gross, USD"]
    assert [each["title"] for each in page["now"]] == ["Unspent liability, USD", "Free GPU time left today"]
    assert [plot["title"] for plot in page["plots"]] == ["Gross in USD"]
    assert "Gross" not in clips.get(reverse("admin:index") + "?range=1h").text.split('id="content-main"')[0]


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
    for where in ("need", "needs"):
        monkeypatch.setattr(f"generation.staff.{where}.MOST_COUNTED", 1)
    cache.clear()
    page = staff_who_may("view_model").get(reverse("admin:index"))
    assert [need.may_be_more for need in page.context["needs"]] == [True]
    assert "1+ enabled model" in page.text


def test_plots_and_tiles_have_their_pictures(toy: Model, alice: Visitor) -> None:
    ended(alice, came=30, started=29, finished=28)
    cache.clear()
    page = staff_who_may("view_generation").get(reverse("admin:index")).text
    for title in (
        "Clips waiting",
        "Clips made, by model",
        "Wait of clips that began",
        "Longest still waiting",
        "Render",
        "GPU busy",
        "Credits charged",
    ):
        assert f"<figcaption>{title} " in page, title
    assert page.count('class="spark"') == 6
    made = page.split('id="clips-made-by-model-title"')[1].split("</figure>")[0]
    assert f"until now, per hour: {toy.name}; peak 1." in made
    assert ">now</text>" in made
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
    assert list(shown) == list(SECTIONS)
    every = [name for names in shown.values() for name in names]
    assert len(every) == len(set(every))
    assert "Authenticator" in shown["People"]
    libraries = [
        str(model["name"]) for app in page.context["app_list"] for model in app["models"] if "heading" in model
    ]
    assert libraries == sorted(libraries, key=str.lower)
    assert page.text.count('<li class="heading quiet">Signing in</li>') == 2, "beside the page, and in a phone's menu"


def test_clips_that_wait_are_those_that_no_gpu_has_begun_in_figure_and_plot(toy: Model, alice: Visitor) -> None:
    for state in (State.QUEUED, State.DISPATCHED, State.RUNNING):
        clip = factories.submitted(alice.workspace)
        begun = timezone.now() if state == State.RUNNING else None
        asked = timezone.now() - timedelta(minutes=46, seconds=10)
        Generation.objects.filter(id=clip.id).update(state=state, started_at=begun, created_at=asked)
    cache.clear()
    page = staff_who_may("view_generation", "view_fleet").get(reverse("admin:index") + "?range=30d").context
    waiting, oldest, rendering, _ = page["now"]
    assert (waiting["value"], waiting["note"]) == ("2", "1 in the queue, 1 handed to GPUs")
    assert (oldest["value"], rendering["value"]) == ("46\N{NO-BREAK SPACE}min", "1")
    assert page["plots"][0]["series"]["waiting"][-1] == 2


def test_how_it_stands_now_is_as_new_in_a_long_range(toy: Model, alice: Visitor) -> None:
    browser, address = staff_who_may("view_generation"), reverse("admin:index") + "?range=30d"
    cache.clear()
    assert browser.get(address).context["now"][0]["value"] == "0"
    factories.submitted(alice.workspace)
    cache.delete("admin-now:clips")  # as after its five seconds
    assert browser.get(address).context["now"][0]["value"] == "1"


@pytest.mark.usefixtures("an_hour")
@pytest.mark.parametrize("name", ["1h", "24h", "7d", "30d"])
def test_every_figure_of_clips_leads_to_a_list(name: str, toy: Model) -> None:
    cache.clear()
    browser = staff_who_may("view_generation", "view_fleet")
    page = browser.get(reverse("admin:index") + f"?range={name}").context
    for tile in [*page["now"], *page["tiles"]]:
        assert browser.get(tile["address"]).status_code == 200, tile["title"]
    links = {plot["title"]: plot["links"] for plot in page["plots"]}
    failed = browser.get(links["Clips that failed, by error"]["Out of memory"]).context["cl"].result_list
    assert [clip.error_code for clip in failed] == ["out_of_memory"]
    made = browser.get(links["Clips made, by model"][toy.name]).context["cl"].result_list
    assert {clip.state for clip in made} == {State.SUCCEEDED}
    assert len(made) == 3 or name == "1h"  # the list is of when they were asked for


def test_no_figure_leads_where_whoever_looks_is_turned_away(toy: Model) -> None:
    cache.clear()
    page = staff_who_may("view_generation").get(reverse("admin:index")).context
    assert not [tile for tile in [*page["now"], *page["tiles"]] if "/fleet/" in tile["address"]]


@pytest.mark.parametrize(("before", "said"), [(0, "was 0"), (4, "was 4"), (40, "+800\N{NO-BREAK SPACE}%, was 40")])
def test_a_change_against_a_few_is_no_percentage(before: int, said: str) -> None:
    assert tiles.was(9 * before if before == 40 else 36, before) == said


def test_clips_that_gpus_were_handed_and_do_not_begin_need_somebody(toy: Model, alice: Visitor) -> None:
    stuck, fresh = factories.submitted(alice.workspace), factories.submitted(alice.workspace)
    for clip, minutes in ((stuck, 31), (fresh, 29)):
        at = timezone.now() - timedelta(minutes=minutes)
        Generation.objects.filter(id=clip.id).update(state=State.DISPATCHED, dispatched_at=at)
    page = staff_who_may("view_fleet").get(reverse("admin:index"))
    (need,) = page.context["needs"]
    assert (need.count, need.one) == (1, "clip handed to a GPU that has not begun it")
    assert need.is_broken
    assert "31\N{NO-BREAK SPACE}min ago." in page.text
    assert need.todo in page.text


def test_what_is_broken_comes_before_what_is_to_decide(toy: Model, alice: Visitor) -> None:
    reviews.ask(alice.workspace, user=None, prompt="hardcore porn")
    Endpoint.objects.create(
        **{"workspace": alice.workspace, "name": "hook", "url": "https://example.org", "event_types": []},
        failing_since=NOW,
    )
    needs = staff_who_may("view_endpoint", "view_workspace", "view_review").get(reverse("admin:index")).context["needs"]
    assert [need.one for need in needs] == ["webhook endpoint that fails", "prompt to review"]


def test_what_is_of_one_customer_says_of_whom_to_those_who_may_look_customers_up(toy: Model, alice: Visitor) -> None:
    endpoint: dict[str, Any] = {"url": "https://example.org", "event_types": [], "failing_since": NOW}
    Endpoint.objects.create(workspace=alice.workspace, name="hook", **endpoint)
    home = reverse("admin:index")
    said = f'<a href="/admin/customers/{alice.workspace_id}/">Visitor {str(alice.workspace_id)[:8]}</a>: '
    assert said in staff_who_may("view_endpoint", "view_workspace").get(home).text
    assert str(alice.workspace_id)[:8] not in staff_who_may("view_endpoint").get(home).text
    Endpoint.objects.create(workspace=people.team(people.person()), name="another", **endpoint)
    assert said not in staff_who_may("view_workspace", "view_endpoint").get(home).text


def test_what_others_do_comes_last_under_a_heading_of_its_own_and_is_counted_for_them(
    toy: Model, alice: Visitor
) -> None:
    reviews.ask(alice.workspace, user=None, prompt="hardcore porn")
    Endpoint.objects.create(
        **{"workspace": alice.workspace, "name": "hook", "url": "https://example.org", "event_types": []},
        failing_since=NOW,
    )
    page = staff_who_may("view_endpoint", "view_review").get(reverse("admin:index"))
    assert [need.is_others for need in page.context["needs"]] == [False, True]
    assert page.text.index("Needs you</h2>") < page.text.index("Others look after this</h2>")
    assert page.context["waiting"] == 1
    assert "Needs you</h2>" not in staff_who_may("view_endpoint").get(reverse("admin:index")).text


@pytest.mark.parametrize(("of", "said"), [(2, "was 1 of 2"), (20, "+40.0 points, was 50.0\N{NO-BREAK SPACE}%")])
def test_a_share_of_a_few_is_not_compared(of: int, said: str) -> None:
    assert tiles.was_share(0.9, 0.5, of=of) == said
    assert tiles.was_share(0.9, None, of=0) == "none before"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "–"), ((4.5, 6.5), "4.5 / 6.5 s"), ((50, 180), "50 s / 3 min"), ((8, 90), "8.0 / 90 s")],
)
def test_two_times_name_a_unit_that_they_share_once(seconds: tuple[float, float] | None, said: str) -> None:
    assert tiles.pair(seconds).replace("\N{NO-BREAK SPACE}", " ") == said


def test_less_is_told_with_a_minus_sign() -> None:
    assert tiles.was(30, 40) == "\N{MINUS SIGN}25\N{NO-BREAK SPACE}%, was 40"
