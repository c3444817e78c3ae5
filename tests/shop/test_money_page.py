"""Money for staff: sums of the last month, what is owed in clips, and what is left to give away today."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from billing import ledger
from billing.models import FreeDay
from billing.shop import liability, revenue
from billing.shop.models import LiabilityDay, Mismatch, Payment, Price, Reconciliation, StripeEvent
from tests.accounts.factories import browser_of, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    cache.clear()
    return browser_of(person("staff@example.com", is_staff=True))


def paid(amount_minor: int, *, at: datetime, back: int = 0, currency: str = "usd", credits: int = 100) -> Payment:
    account = uuid4()
    price = Price.objects.filter(pack__isnull=False).first()
    assert price is not None
    payment = Payment.objects.create(
        source=f"order:{uuid4()}",
        workspace=account,
        account=account,
        price=price,
        amount_minor=amount_minor,
        refunded_minor=back,
        currency=currency,
        credits=credits,
        paid_at=at,
    )
    ledger.grant(account=account, reference=payment.source, amount=credits, kind=ledger.LotKind.PACK)
    return payment


def test_revenue_is_summed_by_currency_and_day_less_what_went_back() -> None:
    now = datetime(2026, 5, 10, 0, 30, tzinfo=UTC)
    for days, amount, back in ((0, 500, 0), (0, 300, 100), (1, 900, 0), (4, 7_000, 0)):
        paid(amount, at=now - timedelta(days=days), back=back)
    paid(999, at=now, currency="jpy")
    assert revenue.by_day(days=3, until=now) == {"usd": [0, 900, 700], "jpy": [0, 0, 999]}


def test_the_page_says_what_came_in_and_what_is_owed(staff: Client, settings: Settings) -> None:
    settings.FREE_GPU_SECONDS_PER_DAY = 3600
    now = timezone.now()
    paid(1_999, at=now)
    paid(500, at=now - timedelta(days=40))
    FreeDay.objects.create(day=now.astimezone(UTC).date(), gpu_seconds=1200)
    StripeEvent.objects.create(event_id="evt_1", type="t", object_id="o", state="dead")
    assert "not counted yet" in staff.get("/admin/money/").text
    liability.count()
    answer = staff.get("/admin/money/")
    assert answer.context["sums"] == [("$19.99", "$5.00")]
    assert answer.context["owed"] == ["$24.99"]
    assert answer.context["free_left_minutes"] == pytest.approx(40)
    assert answer.context["dead"] == 1
    assert [title for title, _ in answer.context["plots"]] == [
        *("Revenue in USD", "Differences with Stripe"),
        "Stripe events that failed",
    ]
    assert [sum(series["failed"]) for _, series in answer.context["plots"][2:]] == [1]
    ((title, series),) = answer.context["courses"]
    assert title == "Unspent liability in USD"
    assert series["owed"] == [*[None] * 29, 25.0]


def test_refunds_have_a_plot_where_there_are_any(staff: Client) -> None:
    now = timezone.now()
    paid(3_000, at=now, back=1_000)
    paid(3_000, at=now - timedelta(days=40), back=3_000)
    assert revenue.refunds_by_day(days=2, until=now) == {"usd": [0, 1_000]}
    plots = dict(staff.get("/admin/money/").context["plots"])
    assert plots["Refunds in USD, by day of their payment"]["refunded"][-1] == 10


def test_what_differs_from_stripe_stays_whatever_events_are_read_afterwards(staff: Client) -> None:
    books = Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS, finished_at=timezone.now())
    Mismatch.objects.create(reconciliation=books, subject="order:1", detail="5 against 4")
    Mismatch.objects.create(reconciliation=books, subject="order:2", detail="mended", is_mended=True)
    Reconciliation.objects.create(kind=Reconciliation.Kind.EVENTS, finished_at=timezone.now())
    Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS)  # one that is under way
    page = staff.get("/admin/money/")
    assert page.context["differences"] == 1
    assert '<a href="/admin/shop/reconciliation/" class="state bad">1</a>' in page.text
    assert page.text.count('class="state') == 1, "what is in order looks like any other figure"


def test_comparisons_stand_newest_first(staff: Client) -> None:
    now = timezone.now()
    for hours in (3, 2, 1):
        Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS, began_at=now - timedelta(hours=hours))
    listed = staff.get("/admin/shop/reconciliation/").context["cl"].result_list
    assert [round((now - each.began_at) / timedelta(hours=1)) for each in listed] == [1, 2, 3]


def test_what_is_owed_is_kept_by_day_as_it_was_counted_last() -> None:
    paid(1_000, at=timezone.now())
    liability.count()
    paid(500, at=timezone.now())
    paid(700, at=timezone.now(), currency="jpy")
    liability.count()
    LiabilityDay.objects.create(day=timezone.now().date() - timedelta(days=2), currency="usd", unspent_minor=900)
    LiabilityDay.objects.create(day=timezone.now().date() - timedelta(days=9), currency="usd", unspent_minor=1)
    expected = {"usd": [900, None, 1_500], "jpy": [None, None, 700]}
    assert revenue.owed_by_day(days=3, until=timezone.now()) == expected


def test_each_days_differences_with_stripe_have_a_column(staff: Client) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    books = Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS, began_at=yesterday, finished_at=yesterday)
    for number, is_mended in enumerate((True, True, False)):
        Mismatch.objects.create(reconciliation=books, subject=f"order:{number}", detail="x", is_mended=is_mended)
    plot = dict(staff.get("/admin/money/").context["plots"])["Differences with Stripe"]
    assert (plot["mended"][-2:], plot["left to you"][-2:]) == ([2, 0], [1, 0])


def test_the_page_takes_as_many_queries_however_much_was_paid(staff: Client) -> None:
    paid(1_999, at=timezone.now())
    staff.get("/admin/money/")
    cache.clear()
    with CaptureQueriesContext(connection) as few:
        staff.get("/admin/money/")
    for _ in range(3):
        paid(1_999, at=timezone.now())
    cache.clear()
    with CaptureQueriesContext(connection) as many:
        staff.get("/admin/money/")
    assert len(many) == len(few)
