"""The pages around money, as a visitor and as members of a workspace meet them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from django.core import signing
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.caller import Caller
from accounts.models import Membership, User, Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from billing.plans import entitlements
from billing.shop import budgets, history, jobs, workspace_data
from billing.shop.models import Budget, Order, Payment, Subscription
from billing.shop.templatetags.shop import signed
from catalog.samples import clip_prices
from generation.models import Generation
from tests.generation import factories as clips
from tests.shop.shop_steps import ShopSteps, balance, hold, pack_price, plan_price


def member(role: str = Role.OWNER, workspace: Workspace | None = None) -> tuple[Client, Workspace]:
    """Somebody signed in, in a team unless told otherwise."""
    workspace = workspace or Workspace.objects.create(kind=Workspace.Kind.TEAM, name="Studio")
    user = User.objects.create_user(f"{uuid4().hex[:8]}@site.test", "a-password")
    Membership.objects.create(workspace=workspace, user=user, role=role)
    browser = Client()
    browser.force_login(user)
    return browser, workspace


def buy(browser: Client, price: int, order: object = None) -> str:
    """Press "buy". Returns where the site sends the browser."""
    answer = browser.post("/billing/buy/", {"price": price, "order": str(order or uuid4())})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


def text(answer: object) -> str:
    content: bytes = answer.content  # type: ignore[attr-defined] # a response
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", content.decode()))


# --- pricing -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_pricing_page_says_what_credits_make_with_each_model() -> None:
    clips.model("toy")
    shown = text(Client().get("/pricing/"))
    assert "1,500 credits a month" in shown
    assert "$12.00 a month" in shown
    assert "about 19 clips with Toy" in shown  # 500 credits at 26: the family rounds five seconds up to whole frames
    assert "Packs" in shown


@pytest.mark.django_db
def test_the_pricing_page_promises_every_model_to_whom_they_come() -> None:
    clips.model()
    assert "Every plan has every model." in text(Client().get("/pricing/"))
    clips.model("costly", is_default=False, least_plan="paid")
    assert "Every paid plan has every model." in text(Client().get("/pricing/"))


@pytest.mark.django_db
def test_prices_are_shown_in_the_currency_that_is_asked_for() -> None:
    assert "€12.00" in text(Client().get("/pricing/?currency=eur"))
    assert "$12.00" in text(Client().get("/pricing/?currency=xxx"))


@pytest.mark.django_db
def test_without_a_key_the_pages_say_that_nothing_is_sold_and_nothing_else_breaks(settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = ""
    shown = Client().get("/pricing/")
    assert "Buying is switched off" in text(shown)
    assert "disabled" in shown.content.decode()
    browser, _ = member()
    answer = browser.post("/billing/buy/", {"price": pack_price().pk, "order": str(uuid4())})
    assert answer.status_code == 503
    assert not Order.objects.exists()
    assert browser.get("/billing/").status_code == 200


# --- buying ------------------------------------------------------------------------------------------------------


def test_a_member_buys_a_pack_and_comes_back_to_the_credits(shop_steps: ShopSteps) -> None:
    browser, workspace = member()
    pay_page = buy(browser, pack_price().pk)
    assert pay_page.startswith(f"{shop_steps.stripe.url}/c/pay/")
    order = Order.objects.get(workspace=workspace.id)
    assert "Not paid yet" in text(browser.get(f"/billing/orders/{order.id}/"))
    shop_steps.pay(order)
    shown = text(browser.get(f"/billing/orders/{order.id}/"))
    assert "500 credits added." in shown
    assert "$5.00." in shown
    assert "Receipt" in shown
    assert balance(workspace.id) == (500, 0, 0)


def test_who_bought_a_plan_reads_what_came_with_it(shop_steps: ShopSteps) -> None:
    browser, workspace = member()
    buy(browser, plan_price("creator").pk)
    order = Order.objects.get(workspace=workspace.id)
    shop_steps.pay(order)
    for _ in ("at once", "and for ever"):
        shown = text(browser.get(f"/billing/orders/{order.id}/"))
        assert "on Creator. 1,500 credits added." in shown
        assert "$12.00." in shown
        assert "Invoice" in shown
        shop_steps.carry_all()


def test_the_thanks_for_a_plan_speak_of_its_own_payment(shop_steps: ShopSteps) -> None:
    browser, workspace = member()
    shop_steps.subscribe(workspace.id, "creator")
    order = Order.objects.get(workspace=workspace.id)
    first = Payment.objects.get(workspace=workspace.id)
    Payment.objects.create(
        source="in_of_next_month",
        account=first.account,
        workspace=first.workspace,
        price=first.price,
        subscription=first.subscription,
        amount_minor=first.amount_minor,
        currency=first.currency,
        credits=77,
        paid_at=first.paid_at + timedelta(days=30),
    )
    assert "1,500 credits added. Creator, $12.00." in text(browser.get(f"/billing/orders/{order.id}/"))


def test_a_visitor_buys_a_pack_without_an_account_and_no_plan(shop_steps: ShopSteps) -> None:
    browser = Client()
    assert buy(browser, pack_price().pk).startswith(shop_steps.stripe.url)
    order = Order.objects.get()
    shop_steps.pay(order)
    assert "Thank you" in text(browser.get(f"/billing/orders/{order.id}/"))
    answer = browser.post("/billing/buy/", {"price": plan_price("creator").pk, "order": str(uuid4())})
    assert answer.status_code == 403
    assert "Sign up first" in text(answer)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER, Role.ADMIN])
def test_whoever_does_not_pay_cannot_buy_cancel_or_open_the_portal(shop_steps: ShopSteps, role: str) -> None:
    _, workspace = member(Role.OWNER)
    browser, _ = member(role, workspace)
    for address in ("/billing/buy/", "/billing/plan/cancel/", "/billing/portal/", "/billing/budget/"):
        answer = browser.post(address, {"price": pack_price().pk, "order": str(uuid4())})
        assert answer.status_code == 403, address
    assert not Order.objects.exists()


def test_an_order_of_another_workspace_is_not_there(shop_steps: ShopSteps) -> None:
    browser, _ = member()
    buy(browser, pack_price().pk)
    order = Order.objects.get()
    stranger, _ = member()
    assert stranger.get(f"/billing/orders/{order.id}/").status_code == 404
    assert Client().get(f"/billing/orders/{order.id}/").status_code == 404
    answer = stranger.post("/billing/buy/", {"price": pack_price().pk, "order": str(order.id)})
    assert answer.status_code == 409


@pytest.mark.parametrize("sent", [{"price": "x"}, {"price": "999999"}, {}, {"price": "٣"}])
def test_a_form_with_nonsense_is_refused(shop_steps: ShopSteps, sent: dict[str, str]) -> None:
    browser, _ = member()
    assert browser.post("/billing/buy/", sent).status_code == 404


def test_buying_needs_a_form_of_ours(shop_steps: ShopSteps) -> None:
    answer = Client(enforce_csrf_checks=True).post("/billing/buy/", {"price": pack_price().pk})
    assert answer.status_code == 403


# --- the plan ----------------------------------------------------------------------------------------------------


def test_a_plan_is_bought_changed_cancelled_and_kept_on_the_pages(shop_steps: ShopSteps) -> None:
    browser, workspace = member()
    buy(browser, plan_price("creator").pk)
    shop_steps.pay(Order.objects.get())
    shop_steps.carry_all()
    assert "your plan" in text(browser.get("/pricing/"))
    change = {"price": plan_price("studio").pk, "attempt": str(uuid4())}
    assert "on Studio now" in text(browser.post("/billing/plan/change/", change, follow=True))
    assert "Your plan ends" in text(browser.post("/billing/plan/cancel/", follow=True))
    shown = browser.get("/billing/")
    assert "It ends on" in text(shown)
    assert "Keep Studio" in text(shown)
    assert "Your plan continues" in text(browser.post("/billing/plan/keep/", follow=True))
    down = {"price": plan_price("creator").pk, "attempt": str(uuid4())}
    assert "when the current period" in text(browser.post("/billing/plan/change/", down, follow=True))
    assert "Creator, $12.00 a month" in text(browser.get("/billing/"))
    assert browser.post("/billing/portal/")["Location"].startswith(shop_steps.stripe.url)
    events = set(workspace.audit_entries.values_list("event", flat=True))
    assert {"plan.changed", "plan.cancelled", "plan.kept"} <= events


# --- credits -----------------------------------------------------------------------------------------------------


def test_the_page_of_credits_shows_lots_holds_payments_and_every_movement(shop_steps: ShopSteps) -> None:
    browser, workspace = member()
    payment = shop_steps.buy(workspace.id)
    clip = hold(workspace.id, 120)
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 100)
    shop_steps.carry_all()
    answer = browser.get("/billing/")
    shown = text(answer)
    assert "280 credits available, 120 reserved" in shown
    assert "Packs never" in shown
    assert "$1.00 refunded" in shown
    assert f'href="/generations/{clip}/"' in answer.content.decode()
    assert f'href="/billing/orders/{payment.order_id}/"' in answer.content.decode()
    assert "removed, payment returned" in shown


def test_a_balance_says_what_it_is_made_of_what_it_is_worth_and_what_expires_soon(db: None) -> None:
    browser, workspace = member()
    toy = clips.model()
    now = timezone.now()
    for kind, amount, days in (
        (ledger.LotKind.PLAN, 100, 10),
        (ledger.LotKind.PLAN, 150, 40),
        (ledger.LotKind.PACK, 50, None),
    ):
        ledger.grant(
            account=workspace.id,
            reference=f"test:{amount}",
            amount=amount,
            kind=kind,
            expires_at=now + timedelta(days=days) if days else None,
        )
    answer = browser.get("/billing/")
    made_of = {share.kind: share.credits for share in answer.context["shares"]}
    assert (made_of["plan"], made_of["pack"]) == (250, 50)
    assert sum(share.percent for share in answer.context["shares"]) == pytest.approx(100)
    assert [lot.remaining for lot in answer.context["expiring"]] == [100]
    (price,) = clip_prices()
    made = answer.context["balance"].available // price.sample.credits
    assert f"about {made} clips with {toy.name}" in text(answer)


def test_a_debt_is_explained(shop_steps: ShopSteps) -> None:
    browser, workspace = member()
    payment = shop_steps.buy(workspace.id)
    ledger.capture(reference=hold(workspace.id, 500))
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "")
    shop_steps.carry_all()
    assert "You owe 500 credits" in text(browser.get("/billing/"))


def test_a_member_without_the_books_sees_the_balance_alone(shop_steps: ShopSteps) -> None:
    _, workspace = member()
    shop_steps.buy(workspace.id)
    browser, _ = member(Role.MEMBER, workspace)
    shown = text(browser.get("/billing/"))
    assert "500 credits available" in shown
    assert "Activity" not in shown
    assert browser.get("/billing/movements.csv").status_code == 403


@pytest.mark.django_db
def test_a_newcomer_sees_what_is_waiting() -> None:
    assert "60 free credits today, and every day; 120 once you sign in" in text(Client().get("/billing/"))
    newcomer = Client()
    newcomer.force_login(User.objects.create_user("ada@site.test", "a-password"))
    assert "120 free credits today, and every day. Make" in text(newcomer.get("/billing/"))


@pytest.mark.django_db
def test_the_page_costs_the_same_queries_however_long_the_history_is(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    browser, workspace = member()
    for entries in (1, 60):
        for _ in range(entries):
            ledger.grant(account=workspace.id, reference=f"t:{uuid4()}", amount=1, kind=ledger.LotKind.GOODWILL)
        with django_assert_max_num_queries(24):
            browser.get("/billing/")


@pytest.mark.django_db
def test_movements_are_paged_by_key_and_none_is_shown_twice_or_left_out() -> None:
    browser, workspace = member()
    for number in range(95):
        ledger.grant(account=workspace.id, reference=f"t:{uuid4()}", amount=number + 1, kind=ledger.LotKind.GOODWILL)
    seen, address = [], "/billing/"
    while address:
        page = browser.get(address).content.decode()
        seen += [int(found) for found in re.findall(r'"Credits">\+(\d+)</td>', page)]
        older = re.search(r'href="(\?before=\d+)', page)
        address = f"/billing/{older[1]}" if older else ""
    assert seen == list(range(95, 0, -1))
    assert browser.get("/billing/?before=x").status_code == 404


def wishing(*prompts: str) -> tuple[Client, Workspace, list[Generation]]:
    """Somebody signed in whose workspace has credits and asked for clips."""
    browser, workspace = member()
    ledger.grant(account=workspace.id, reference="t", amount=500, kind=ledger.LotKind.PACK)
    clips.model()
    return browser, workspace, [clips.submitted(workspace, prompt) for prompt in prompts]


def activity(browser: Client, address: str = "/billing/") -> str:
    return browser.get(address).content.decode().split('id="movements-title"')[1]


def rows(browser: Client, address: str = "/billing/") -> list[list[str]]:
    """The activity, cell by cell."""
    found = re.findall(r"<tr>(<td.*?)</tr>", activity(browser, address), re.DOTALL)
    cells = (re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in found)
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row][1:] for row in cells]


@pytest.mark.django_db
def test_a_clip_is_one_line_with_what_it_took_and_what_came_back(valkey: redis.Redis) -> None:
    browser, _, (kept, cut, lost, waiting) = wishing("a whale", "a <b>bear</b>", "a fox", "an owl")
    price = kept.credits_quoted
    ledger.capture(reference=kept.id)
    ledger.capture(reference=cut.id, amount=1)
    ledger.release(reference=lost.id)
    left = 500 - 4 * price
    fox, bear, whale, owl, pack = rows(browser)
    assert fox[0].startswith("a fox Step by step : a fox")
    assert fox[0].endswith(f"{price} credits refunded (+{price})")
    assert fox[1:] == ["0", str(price), str(left + 2 * price - 1)]
    assert "a &lt;b&gt;bear&lt;/b&gt;" in bear[0]
    assert f"1 credit charged, {price - 1} credits refunded (+{price - 1})" in bear[0]
    assert bear[1:] == ["−1", str(price - 1), str(left + price - 1)]
    assert f"Reserved (−{price})" in whale[0]
    assert whale[0].endswith(f"{price} credits charged")
    assert whale[1:] == [f"−{price}", "", str(left)]
    assert owl == ["an owl Reserved", f"−{price}", "", str(left)]
    assert pack[1:] == ["+500", "", "500"]
    assert f'href="/generations/{waiting.id}/"' in browser.get("/billing/").content.decode()


@pytest.mark.django_db
def test_lines_of_clips_are_paged_by_key_and_each_is_there_once(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    browser, _, made = wishing(*(f"clip {number}" for number in range(5)))
    for one in made[:4]:
        ledger.capture(reference=one.id)
    seen, address = [], "/billing/"
    while address:
        seen += [row[0].partition(" Step")[0] for row in rows(browser, address)]
        older = re.search(r'href="(\?before=\d+)', activity(browser, address))
        address = f"/billing/{older[1]}" if older else ""
        if len(seen) == 2:
            ledger.capture(reference=made[4].id)  # its line is on the first page by now
    assert seen[:4] == ["clip 3", "clip 2", "clip 1", "clip 0"]
    assert not [what for what in seen[4:] if "clip" in what]
    assert [row[0].partition(" Step")[0] for row in rows(browser)] == ["clip 4", "clip 3"]


@pytest.mark.django_db
def test_who_keeps_the_books_reads_no_prompt_that_is_not_for_them(valkey: redis.Redis) -> None:
    owner, workspace, (made, deleted) = wishing("a private wish", "a deleted wish")
    type(deleted).objects.filter(id=deleted.id).update(deleted_at=timezone.now())
    bookkeeper, _ = member(Role.BILLING, workspace)
    assert [row[0] for row in rows(owner)][:2] == ["A deleted clip Reserved", "a private wish Reserved"]
    assert [row[0] for row in rows(bookkeeper)][:2] == ["Clip Reserved", "Clip Reserved"]
    assert f"/generations/{made.id}/" in owner.get("/billing/").content.decode()
    assert f"/generations/{made.id}/" not in activity(bookkeeper)


@pytest.mark.django_db
def test_the_csv_has_every_movement_and_no_formula() -> None:
    browser, workspace = member()
    ledger.adjust(account=workspace.id, reference="a", amount=5, actor="staff", reason="=cmd()")
    for _ in range(3):
        ledger.grant(account=workspace.id, reference=f"t:{uuid4()}", amount=1, kind=ledger.LotKind.GOODWILL)
    lines = b"".join(browser.get("/billing/movements.csv")).decode().splitlines()
    assert len(lines) == 5
    assert "'=cmd()" in lines[-1]


# --- limits ------------------------------------------------------------------------------------------------------


def test_a_cap_holds_for_the_month_also_for_what_is_still_open(shop_steps: ShopSteps) -> None:
    browser, workspace = member()
    browser.post("/billing/budget/", {"monthly_cap_credits": 100})
    shop_steps.buy(workspace.id)
    hold(workspace.id, 60)
    budgets.refuse_beyond_cap(workspace.id, cap=100, credits=40)
    ledger.capture(reference=hold(workspace.id, 40), amount=10)
    budgets.refuse_beyond_cap(workspace.id, cap=100, credits=30)
    with pytest.raises(budgets.OverBudget, match="monthly limit of 100"):
        budgets.refuse_beyond_cap(workspace.id, cap=100, credits=31)
    assert workspace.audit_entries.filter(event="budget.changed").exists()


def test_a_cap_counts_what_is_held_in_accounts_that_were_merged_into_the_workspace_s(
    shop_steps: ShopSteps, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _, workspace = member()
    Budget.objects.create(workspace=workspace.id, monthly_cap_credits=100)
    shop_steps.buy(workspace.id)
    before, browser = (Workspace.objects.create(kind=Workspace.Kind.VISITOR).id for _ in range(2))
    for account in (before, browser):
        ledger.grant(account=account, reference=f"test:{account}", amount=60, kind=ledger.LotKind.PACK)
    clip = hold(before, 50)
    ledger.merge(source=before, into=browser, reference=f"merge:{before}")
    ledger.merge(source=browser, into=workspace.id, reference=f"merge:{browser}")
    assert entitlements(workspace.id).monthly_cap_credits == 100
    with django_assert_num_queries(1):
        budgets.refuse_beyond_cap(workspace.id, cap=100, credits=50)
    with pytest.raises(budgets.OverBudget, match="take it to 101"):
        budgets.refuse_beyond_cap(workspace.id, cap=100, credits=51)
    ledger.release(reference=clip)
    budgets.refuse_beyond_cap(workspace.id, cap=100, credits=100)


# --- moving with the workspace -----------------------------------------------------------------------------------


def test_what_a_visitor_bought_is_there_after_signing_up(shop_steps: ShopSteps) -> None:
    visitor = Workspace.objects.create(kind=Workspace.Kind.VISITOR)
    payment = shop_steps.buy(visitor.id)
    browser, own = member()
    ledger.merge(source=visitor.id, into=own.id, reference=f"merge:{visitor.id}")
    workspace_data.move(source=visitor, into=own)
    shown = text(browser.get("/billing/"))
    assert "500 credits available" in shown
    assert "$5.00" in shown
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "")
    shop_steps.carry_all()
    assert balance(own.id) == (0, 0, 0)
    reader = Caller(own, BY_ROLE[Role.OWNER])
    files = {file.path: str(file.content) for file in workspace_data.export(own, reader=reader)}
    assert "$5.00" in files["payments.csv"]


def test_an_erased_workspace_leaves_payments_that_name_nobody(shop_steps: ShopSteps) -> None:
    _, workspace = member()
    shop_steps.buy(workspace.id)
    workspace_data.erase(workspace)
    assert Payment.objects.filter(workspace=workspace.id).exists()
    assert list(Order.objects.filter(workspace=workspace.id).values_list("actor", flat=True)) == [""]


def test_closing_a_workspace_ends_its_plan_with_the_period(shop_steps: ShopSteps) -> None:
    _, workspace = member()
    shop_steps.subscribe(workspace.id)
    jobs.end_subscriptions(str(workspace.id))
    subscription = Subscription.objects.get(workspace=workspace.id)
    assert subscription.ends_at == subscription.period_end


def test_a_clip_that_goes_over_the_cap_is_refused_and_nothing_is_held(shop_steps: ShopSteps) -> None:
    clips.model()
    browser, workspace = member()
    shop_steps.buy(workspace.id)
    Budget.objects.create(workspace=workspace.id, monthly_cap_credits=15)
    first = browser.post("/generations/", {"prompt": "a red circle", "model": "toy", "seconds": "2"})
    assert first.status_code == 302
    held = balance(workspace.id)
    second = browser.post("/generations/", {"prompt": "a red circle", "model": "toy", "seconds": "2"})
    assert second.status_code == 402
    assert "a monthly limit of 15 credits" in text(second)
    assert balance(workspace.id) == held


def test_an_export_tells_the_plan_and_the_limits_to_who_may_see_payments(shop_steps: ShopSteps) -> None:
    _, workspace = member()
    shop_steps.subscribe(workspace.id)
    Budget.objects.create(workspace=workspace.id, monthly_cap_credits=300, caps_by_item={"7": {"day": 5}})
    files = {
        f.path: str(f.content) for f in workspace_data.export(workspace, reader=Caller(workspace, BY_ROLE[Role.OWNER]))
    }
    told = json.loads(files["plan.json"])
    assert [(each["plan"], each["status"]) for each in told["plans"]] == [("Creator", "active")]
    caps = {"daily_cap_credits": None, "monthly_cap_credits": 300, "caps_by_item": {"7": {"day": 5}}}
    assert told["limits"] == [{**caps, "warn_below_credits": None, "warn_address": ""}]
    assert not list(workspace_data.export(workspace, reader=Caller(workspace, BY_ROLE[Role.VIEWER])))


@pytest.mark.parametrize(("amount", "said"), [(3500, "+3,500"), (-2, "\u22122"), (0, "0")])
def test_changes_have_a_sign_and_thousands_are_told_apart(amount: int, said: str) -> None:
    assert signed(amount) == said


def test_a_visitor_is_led_to_more_and_sees_one_kind_of_credits_once(db: None) -> None:
    browser = Client()
    browser.cookies["visitor"] = signing.dumps(str(clips.visitor().id), salt="accounts.visitors")
    page = browser.get("/billing/").text
    assert 'href="/account/login/?next=/billing/">Sign in for 120.</a>' in page
    assert 'class="shares"' not in page
