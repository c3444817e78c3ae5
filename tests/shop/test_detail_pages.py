"""The pages behind "Needs you" that are about money: whose it is, how it stands, and what can be done, in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import workspaces
from accounts.models import User
from billing import ledger
from billing.shop.models import Budget, Mismatch, Order, Payment, Reconciliation, StripeEvent, Subscription
from tests.accounts.factories import browser_of, person, subscribe
from tests.shop.shop_steps import ShopSteps, hold
from tests.shop.test_money_page import paid

pytestmark = pytest.mark.django_db
DUE = datetime(2026, 12, 4, 10, tzinfo=UTC)


@pytest.fixture
def staff() -> Client:
    cache.clear()
    return browser_of(person("staff@example.com", is_staff=True))


@pytest.fixture
def disputed(settings: Settings) -> Payment:
    settings.STRIPE_SECRET_KEY = "sk_test_1"
    workspace = workspaces.personal_of(person("ada@example.org"))
    payment = paid(900, at=timezone.now())
    terms = {"dispute_status": "needs_response", "dispute_due_at": DUE, "disputed_minor": 900}
    Payment.objects.filter(id=payment.id).update(
        workspace=workspace.id, stripe_payment_intent_id="pi_1", invoice_url="https://invoice.stripe.com/i/1", **terms
    )
    payment.refresh_from_db()
    return payment


def page_of(payment: Payment) -> str:
    return f"/admin/shop/payment/{payment.pk}/change/"


def facts_of(page: Any) -> dict[str, str]:
    return {fact.label: str(fact.said) for fact in page.context["facts"]}


def test_a_payment_says_whose_it_is_how_it_stands_and_where_it_is_at_stripe(staff: Client, disputed: Payment) -> None:
    page = staff.get(page_of(disputed))
    assert page.context["title"] == f"$9.00 for {disputed.price.item}"
    assert "Dispute to answer by 4 Dec 2026, 10:00 UTC" in page.text
    facts = facts_of(page)
    assert facts["Customer"] == f'<a href="/admin/customers/{disputed.workspace}/">ada@example.org</a>'
    assert 'href="https://dashboard.stripe.com/test/payments/pi_1"' in facts["At Stripe"]
    assert 'href="https://invoice.stripe.com/i/1"' in facts["Invoice"]
    before_facts = page.text.split('<dl class="facts">')[0]
    assert f'href="/admin/shop/payment/{disputed.pk}/refund/">Refund…</a>' in before_facts
    assert ">Answer at Stripe</a>" in before_facts
    assert facts["What to do"] == "Answer it at Stripe, by 4 Dec 2026, 10:00 UTC."


def test_who_may_not_look_customers_up_reads_an_id_and_no_button(disputed: Payment) -> None:
    cache.clear()
    user = person("looks@example.com")
    User.objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.add(*_permissions("view_payment"))
    page = browser_of(User.objects.get(id=user.id)).get(page_of(disputed))
    assert facts_of(page)["Customer"] == str(disputed.workspace)
    assert "ada@example.org" not in page.text
    assert "Refund…" not in page.text
    assert "Answer at Stripe" not in page.text, "others do, and it says who"
    assert facts_of(page)["What to do"].startswith("Tell Finance")


def _permissions(*names: str) -> list[Any]:
    from django.contrib.auth.models import Permission

    return list(Permission.objects.filter(codename__in=names))


def test_the_page_of_a_refund_names_the_customer_and_the_dispute_and_leads_back(
    staff: Client, disputed: Payment
) -> None:
    page = staff.get(f"/admin/shop/payment/{disputed.pk}/refund/").text
    assert "Dispute to answer by 4 Dec 2026, 10:00 UTC. $9.00 went back with it already" in page
    assert f'<a href="/admin/customers/{disputed.workspace}/">ada@example.org</a> paid $9.00' in page
    assert f'<a class="button cancel-link" href="{page_of(disputed)}">Cancel</a>' in page
    crumbs = page.split('class="breadcrumbs">')[1].split("</div>")[0]
    assert re.sub("<[^>]+>", "", crumbs).replace("&rsaquo;", ">").split(" > ")[-2:] == [
        f"$9.00 for {disputed.price.item}",
        "Refund",
    ]


def test_without_stripe_staff_reads_so_and_no_refund_is_offered(
    staff: Client, disputed: Payment, settings: Settings
) -> None:
    settings.STRIPE_SECRET_KEY = ""
    page = staff.get(page_of(disputed))
    assert "Refund…" not in page.text
    assert "not connected to Stripe" in facts_of(page)["Refund"]
    assert ">Actions<" not in staff.get("/admin/shop/payment/").text, "a column of nothing"
    for form in (staff.get, staff.post):
        answer = form(f"/admin/shop/payment/{disputed.pk}/refund/", {"amount": "1"}).text
        assert "not connected to Stripe" in answer
        assert "Preview refund" not in answer
        assert "Buying is switched off" not in answer


def test_a_dispute_stands_on_top_of_what_waits_with_its_deadline(staff: Client, disputed: Payment) -> None:
    StripeEvent.objects.create(event_id="evt_1", type="t", object_id="o", state="dead")
    for address in ("/admin/", "/admin/money/"):
        page = staff.get(address)
        first = page.context["needs"][0]
        assert (first.one, first.due_at, first.is_bad) == ("dispute to answer", DUE, True)
        assert "<strong>By 4 Dec 2026, 10:00 UTC.</strong>" in page.text


def test_stripe_says_until_when_a_dispute_can_be_answered(shop_steps: ShopSteps) -> None:
    payment = shop_steps.buy(workspaces.personal_of(person("ada@example.org")).id)
    (charge,) = shop_steps.stripe.objects("charge")
    shop_steps.stripe.control("dispute", charge_id=charge["id"], amount=None)
    shop_steps.carry_all()
    (dispute,) = shop_steps.stripe.objects("dispute")
    payment.refresh_from_db()
    assert payment.dispute_due_at == datetime.fromtimestamp(dispute["evidence_details"]["due_by"], UTC)


def test_a_difference_stands_once_with_its_payment_and_says_how_it_goes_away(staff: Client, disputed: Payment) -> None:
    books = Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS, finished_at=timezone.now())
    Mismatch.objects.create(reconciliation=books, subject=disputed.source, detail="Five here, four at Stripe.")
    (need,) = [each for each in staff.get("/admin/").context["needs"] if each.one == "difference with Stripe"]
    page = staff.get(need.address)
    assert page.status_code == 200
    shown = page.text.split('id="differences"')[1].split("</table>")[0]
    assert page.text.count("Five here, four at Stripe.") == 1
    assert f'href="{page_of(disputed)}"' in shown
    assert 'href="https://dashboard.stripe.com/test/payments/pi_1"' in shown
    assert "next comparison" in page.text


def test_what_failed_of_stripe_says_why_whose_it_is_and_is_done_again_on_its_page(
    staff: Client, disputed: Payment
) -> None:
    event = StripeEvent.objects.create(
        event_id="evt_1", type="charge.dispute.created", object_id="pi_1", state="dead", last_error="No such price."
    )
    address = f"/admin/shop/stripeevent/{event.pk}/change/"
    page = staff.get(address)
    assert page.context["title"] == "Stripe event: charge dispute created"
    assert '<p class="waits">No such price.</p>' in page.text
    facts = facts_of(page)
    assert ">ada@example.org</a>" in facts["Customer"]
    assert page_of(disputed) in facts["Payment"]
    assert facts["Told by"] == "a webhook"
    answer = staff.post(address, {"action": "replay", "_selected_action": str(event.pk)})
    assert (answer.status_code, answer["Location"]) == (302, address)
    event.refresh_from_db()
    assert event.state == "new"
    again = staff.post(address, {"action": "replay", "_selected_action": str(event.pk)}, follow=True).text
    assert "nothing was done" in again


def test_a_plan_whose_payment_failed_says_so_in_words(staff: Client, settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_1"
    subscribe(workspaces.personal_of(person("late@example.org")), "studio")
    subscription = Subscription.objects.get()
    Subscription.objects.update(
        status="past_due", past_due_since=DUE, failed_attempts=2, stripe_subscription_id="sub_1"
    )
    page = staff.get(f"/admin/shop/subscription/{subscription.pk}/change/")
    assert page.context["title"] == "Studio of late@example.org"
    assert "Past due since 4 Dec 2026, 10:00 UTC" in page.text
    facts = facts_of(page)
    assert (facts["Declined"], facts["Plan kept until"]) == ("2 times", "11 Dec 2026, 10:00 UTC")
    assert "https://dashboard.stripe.com/test/subscriptions/sub_1" in facts["At Stripe"]
    listed = staff.get("/admin/shop/subscription/").text
    assert ">Past due</td>" in listed
    assert ">past_due<" not in listed


# --- orders and limits -----------------------------------------------------------------------------------------------


def test_an_order_says_whether_it_was_paid_and_with_which_payment(shop_steps: ShopSteps, staff: Client) -> None:
    workspace = workspaces.personal_of(person("ada@example.org"))
    payment = shop_steps.buy(workspace.id)
    assert payment.order is not None
    address = f"/admin/shop/order/{payment.order.pk}/change/"
    page = staff.get(address)
    assert page.context["title"] == "Order of 500 credits for $5.00"
    assert '<span class="state good">Paid</span>' in page.text
    facts = facts_of(page)
    assert facts["Customer"] == f'<a href="/admin/customers/{workspace.id}/">ada@example.org</a>'
    assert facts["Payment"] == f'<a href="/admin/shop/payment/{payment.pk}/change/">The payment of this order</a>'
    assert facts["Credits"].endswith("500 once it is paid</a>")
    Payment.objects.all().delete()
    for state, said in (("open", "Not paid yet"), ("closed", "Not paid")):
        Order.objects.update(state=state)
        page = staff.get(address)
        assert page.context["standing"].words == said
        assert "Payment" not in facts_of(page)


def test_limits_say_how_much_of_them_is_used(staff: Client) -> None:
    workspace = workspaces.personal_of(person("ada@example.org"))
    ledger.grant(account=workspace.id, reference="pack:1", amount=500, kind=ledger.LotKind.PACK)
    hold(workspace.id, 40)
    budget = Budget.objects.create(
        workspace=workspace.id,
        daily_cap_credits=40,
        caps_by_item={"wan": {"day": 1_000, "month": 20_000}},
        warn_below_credits=100,
        warn_address="pay@example.org",
    )
    page = staff.get(f"/admin/shop/budget/{budget.pk}/change/")
    assert page.context["standing"].words == "The daily limit is used up"
    facts = facts_of(page)
    assert (facts["Today"], facts["This month"]) == ("40 of 40 credits", "40 credits, without a limit")
    assert facts["For wan"] == "1,000 credits a day and 20,000 credits a month"
    assert facts["Warned below"] == "100 credits, by email to pay@example.org"
    Budget.objects.update(daily_cap_credits=41)
    assert staff.get(f"/admin/shop/budget/{budget.pk}/change/").context["standing"].words == "Within its limits"
    Budget.objects.update(daily_cap_credits=None, caps_by_item=None)
    assert staff.get(f"/admin/shop/budget/{budget.pk}/change/").context["standing"].words == "It sets no limit"
