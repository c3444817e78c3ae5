"""Money for staff: what came over a range of days, what is owed in clips, and what waits for somebody."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import hypothesis
import hypothesis.strategies as st
import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.formats import date_format
from pytest_django import Settings

from accounts import workspaces
from accounts.models import User
from billing import ledger
from billing.models import FreeDay
from billing.shop import balance, gateway, liability, revenue
from billing.shop.balance import Statement
from billing.shop.models import (
    ChangedDay,
    FeeDay,
    LiabilityDay,
    Mismatch,
    Payment,
    PaymentDay,
    Price,
    Reconciliation,
    StripeEvent,
    Subscription,
)
from billing.shop.revenue import Takings
from generation.staff import money, money_ranges
from tests.accounts.factories import browser_of, person, subscribe

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


def tiles(page: Any) -> dict[str, tuple[str, str]]:
    """Title → figure and note, of the range that is shown."""
    return {each["title"]: (each["value"], each["note"]) for each in page.context["tiles"]}


def plots(page: Any) -> dict[str, Any]:
    return {each["title"]: each["series"] for each in page.context["plots"]}


def test_what_came_is_summed_by_currency_and_part_with_what_went_back_of_it() -> None:
    until = datetime(2026, 5, 11, tzinfo=UTC)
    for days, amount, back in ((1, 500, 0), (1, 300, 100), (2, 900, 0), (5, 7_000, 0)):
        paid(amount, at=until - timedelta(days=days), back=back)
    paid(999, at=until - timedelta(hours=1), currency="jpy")
    revenue.sum_up_days()
    found = revenue.takings(since=until - timedelta(days=3), until=until, parts=3)
    assert found["usd"].paid == [0, 900, 800]
    assert found["usd"].refunded == [0, 0, 100]
    assert found["usd"].payments == [0, 1, 2]
    assert found["jpy"].kept == [0, 0, 999]
    assert revenue.takings(since=until - timedelta(days=3), until=until)["usd"].kept == [1_600]


def test_the_page_says_what_came_beside_the_range_before(staff: Client) -> None:
    now = timezone.now()
    paid(3_000, at=now, back=1_000)
    paid(500, at=now - timedelta(days=40))
    found = tiles(staff.get("/admin/money/"))
    assert found["Gross, USD"] == ("$30.00", "1 payment; was $5.00")
    assert found["Refunded, USD"] == ("$10.00", "and $0.00 disputed; was $0.00")
    assert found["Stripe's fees"] == ("–", "no statement was read yet")
    assert found["Net before fees, USD"] == ("$20.00", "was $5.00")


def test_a_change_is_told_where_enough_was_paid_before(staff: Client) -> None:
    now = timezone.now()
    for _ in range(20):
        paid(100, at=now - timedelta(days=40))
    paid(3_000, at=now)
    assert tiles(staff.get("/admin/money/"))["Gross, USD"][1] == "1 payment; +50\N{NO-BREAK SPACE}%, was $20.00"


def test_a_dispute_is_no_income(staff: Client) -> None:
    payment = paid(3_000, at=timezone.now())
    Payment.objects.filter(id=payment.id).update(disputed_minor=3_000, dispute_status="lost")
    found = tiles(staff.get("/admin/money/"))
    assert found["Net before fees, USD"][0] == "$0.00"
    assert "and $30.00 disputed" in found["Refunded, USD"][1]
    course = plots(staff.get("/admin/money/"))["Paid in USD, by day of payment"]
    assert {name: sum(parts) for name, parts in course.items()} == {"kept": 0, "disputed": 30}


def test_the_page_says_what_is_owed_to_those_who_paid_and_to_those_who_did_not(
    staff: Client, settings: Settings
) -> None:
    settings.FREE_GPU_SECONDS_PER_DAY = 3600
    paid(1_999, at=timezone.now())
    ledger.grant(account=uuid4(), reference="day:1", amount=30, kind=ledger.LotKind.FREE)
    ledger.adjust(account=uuid4(), reference="staff:1", amount=500, actor="staff", reason="an outage")
    FreeDay.objects.create(day=timezone.now().astimezone(UTC).date(), gpu_seconds=1200)
    page = staff.get("/admin/money/")
    assert [tile.note for tile in page.context["now"] if tile.title == "Unspent, given away"] == ["not counted yet"]
    liability.count()
    found = {tile.title: (tile.value, tile.note) for tile in staff.get("/admin/money/").context["now"]}
    assert found["Unspent liability, USD"][0] == "$19.99"
    assert found["Unspent, given away"] == ("530 credits", "given by staff 500, free credits 30")
    assert found["Free GPU time left today"][0] == "40\N{NO-BREAK SPACE}min"
    assert "given by staff 500" in staff.get("/admin/shop/payment/liability/").text


def days_ago(days: int) -> datetime:
    return datetime.combine(timezone.now().astimezone(UTC).date() - timedelta(days=days), time(), UTC)


def test_days_are_read_from_their_sums_but_for_those_that_changed_since() -> None:
    first, *_ = (paid(amount, at=days_ago(days) + timedelta(hours=13)) for days, amount in ((1, 100), (100, 800)))
    revenue.sum_up_days()
    PaymentDay.objects.update(paid_minor=F("paid_minor") + 1)  # by which they are told from the payments
    span: dict[str, Any] = {"since": days_ago(100), "until": timezone.now()}
    assert revenue.takings(**span)["usd"] == Takings([101 + 801], [0], [0], [2])
    Payment.objects.filter(id=first.id).update(refunded_minor=40)
    assert revenue.takings(**span)["usd"] == Takings([100 + 801], [40], [0], [2])
    revenue.sum_up_days()
    assert not ChangedDay.objects.exists()
    Payment.objects.update(workspace=uuid4(), amount_minor=F("amount_minor"))
    assert not ChangedDay.objects.exists(), "what is no money changes no sum"
    assert revenue.takings(**span)["usd"] == Takings([100 + 801], [40], [0], [2])


ROWS = st.tuples(st.integers(0, 5), st.integers(0, 47), st.integers(1, 999), st.sampled_from(["usd", "eur"]))
"""Days ago, half hours into that day, amount and currency of a payment."""
STEPS = st.one_of(
    *(st.tuples(st.just("pay"), ROWS), st.tuples(st.just("refund"), st.integers(0, 9))),
    *(st.tuples(st.just("move"), ROWS), st.tuples(st.just("delete"), st.integers(0, 9))),
    st.tuples(st.just("sum up"), st.none()),
)


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(steps=st.lists(STEPS, max_size=10), first=st.integers(0, 6), last=st.integers(0, 6))
def test_whatever_happens_to_payments_the_sums_are_theirs(steps: list[Any], first: int, last: int) -> None:
    with transaction.atomic():
        price = Price.objects.filter(pack__isnull=False).first()
        assert price is not None
        for what, said in steps:
            if what == "sum up":
                revenue.sum_up_days()
            elif what in ("pay", "move"):
                days, half_hours, amount, currency = said
                at = days_ago(days) + half_hours * timedelta(minutes=30)
                values = {"paid_at": at, "amount_minor": amount, "currency": currency}
                if what == "pay":
                    account = uuid4()
                    whose = {"workspace": account, "account": account, "price": price, "credits": 1}
                    Payment.objects.create(source=f"order:{account}", **whose, **values)
                else:
                    Payment.objects.filter(id__in=Payment.objects.order_by("id")[:1]).update(**values)
            else:
                chosen = Payment.objects.filter(id__in=Payment.objects.order_by("id")[said : said + 2])
                chosen.delete() if what == "delete" else chosen.update(refunded_minor=F("amount_minor"))
        since, until = days_ago(max(first, last)), days_ago(min(first, last)) + timedelta(hours=30)
        found = revenue.takings(since=since, until=until)
        expected: dict[str, list[int]] = {}
        for row in Payment.objects.filter(paid_at__gte=since, paid_at__lt=until):
            sums = expected.setdefault(row.currency, [0, 0, 0])
            expected[row.currency] = [sums[0] + row.amount_minor, sums[1] + row.refunded_minor, sums[2] + 1]
        assert {each: [*of.paid, *of.refunded, *of.payments] for each, of in found.items()} == expected
        transaction.set_rollback(True)


def test_of_a_day_that_is_cut_each_payment_is_looked_at(staff: Client) -> None:
    for hours in (1, 13):
        paid(100, at=days_ago(90) + timedelta(hours=hours))
    paid(100, at=days_ago(91))
    revenue.sum_up_days()
    noon = days_ago(90) + timedelta(hours=12)
    assert revenue.takings(since=days_ago(91), until=noon)["usd"].paid == [200]
    assert revenue.takings(since=noon - timedelta(days=1), until=noon)["usd"].paid == [100]


def test_sums_of_days_fall_into_the_same_parts_as_their_payments() -> None:
    for days in range(60, 80):
        paid(days, at=days_ago(days) + timedelta(hours=23))
    span: dict[str, Any] = {"since": days_ago(79), "until": days_ago(59), "end": days_ago(58), "parts": 3}
    alone = Payment.objects.all().order_by("-paid_at")
    expected = [
        sum(row.amount_minor for row in alone if 79 - 7 * part >= row.amount_minor > 72 - 7 * part) for part in range(3)
    ]
    revenue.sum_up_days()
    assert revenue.takings(**span)["usd"].paid == expected


# --- ranges ----------------------------------------------------------------------------------------------------------

NOON = datetime(2026, 5, 10, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "since", "parts"),
    [
        ({}, datetime(2026, 4, 11, tzinfo=UTC), 30),
        ({"range": "7d"}, datetime(2026, 5, 4, tzinfo=UTC), 7),
        ({"range": "90d"}, datetime(2026, 2, 10, tzinfo=UTC), 90),
        ({"range": "24h"}, NOON - timedelta(days=1), 24),
        ({"range": "forever"}, datetime(2026, 4, 11, tzinfo=UTC), 30),
        ({"from": "2026-05-01"}, datetime(2026, 5, 1, tzinfo=UTC), 10),
        ({"from": "2025-05-11", "to": "2026-05-10"}, datetime(2025, 5, 11, tzinfo=UTC), 53),
    ],
)
def test_a_range_is_named_by_the_address(asked: dict[str, str], since: datetime, parts: int) -> None:
    shown = money_ranges.range_of(asked, NOON)
    assert (shown.since, shown.until, shown.span.parts, shown.problem) == (since, NOON, parts, "")


def test_two_dates_are_both_of_the_range() -> None:
    shown = money_ranges.range_of({"from": "2026-05-01", "to": "2026-05-03"}, NOON)
    assert (shown.since, shown.until) == (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 4, tzinfo=UTC))
    assert shown.before == (datetime(2026, 4, 28, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
    assert (shown.title, shown.query) == ("1 May 2026 – 3 May 2026", "from=2026-05-01&to=2026-05-03")


def test_a_range_that_goes_on_is_compared_with_as_much_of_the_one_before() -> None:
    shown = money_ranges.range_of({"range": "7d"}, NOON)
    assert shown.before == (datetime(2026, 4, 27, tzinfo=UTC), NOON - timedelta(days=7))


def test_a_range_that_is_over_does_not_end_now(staff: Client) -> None:
    now = timezone.now()
    over = {"from": str((now - timedelta(days=9)).date()), "to": str((now - timedelta(days=5)).date())}
    page = staff.get("/admin/money/", over).text
    assert ">now</text>" not in page
    assert f"""text-anchor="end">{date_format(now - timedelta(days=5), "j M")}</text>""" in page
    assert ">now</text>" in staff.get("/admin/money/").text


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"from": "yesterday", "to": "2026-05-01"}, "Write both dates as 2026-01-31."),
        ({"to": "2026-05-01"}, "Write both dates as 2026-01-31."),
        ({"from": "2026-05-03", "to": "2026-05-01"}, "The first day has to be before the last"),
        ({"from": "2026-05-11", "to": "2026-05-12"}, "The first day has to be before the last"),
        ({"from": "2020-01-01", "to": "2026-05-01"}, "Two years at once are the most"),
        ({"from": "0001-01-01", "to": "9999-12-31"}, "Two years at once are the most"),
        ({"from": "0001-01-01", "to": "0001-01-01"}, "The first day has to be 2000-01-01 or later."),
        ({"from": "1999-12-31", "to": "2000-01-02"}, "The first day has to be 2000-01-01 or later."),
    ],
)
def test_a_range_that_cannot_be_shown_says_why(asked: dict[str, str], why: str) -> None:
    shown = money_ranges.range_of(asked, NOON)
    assert shown.problem.startswith(why)
    assert shown.name == "30d"


def test_the_first_day_that_can_be_asked_for_is_shown(staff: Client) -> None:
    page = staff.get("/admin/money/", {"from": "2000-01-01", "to": "2000-01-01"})
    assert page.context["range"].title == "1 Jan 2000 – 1 Jan 2000"


def test_the_page_says_why_a_range_is_another(staff: Client) -> None:
    page = staff.get("/admin/money/", {"from": "2001-01-01"}).text
    assert "Two years at once are the most: choose 731 days or fewer. This is last 30 days instead." in page


def test_hours_are_plotted_by_the_hour_and_years_by_the_week(staff: Client) -> None:
    now = timezone.now()
    paid(700, at=now - timedelta(minutes=1))
    for asked, parts in (({"range": "24h"}, 24), ({"from": str((now - timedelta(days=364)).date())}, 53)):
        page = staff.get("/admin/money/", asked)
        assert [len(page.context["edges"]), sum(plots(page)["Paid in USD, by day of payment"]["kept"])] == [parts, 7]


# --- Stripe's fees ---------------------------------------------------------------------------------------------------


def fees_of(cents: int, currency: str = "usd") -> None:
    """Read a statement of the last 35 days, with as much on yesterday and on today."""
    statement, yesterday = Statement(), days_ago(1).date()
    for day in (yesterday, yesterday + timedelta(days=1)):
        statement.fees[day, currency] = cents
    statement.kept[currency]["fees"] = 2 * cents
    balance.keep_fees(statement, timezone.now() - timedelta(days=35))


def test_fees_are_kept_by_day_and_make_the_net(staff: Client) -> None:
    paid(3_000, at=days_ago(1), back=1_000)
    for _ in range(2):
        fees_of(117)
    found = tiles(staff.get("/admin/money/"))
    assert found["Stripe's fees, USD"] == ("$1.17", "known of 29 of 30 days"), "today is not over"
    assert found["Net, USD"] == ("$18.83", "was $0.00")
    assert tiles(staff.get("/admin/money/?range=90d"))["Stripe's fees, USD"] == ("$1.17", "known of 34 of 90 days")
    assert tiles(staff.get("/admin/money/?range=24h"))["Stripe's fees"] == ("–", "known by whole days")
    over = staff.get("/admin/money/", {"from": f"{days_ago(3):%Y-%m-%d}", "to": f"{days_ago(1):%Y-%m-%d}"})
    assert tiles(over)["Stripe's fees, USD"] == ("$1.17", "as its statements say")


def test_the_net_is_compared_with_the_net_of_the_range_before(staff: Client) -> None:
    paid(3_000, at=days_ago(1))
    paid(2_000, at=days_ago(33))
    fees_of(117)
    assert tiles(staff.get("/admin/money/"))["Net, USD"] == ("$28.83", "was $20.00")
    FeeDay.objects.filter(day=days_ago(33).date()).update(fee_minor=80)
    cache.clear()
    assert tiles(staff.get("/admin/money/"))["Net, USD"] == ("$28.83", "was $19.20")
    FeeDay.objects.filter(day__lte=days_ago(30).date()).delete()
    cache.clear()
    assert tiles(staff.get("/admin/money/"))["Net, USD"] == ("$28.83", "$30.00 before fees; was $20.00")


@pytest.mark.parametrize("range_", ["24h", "7d", "30d"])
def test_the_first_page_says_the_gross_that_it_leads_to(staff: Client, range_: str) -> None:
    for days in (1, 6, 8, 29, 31):
        paid(1_000 + days, at=timezone.now() - timedelta(days=days, minutes=-1), back=100)
    (tile,) = (each for each in staff.get(f"/admin/?range={range_}").context["tiles"] if each["title"] == "Gross, USD")
    page = staff.get(tile["address"])
    assert page.context["range"].name == range_
    assert tiles(page)["Gross, USD"][0] == tile["value"]


@pytest.mark.parametrize("others", [["eur"], ["eur", "usd"]])
def test_fees_in_another_currency_than_was_paid_are_in_no_net(others: list[str], staff: Client) -> None:
    for currency in others:
        paid(3_000, at=days_ago(1), currency=currency)
    fees_of(117)
    found = tiles(staff.get("/admin/money/"))
    assert found["Stripe's fees, USD"] == ("$1.17", "known of 29 of 30 days")
    nets = {title: value for title, (value, _) in found.items() if title.startswith("Net")}
    assert nets == {f"Net before fees, {each.upper()}": "€30.00" if each == "eur" else "$30.00" for each in others}
    assert [title for title in found if "fees" in title and title.startswith("Stripe")] == ["Stripe's fees, USD"]


def test_days_of_which_a_statement_may_lack_a_part_are_not_kept(staff: Client) -> None:
    since = timezone.now() - timedelta(days=2)
    statement = Statement()
    for day in (since.date(), timezone.now().astimezone(UTC).date()):
        statement.fees[day, "usd"] = 5
    statement.kept["usd"]["fees"] = 10
    balance.keep_fees(statement, since)
    assert list(FeeDay.objects.values_list("day", "fee_minor")) == [(days_ago(1).date(), 0)]


# --- payments --------------------------------------------------------------------------------------------------------


def test_the_latest_payments_lead_to_their_customer_and_to_stripe(staff: Client, settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_1"
    workspace = workspaces.personal_of(person("ada@example.org"))
    payment = paid(3_000, at=timezone.now())
    Payment.objects.filter(id=payment.id).update(
        workspace=workspace.id, stripe_payment_intent_id="pi_1", dispute_status="needs_response"
    )
    page = staff.get("/admin/money/").text
    assert f'<a href="/admin/customers/{workspace.id}/">ada@example.org</a>' in page
    assert 'href="https://dashboard.stripe.com/test/payments/pi_1"' in page
    assert '<span class="state bad">dispute to answer</span>' in page


def test_whose_a_payment_is_is_shown_to_those_alone_who_may_look_customers_up() -> None:
    workspace = workspaces.personal_of(person("ada@example.org"))
    Payment.objects.filter(id=paid(3_000, at=timezone.now()).id).update(workspace=workspace.id)
    user = person("money@example.com")
    User.objects.filter(id=user.id).update(is_staff=True)
    names = ["view_payment", "view_reconciliation", "view_liability", "view_revenue"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    page = browser_of(User.objects.get(id=user.id)).get("/admin/money/").text
    assert "ada@example.org" not in page
    assert str(workspace.id) in page


@pytest.mark.parametrize(
    ("key", "id", "address"),
    [
        ("sk_live_1", "pi_1", "https://dashboard.stripe.com/payments/pi_1"),
        ("rk_test_1", "in_1", "https://dashboard.stripe.com/test/invoices/in_1"),
        ("sk_live_1", "cus_1", "https://dashboard.stripe.com/customers/cus_1"),
        ("sk_live_1", "", ""),
        ("sk_live_1", "ch_1", ""),
    ],
)
def test_stripe_shows_an_object_at(key: str, id: str, address: str, settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = key
    assert gateway.dashboard_address(id) == address


def test_the_payments_of_a_range_are_exported_line_by_line(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(money, "ROWS_AT_ONCE", 2)
    now = timezone.now()
    together = [paid(100 * number, at=now) for number in (1, 2, 3)]
    paid(1_999, at=now - timedelta(days=3), back=500, currency="jpy")
    paid(700, at=now - timedelta(days=40))
    lines = [*money._lines_of(money_ranges.range_of({}, timezone.now()))]
    rows = list(csv.DictReader(lines))
    assert [(row["currency"], row["amount"], row["refunded"]) for row in rows] == [
        *(("USD", f"{number}.00", "0.00") for number in (3, 2, 1)),
        ("JPY", "1999", "500"),
    ]
    assert rows[0]["source"] == together[2].source


def test_the_export_is_a_file_named_after_its_days(staff: Client) -> None:
    answer = staff.get("/admin/money/payments.csv", {"from": "2026-05-01", "to": "2026-05-03"})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="payments-2026-05-01-2026-05-03.csv"'


def test_who_may_see_sums_alone_sees_no_payment() -> None:
    cache.clear()
    user = person("sums@example.org")
    User.objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_revenue"))
    paid(100, at=timezone.now())
    browser = browser_of(user)
    page = browser.get("/admin/money/")
    assert "$1.00" in page.text
    assert "payments" not in page.context
    assert "payments.csv" not in page.text
    assert browser.get("/admin/money/payments.csv").status_code == 403


# --- what waits ------------------------------------------------------------------------------------------------------


def needed(staff: Client) -> list[str]:
    return [f"{need.count} {need.one}" for need in staff.get("/admin/money/").context["needs"]]


def test_what_waits_about_money_is_on_its_page(staff: Client) -> None:
    assert "Nothing about money waits for you." in staff.get("/admin/money/").text
    StripeEvent.objects.create(event_id="evt_1", type="t", object_id="o", state="dead")
    open_one, lost = (paid(100, at=timezone.now()) for _ in range(2))
    Payment.objects.filter(id=open_one.id).update(dispute_status="needs_response")
    Payment.objects.filter(id=lost.id).update(dispute_status="lost")
    subscribe(workspaces.personal_of(person("late@example.org")), "studio")
    Subscription.objects.update(status="past_due", past_due_since=timezone.now())
    assert needed(staff) == ["1 dispute to answer", "1 Stripe event that failed", "1 plan whose payment failed"]
    (need,) = [each for each in staff.get("/admin/money/").context["needs"] if each.one == "dispute to answer"]
    listed = staff.get(need.address).context["cl"].result_list
    assert [payment.id for payment in listed] == [open_one.id]
    Payment.objects.filter(id=open_one.id).update(paid_at=timezone.now() - timedelta(days=45))
    page = staff.get(need.address)
    assert [payment.id for payment in page.context["cl"].result_list] == [open_one.id]
    assert "Paid: <strong>Any time</strong>" in page.text
    narrower = staff.get(f"{need.address}&when=week").context["cl"].result_list
    assert not narrower


def test_a_dispute_is_found_without_reading_every_payment() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    disputed = Payment.objects.filter(dispute_status__in=Payment.DISPUTES_TO_ANSWER)
    assert "payment_disputed" in disputed.explain()
    assert "payment_disputed" in Payment.objects.exclude(dispute_status="").explain()
    late = Subscription.objects.filter(status="past_due", past_due_since__isnull=False)
    assert "subscription_late" in late.explain()


def test_what_differs_from_stripe_stays_whatever_events_are_read_afterwards(staff: Client) -> None:
    books = Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS, finished_at=timezone.now())
    Mismatch.objects.create(reconciliation=books, subject="order:1", detail="5 against 4")
    Mismatch.objects.create(reconciliation=books, subject="order:2", detail="mended", is_mended=True)
    Reconciliation.objects.create(kind=Reconciliation.Kind.EVENTS, finished_at=timezone.now())
    Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS)  # one that is under way
    assert needed(staff) == ["1 difference with Stripe"]


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
    today = timezone.now().astimezone(UTC).date()
    LiabilityDay.objects.create(day=today - timedelta(days=2), currency="usd", unspent_minor=900)
    LiabilityDay.objects.create(day=today - timedelta(days=9), currency="usd", unspent_minor=1)
    expected = {"usd": [900, None, 1_500], "jpy": [None, None, 700]}
    assert revenue.owed_by_day(today - timedelta(days=2), today) == expected


def test_what_was_owed_at_the_end_of_each_week_is_plotted_over_a_year(staff: Client) -> None:
    today = timezone.now().astimezone(UTC).date()
    first = today - timedelta(days=364)
    for days, minor in ((0, 100), (6, 700), (7, 900)):
        LiabilityDay.objects.create(day=first + timedelta(days=days), currency="usd", unspent_minor=minor)
    page = staff.get("/admin/money/", {"from": str(first)})
    assert plots(page)["Unspent liability in USD"]["owed"] == [7.0, 9.0, *[None] * 51]


def test_each_days_differences_with_stripe_have_a_column(staff: Client) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    books = Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS, began_at=yesterday, finished_at=yesterday)
    for number, is_mended in enumerate((True, True, False)):
        Mismatch.objects.create(reconciliation=books, subject=f"order:{number}", detail="x", is_mended=is_mended)
    plot = plots(staff.get("/admin/money/"))["Differences with Stripe"]
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
