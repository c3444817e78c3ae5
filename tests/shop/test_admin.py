"""What staff does in the shop: edit what is sold, refund with open eyes, replay, read the books."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import stripe
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.shop import gateway, jobs, liability, reconcile
from billing.shop.models import Order, Pack, Payment, Plan, Price, StripeEvent
from loremotion import page_deadline
from tests.shop.shop_steps import ShopSteps, balance, hold, pack_price, plan_price

ATTEMPT = "6f5b1f9e-6ed3-4a7c-8b0e-6f1f6a8f6d11"


@pytest.fixture
def staff(db: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("admin@site.test", "a-password"))
    return browser


def test_every_list_opens(shop_steps: ShopSteps, staff: Client, subtests: pytest.Subtests) -> None:
    shop_steps.buy(uuid4())
    shop_steps.subscribe(uuid4())
    reconcile.read_events()
    for model in ("plan", "pack", "order", "subscription", "payment", "stripeevent", "reconciliation", "budget"):
        with subtests.test(model=model):
            assert staff.get(f"/admin/shop/{model}/").status_code == 200


def test_a_plan_is_edited_and_a_price_is_not(staff: Client) -> None:
    plan = Plan.objects.get(slug="creator")
    page = staff.get(f"/admin/shop/plan/{plan.pk}/change/").content.decode()
    sent = dict(re.findall(r'<input type="(?:hidden|text|number|checkbox)" name="([^"]+)" value="([^"]*)"', page))
    fields = {"name": "Maker", "slug": plan.slug, "summary": "", "monthly_credits": 1_800, "rollover_credits": 500}
    fields |= {"open_clips": 9, "priority_weight": 3, "retention_days": 90, "members": 1, "features": "a,b"}
    fields |= {"tax_code": plan.tax_code, "position": 1, "is_offered": "on"}
    prices = list(plan.prices.order_by("currency", "amount_minor"))
    form = {f"prices-{key}": sent[f"prices-{key}"] for key in ("TOTAL_FORMS", "INITIAL_FORMS")}
    for number, price in enumerate(prices):
        form |= {f"prices-{number}-id": str(price.pk), f"prices-{number}-plan": str(plan.pk)}
        form |= {f"prices-{number}-is_offered": "on", f"prices-{number}-amount_minor": "1"}
    answer = staff.post(f"/admin/shop/plan/{plan.pk}/change/", {**fields, **form})
    assert answer.status_code == 302, re.findall(r'errorlist[^>]*">(.*?)</ul>', answer.content.decode())
    plan.refresh_from_db()
    assert (plan.name, plan.monthly_credits) == ("Maker", 1_800)
    assert plan_price("creator").amount_minor == 1_200


def test_an_account_s_page_leads_to_its_orders_and_payments_also_once_they_are_another_workspace_s(
    shop_steps: ShopSteps, staff: Client
) -> None:
    account = uuid4()
    payment = shop_steps.buy(account)
    shop_steps.buy(uuid4())
    assert payment.order is not None
    Payment.objects.filter(pk=payment.pk).update(workspace=uuid4())
    Order.objects.filter(pk=payment.order.pk).update(workspace=uuid4())
    page = staff.get(f"/admin/billing/account/{account}/change/").content.decode()
    for name, found in (("Orders", payment.order), ("Payments", payment)):
        link = re.search(f'href="([^"]+[?]q=[^"]+)">{name}</a>', page)
        assert link is not None
        listed = re.findall(r"/admin/shop/\w+/([^/]+)/change/", staff.get(link[1]).content.decode())
        assert set(listed) == {str(found.pk)}


def test_the_free_plan_cannot_be_deleted(staff: Client) -> None:
    free = Plan.objects.get(slug="free")
    assert staff.post(f"/admin/shop/plan/{free.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_refund_shows_what_it_does_before_it_does_it(shop_steps: ShopSteps, staff: Client) -> None:
    account = uuid4()
    payment = shop_steps.buy(account)
    ledger.capture(reference=hold(account, 400))
    address = f"/admin/shop/payment/{payment.pk}/refund/"
    assert staff.get(address).status_code == 200
    shown = staff.post(address, {"amount": "2.50"}).content.decode()
    assert "250 credits go with it: 100 are unspent, 150 were spent" in shown
    assert balance(account) == (100, 0, 0)
    seen = re.search(r'name="attempt" value="([^"]+)"', shown)
    assert seen is not None
    confirmed = {"amount": "2.50", "after_refunds": "0", "attempt": seen[1], "confirm": "1", "reason": "Asked for it"}
    assert staff.post(address, confirmed).status_code == 302
    assert balance(account) == (0, 0, 150)
    assert shop_steps.stripe.objects("refund")[0]["metadata"] == {
        "attempt": seen[1],
        "actor": "admin@site.test",
        "why": "Asked for it",
    }
    note = LogEntry.objects.get()
    noted = (str(note.user), note.object_id, note.change_message)
    assert noted == ("admin@site.test", str(payment.pk), "Refunded $2.50")
    again = staff.post(address, confirmed)  # the same form once more
    assert again.status_code == 302
    assert len(shop_steps.stripe.objects("refund")) == 1


def test_after_a_refund_that_failed_the_same_amount_can_be_refunded_anew(shop_steps: ShopSteps, staff: Client) -> None:
    account = uuid4()
    payment = shop_steps.buy(account)
    first = shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 250)
    shop_steps.stripe.control("fail-refund", refund_id=first["id"])
    shop_steps.carry_all()
    address = f"/admin/shop/payment/{payment.pk}/refund/"
    shown = staff.post(address, {"amount": "2.50"}).content.decode()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', shown))
    assert hidden["after_refunds"] == "1"
    staff.post(address, {**hidden, "confirm": "1", "reason": "Again"})
    assert balance(account) == (250, 0, 0)


def fields_of(page: str) -> dict[str, str]:
    """What the page's form sends when nothing is changed in it, without Django's token."""
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input [^>]+>", page)]
    named = {one["name"]: one.get("value", "") for one in inputs if "name" in one}
    return {name: value for name, value in named.items() if name != "csrfmiddlewaretoken"}


def test_a_refund_whose_answer_was_lost_is_asked_for_again_and_made_once(shop_steps: ShopSteps, staff: Client) -> None:
    account = uuid4()
    payment = shop_steps.buy(account)
    address = f"/admin/shop/payment/{payment.pk}/refund/"
    confirmed = {**fields_of(staff.post(address, {"amount": "2.50"}).content.decode()), "reason": "Asked for it"}
    for _ in range(3):  # as often as the library asks
        shop_steps.stripe.fail("POST refunds", when="after")
    answer = staff.post(address, confirmed)
    assert "responding right now" in answer.content.decode()
    again = fields_of(answer.content.decode())
    assert {name: again[name] for name in ("attempt", "after_refunds", "amount", "confirm", "reason")} == {
        **{name: confirmed[name] for name in ("attempt", "after_refunds", "amount", "reason")},
        "confirm": "Ask again",
    }
    assert staff.post(address, again).status_code == 302
    assert [one["amount"] for one in shop_steps.stripe.objects("refund")] == [250]
    assert balance(account) == (250, 0, 0)


@pytest.mark.parametrize("change", [{"reason": " "}, {"reason": "x" * 301}, {"amount": ""}])
def test_a_form_that_asks_again_stays_the_same_attempt_whatever_is_wrong_with_it(
    shop_steps: ShopSteps, staff: Client, change: dict[str, str]
) -> None:
    address = f"/admin/shop/payment/{shop_steps.buy(uuid4()).pk}/refund/"
    sent = {"amount": "2.50", "confirm": "1", "after_refunds": "0", "attempt": ATTEMPT, "reason": "Asked for it"}
    shown = staff.post(address, sent | change).content.decode()
    assert 'class="errorlist' in shown
    again = fields_of(shown)
    assert (again["attempt"], again["after_refunds"], again["confirm"]) == (ATTEMPT, "0", "Ask again")
    assert shop_steps.stripe.objects("refund") == []


def test_while_stripe_does_one_request_of_an_attempt_asking_again_stays_that_attempt(
    shop_steps: ShopSteps, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_use(*_: object, **__: object) -> None:
        raise stripe.IdempotencyError("There is another request with this key.", http_status=409)

    address = f"/admin/shop/payment/{shop_steps.buy(uuid4()).pk}/refund/"
    sent = {"amount": "2.50", "confirm": "1", "after_refunds": "0", "attempt": ATTEMPT, "reason": "Asked for it"}
    monkeypatch.setattr(gateway, "create_refund", in_use)
    again = fields_of(staff.post(address, sent).content.decode())
    assert (again["attempt"], again["confirm"]) == (ATTEMPT, "Ask again")
    sight = staff.post(address, sent | {"after_refunds": "1"}).content.decode()
    assert "Somebody refunded this payment meanwhile" in sight
    assert "Preview refund" in sight


def test_a_refund_begun_anew_after_a_lost_answer_sees_what_went_back(shop_steps: ShopSteps, staff: Client) -> None:
    payment = shop_steps.buy(uuid4())
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 250)  # of which no event has told us
    shown = staff.post(f"/admin/shop/payment/{payment.pk}/refund/", {"amount": "2.50"}).content.decode()
    assert "$2.50 refunded so far" in shown
    shop_steps.carry_all()


@pytest.mark.parametrize("asks", ["GET payment_intents", "GET refunds", "GET disputes"])
def test_the_preview_of_a_refund_says_that_stripe_is_away(shop_steps: ShopSteps, staff: Client, asks: str) -> None:
    payment = shop_steps.buy(uuid4())
    for _ in range(3):
        shop_steps.stripe.fail(asks, when="before")
    shown = staff.post(f"/admin/shop/payment/{payment.pk}/refund/", {"amount": "2.50"}).content.decode()
    assert "responding right now" in shown
    assert "Preview refund" in shown


def test_a_page_that_has_waited_long_enough_asks_stripe_nothing_more(shop_steps: ShopSteps, staff: Client) -> None:
    payment = shop_steps.buy(uuid4())
    before = len(shop_steps.stripe.requests())
    with page_deadline.within(0):
        shown = staff.post(f"/admin/shop/payment/{payment.pk}/refund/", {"amount": "2.50"}).content.decode()
    assert "responding right now" in shown
    assert len(shop_steps.stripe.requests()) == before
    asking: Any = gateway.client()._requestor._client
    with page_deadline.within(2):
        assert asking._timeout <= 2
    assert asking._timeout == gateway.ANSWER_SECONDS


REFUNDS_THAT_CANNOT_BE: tuple[tuple[dict[str, str], str], ...] = (
    ({"amount": "x"}, "Write an amount"),
    ({"amount": "0.001"}, "Write an amount"),
    ({"amount": "Infinity", "after_refunds": "0"}, "Write an amount such as 9.99"),
    ({"amount": "NaN", "after_refunds": "0"}, "Write an amount such as 9.99"),
    ({"amount": "1e999999", "after_refunds": "0"}, "Write an amount such as 9.99"),
    ({"amount": "2.50", "confirm": "1", "after_refunds": "0", "reason": "Unseen"}, "Look first"),
    ({"amount": "2.50", "confirm": "1", "after_refunds": "0", "attempt": ATTEMPT}, "Say why"),
    ({"amount": "9.00", "confirm": "1", "after_refunds": "0", "attempt": ATTEMPT, "reason": "More"}, "greater than"),
)


def test_a_refund_that_cannot_be_says_why(shop_steps: ShopSteps, staff: Client, subtests: pytest.Subtests) -> None:
    payment = shop_steps.buy(uuid4())
    for sent, problem in REFUNDS_THAT_CANNOT_BE:
        with subtests.test(sent=sent):
            assert problem in staff.post(f"/admin/shop/payment/{payment.pk}/refund/", sent).content.decode()
            assert shop_steps.stripe.objects("refund") == []


def test_refunding_takes_a_permission_of_its_own(shop_steps: ShopSteps) -> None:
    payment = shop_steps.buy(uuid4())
    reader = User.objects.create_user("reader@site.test", "a-password", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_payment"))
    browser = Client()
    browser.force_login(reader)
    assert browser.get("/admin/shop/payment/").status_code == 200
    assert browser.get(f"/admin/shop/payment/{payment.pk}/refund/").status_code == 403
    assert browser.get("/admin/shop/payment/liability/").status_code == 403
    reader.user_permissions.add(Permission.objects.get(codename="view_revenue"))
    assert browser.get("/admin/shop/payment/liability/").status_code == 200


def test_a_dead_event_is_replayed(shop_steps: ShopSteps, staff: Client) -> None:
    account = uuid4()
    shop_steps.pay(shop_steps.order(account, pack_price()))
    for event in shop_steps.collected():
        shop_steps.deliver(event)
    StripeEvent.objects.update(state="dead", attempts=12, last_error="Away")
    events = list(StripeEvent.objects.values_list("pk", flat=True))
    staff.post("/admin/shop/stripeevent/", {"action": "replay", "_selected_action": events})
    shop_steps.work()
    assert balance(account) == (500, 0, 0)


def test_the_report_of_a_comparison_shows_both_sides_of_the_money(shop_steps: ShopSteps, staff: Client) -> None:
    payment = shop_steps.buy(uuid4())
    Payment.objects.update(paid_at=timezone.now() - timedelta(hours=2), amount_minor=501)
    report = reconcile.compare_books()
    assert report is not None
    shown = staff.get(f"/admin/shop/reconciliation/{report.pk}/change/").content.decode()
    assert "USD, Stripe&#x27;s statement: $5.00 paid, $0.00 refunded, $0.00 disputed" in shown
    assert "USD, our payments: $5.01 paid" in shown
    assert "The whole account in USD: $0.44 of fees, $4.56 left after them" in shown
    assert payment.source in shown


def test_the_liability_counts_every_paid_credit_exactly_once(shop_steps: ShopSteps, staff: Client) -> None:
    account = uuid4()
    payment = shop_steps.buy(account)
    shop_steps.buy(account, pack_price(2_200))
    ledger.capture(reference=hold(account, 100))
    hold(account, 50)
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 200)
    shop_steps.carry_all()
    [month] = liability.by_month()
    assert month.credits == 2_700
    assert month.unspent + month.spent + month.lapsed + month.taken_back == 2_700
    assert (month.unspent, month.spent, month.taken_back) == (2_400, 100, 200)
    liability.count()
    assert "2,400" in staff.get("/admin/shop/payment/liability/").content.decode()


def test_the_page_of_the_liability_reads_what_was_counted_and_no_lot(shop_steps: ShopSteps, staff: Client) -> None:
    shop_steps.buy(uuid4())
    cache.clear()
    assert "Not counted yet" in staff.get("/admin/shop/payment/liability/").text
    jobs.count_liability()
    shop_steps.buy(uuid4())
    with CaptureQueriesContext(connection) as asked:
        page = staff.get("/admin/shop/payment/liability/")
    assert [month.credits for month, *_ in page.context["rows"]] == [500], "as it was when it was counted"
    assert "Counted on" in page.text
    assert "/admin/shop/payment/" in page.text.split('class="breadcrumbs">')[1].split("</div>")[0]
    assert not [each["sql"] for each in asked if "ledger_lot" in each["sql"] or "shop_payment" in each["sql"]]
    jobs.count_liability()
    assert "1,000" in staff.get("/admin/shop/payment/liability/").text


def test_the_liability_follows_credits_into_another_account(shop_steps: ShopSteps) -> None:
    visitor, member = uuid4(), uuid4()
    shop_steps.buy(visitor)
    ledger.merge(source=visitor, into=member, reference=f"merge:{visitor}")
    [month] = liability.by_month()
    assert (month.credits, month.unspent) == (500, 500)
    assert Payment.objects.get().account == visitor


def test_two_offered_prices_for_the_same_thing_are_impossible(db: None) -> None:
    known = plan_price("creator")
    with pytest.raises(IntegrityError, match="price_of_plan_once"):
        Price.objects.create(plan=known.plan, interval="month", currency="usd", amount_minor=5)


@pytest.mark.parametrize("sold", [Plan, Pack])
def test_every_field_of_what_is_sold_says_what_it_does(sold: type[Plan | Pack]) -> None:
    editable = [field for field in sold._meta.fields if field.editable and not field.auto_created]
    assert [field.name for field in editable if not field.help_text] == []
