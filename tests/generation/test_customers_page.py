"""Staff finds a customer by whatever they name, sees everything of theirs on one page, and gives credits there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import bans
from accounts.models import EMAIL_DOMAIN, AuditEntry, User, Visitor, Workspace
from billing import ledger
from billing.models import Proposal
from billing.shop.models import Customer, Order, Payment, Price, Subscription
from catalog.models import Model
from generation.staff import customer_search
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox.models import MailMessage
from tests.accounts.factories import browser_of, person, subscribe, team
from tests.generation import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    return browser_of(person("staff@example.com", is_staff=True))


@pytest.fixture
def ada() -> User:
    user = person("ada.lovelace@example.org")
    User.objects.filter(id=user.id).update(name="Ada Lovelace")
    return user


def own(user: User) -> Workspace:
    return Workspace.objects.get(memberships__user=user, kind="personal")


def page_of(workspace: Workspace) -> str:
    return f"/admin/customers/{workspace.id}/"


@pytest.mark.parametrize("wanted", ["ada.lovelace@example.org", "ADA.love", "Ada Love", " ada love "])
def test_a_person_is_found_by_address_or_name(wanted: str, ada: User, staff: Client) -> None:
    assert staff.get("/admin/customers/", {"q": wanted}).headers["Location"] == page_of(own(ada))


def test_a_workspace_is_found_by_each_of_its_ids(ada: User, toy: Model, alice: Visitor) -> None:
    workspace = own(ada)
    price = Price.objects.filter(pack__isnull=False).first()
    assert price is not None
    Customer.objects.create(workspace=workspace.id, stripe_customer_id="cus_1")
    order = Order.objects.create(
        workspace=workspace.id, account=workspace.id, price=price, credits=1, stripe_session_id="cs_test_1"
    )
    subscription = subscribe(workspace, "studio")
    Payment.objects.create(
        **{"source": f"order:{order.id}", "workspace": workspace.id, "account": workspace.id, "price": price},
        **{"stripe_payment_intent_id": "pi_1", "stripe_invoice_id": "in_1", "amount_minor": 1, "currency": "usd"},
        **{"credits": 1, "paid_at": order.created_at},
    )
    ids = [str(workspace.id), str(order.id), "cus_1", "cs_test_1", "pi_1", "in_1", str(ada.id)]
    for wanted in [*ids, subscription.stripe_subscription_id]:
        assert customer_search.find(wanted) == [workspace], wanted
    clip = factories.submitted(alice.workspace)
    for id in (alice.id, clip.id):
        assert customer_search.find(str(id)) == [alice.workspace]


@pytest.mark.parametrize("wanted", ["", "a", "%", "100%", "cus_none", str(UUID(int=1)), "9" * 30, "x\x00y", "ada_love"])
def test_what_is_nobodys_finds_nobody(wanted: str, ada: User, staff: Client) -> None:
    assert staff.get("/admin/customers/", {"q": wanted}).context["found"] == []


def test_several_are_listed_with_their_owners(ada: User, staff: Client) -> None:
    team(ada, "Ada's team", plan="")
    page = staff.get("/admin/customers/", {"q": "ada"})
    assert [title for title, *_ in page.context["rows"]] == ["ada.lovelace@example.org", "Ada's team"]
    assert 'Ada&#x27;s team</a><br><span class="quiet">ada.lovelace@example.org</span>' in page.text


def test_an_address_of_two_workspaces_leads_to_a_choice_of_the_two(ada: User, staff: Client) -> None:
    team(ada, "Ada's team", plan="studio")
    page = staff.get("/admin/customers/", {"q": "ADA.Lovelace@example.org"})
    assert "ada.lovelace@example.org is in 2 workspaces. Which one?" in page.text
    rows = [(title, plan) for title, _, plan in page.context["rows"]]
    assert rows == [("ada.lovelace@example.org", ""), ("Ada's team", "Studio")]


def test_a_whole_address_finds_its_person_and_nobody_whose_address_begins_so(ada: User, staff: Client) -> None:
    person("ada.lovelace@example.org.invalid")
    page = staff.get("/admin/customers/", {"q": "ada.lovelace@example.org"})
    assert page.headers["Location"] == page_of(own(ada))
    assert len(customer_search.find("ada.lovelace@example.or")) == 2


def plan_of(rows: QuerySet[User] | QuerySet[Workspace] | QuerySet[Payment]) -> str:
    """How the database would find them if it read no whole table."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    return rows.explain()


@pytest.mark.parametrize("wanted", ["example.org", "@example.org", "@EXAMPLE", "example.o"])
def test_people_are_found_by_the_domain_of_their_address(wanted: str, ada: User) -> None:
    person("eve@another.example.org.invalid")
    assert customer_search.find(wanted) == [own(ada)]


def test_the_search_reads_indexes_and_no_whole_table() -> None:
    by_domain = User.objects.alias(domain=EMAIL_DOMAIN).filter(domain__istartswith="example.org")
    assert "user_by_email_domain" in plan_of(by_domain)
    assert "user_by_email" in plan_of(User.objects.filter(email__istartswith="ada"))
    assert "user_by_name" in plan_of(User.objects.filter(name__istartswith="ada"))
    assert "workspace_by_name" in plan_of(Workspace.objects.filter(name__istartswith="ada"))
    assert "payment_of_invoice" in plan_of(Payment.objects.filter(stripe_invoice_id="in_1"))


def test_one_page_says_everything(toy: Model, alice: Visitor, staff: Client) -> None:
    clip = factories.submitted(alice.workspace, "a private wish")
    page = staff.get(page_of(alice.workspace)).text
    assert "Reserved for a clip" in page
    assert f"/admin/generation/generation/{clip.id}/change/" in page
    assert "Not known to Stripe" in page
    assert "a private wish" not in page


def test_the_page_takes_as_many_queries_however_much_there_is(toy: Model, alice: Visitor, staff: Client) -> None:
    factories.submitted(alice.workspace)
    staff.get(page_of(alice.workspace))
    with CaptureQueriesContext(connection) as few:
        staff.get(page_of(alice.workspace))
    factories.submitted(alice.workspace)
    for number in range(3):
        ledger.adjust(account=alice.workspace.id, reference=f"test:{number}", amount=5, actor="me", reason="because")
        AuditEntry.objects.create(workspace=alice.workspace, event="key.made", actor="me")
    with CaptureQueriesContext(connection) as many:
        staff.get(page_of(alice.workspace))
    assert len(many) == len(few)


def give(staff: Client, workspace: Workspace, amount: int, **said: str) -> str:
    """Press the button that gives so many credits; of a negative amount the one that takes them."""
    button = {"give": amount} if amount >= 0 else {"take": -amount}
    form = {**button, "reason": "an outage", "reference": str(uuid4()), **said}
    return staff.post(f"{page_of(workspace)}credits/", form, follow=True).text


def test_credits_are_given_from_the_page_and_noted(ada: User, staff: Client) -> None:
    workspace = own(ada)
    page = give(staff, workspace, 250)
    assert ledger.balance(account=workspace.id).available == 250
    assert "250 credits given: an outage" in page
    note = AuditEntry.objects.get(workspace=workspace, event="credits.adjusted")
    assert note.actor == "staff staff@example.com"
    assert note.detail == {"amount": 250, "reason": "an outage", "state": "done"}


def preview(staff: Client, workspace: Workspace, amount: str) -> str:
    answer = staff.post(f"{page_of(workspace)}credits/preview/", {"amount": amount, "reference": str(uuid4())})
    outcome = re.search(r'<div id="outcome".*?>(.*?)<p class="quiet">', answer.text, re.DOTALL)
    assert outcome is not None
    return " ".join(re.sub(r"<[^>]*>", " ", outcome[1]).split())


def test_both_buttons_say_what_they_would_leave(ada: User, staff: Client) -> None:
    workspace = own(ada)
    ledger.grant(account=workspace.id, reference="order:1", amount=40, kind=ledger.LotKind.PACK)
    assert preview(staff, workspace, "15") == "Give 15 40 → 55 available Take 15 40 → 25 available Cancel"
    assert preview(staff, workspace, "41").endswith("Take 41 Only 40 credits are available to take. Cancel")
    assert preview(staff, workspace, "900000").startswith(
        "Propose to give 900,000 40 → 900,040 available , once somebody else on the staff agrees"
    )
    for amount in ("0", "-5"):
        assert "Write how many credits, 1 or more" in preview(staff, workspace, amount)
    assert ledger.balance(account=workspace.id).available == 40, "nothing is done by looking"
    assert not Proposal.objects.exists()


def test_what_cannot_be_taken_has_a_button_that_is_off(ada: User, staff: Client) -> None:
    said = {"amount": "5", "reason": "an outage", "reference": str(uuid4())}
    page = staff.post(f"{page_of(own(ada))}credits/preview/", said).text
    assert re.search(r'name="take" value="5" [^>]*disabled>', page)
    assert re.search(r'name="give" value="5" aria-describedby="would-give">', page)
    assert 'value="an outage"' in page, "what was written stays"


def test_a_preview_says_that_a_debt_is_paid_first(ada: User, staff: Client) -> None:
    workspace = own(ada)
    ledger.grant(account=workspace.id, reference="order:1", amount=40, kind=ledger.LotKind.PACK)
    clip = uuid4()
    ledger.hold(account=workspace.id, reference=clip, amount=40, quote={}, expires_at=timezone.now())
    ledger.capture(reference=clip)
    ledger.clawback(reference="order:1", target=30)
    assert "Give 50 0 → 20 available , 30 → 0 owed" in preview(staff, workspace, "50")
    assert "Owes 30 credits" in staff.get(page_of(workspace)).text


def test_what_is_done_is_what_the_button_says_not_what_was_written_since(ada: User, staff: Client) -> None:
    said = {"give": "25", "amount": "2500", "reason": "an outage", "reference": str(uuid4())}
    staff.post(f"{page_of(own(ada))}credits/", said)
    assert ledger.balance(account=own(ada).id).available == 25


def test_a_form_without_either_button_does_nothing(ada: User, staff: Client) -> None:
    said = {"amount": "25", "reason": "an outage", "reference": str(uuid4())}
    assert staff.post(f"{page_of(own(ada))}credits/", said).status_code == 200
    assert ledger.balance(account=own(ada).id).available == 0


def test_credits_are_not_moved_without_a_reason(ada: User, staff: Client) -> None:
    page = give(staff, own(ada), 25, reason="")
    assert "This field is required" in page
    assert "0 → 25 available" in page, "the buttons are still there"
    assert ledger.balance(account=own(ada).id).available == 0


def test_a_clip_that_is_over_is_one_row(toy: Model, alice: Visitor, staff: Client) -> None:
    done, refunded, waiting = (factories.submitted(alice.workspace) for _ in range(3))
    ledger.capture(reference=done.id)
    ledger.release(reference=refunded.id)
    rows = [(words, line.available_change, line.held_change) for line, words, _ in lines(staff, alice.workspace)]
    price = done.credits_quoted
    assert rows[:3] == [
        ("Clip: nothing was charged", 0, 0),
        ("Clip", -price, 0),
        ("Reserved for a clip", -price, price),
    ]
    assert len([words for words, _, _ in rows if "lip" in words]) == 3
    assert waiting.credits_quoted == price


def lines(staff: Client, workspace: Workspace) -> list[Any]:
    return list(staff.get(page_of(workspace)).context["lines"])


def test_nobody_gives_their_own_workspace_credits_alone(ada: User) -> None:
    ada.is_staff = True
    ada.save()
    ada.groups.add(Group.objects.get(name="Support"))
    page = give(browser_of(ada), own(ada), 1)
    assert ledger.balance(account=own(ada).id).available == 0
    assert "waits for somebody else" in page


def test_credits_sent_twice_are_given_once(ada: User, staff: Client) -> None:
    reference = str(uuid4())
    give(staff, own(ada), 250, reference=reference)
    give(staff, own(ada), 250, reference=reference)
    assert ledger.balance(account=own(ada).id).available == 250
    assert AuditEntry.objects.filter(event="credits.adjusted").count() == 1


@pytest.mark.parametrize(("press", "state"), [("approve", "approved"), ("refuse", "refused")])
def test_what_a_second_decides_is_in_the_customers_log_once(press: str, state: str, ada: User, staff: Client) -> None:
    workspace = own(ada)
    give(staff, workspace, 900_000)
    decide = f"/admin/billing/proposal/{Proposal.objects.get().id}/decide/"
    second = browser_of(person("second@example.com", is_staff=True))
    for _ in range(2):
        assert second.post(decide, {"reason": "between us", press: "1"}).status_code == 302
    notes = AuditEntry.objects.filter(workspace=workspace, event="credits.adjusted").order_by("id")
    assert [(note.actor, note.detail["state"]) for note in notes] == [
        ("staff staff@example.com", "waiting"),
        ("staff second@example.com", state),
    ]
    assert "between us" not in str(notes[1].detail)
    verb = "agreed" if press == "approve" else "refused"
    audit = staff.get("/admin/audit/", {"customer": str(workspace.id)}).context["rows"]
    assert [act.words for act, *_ in audit] == [
        f"{verb} to give 900,000 credits to {ada.email}: an outage",
        f"proposed to give 900,000 credits to {ada.email}: an outage",
    ]


def test_a_debt_that_staff_writes_off_is_in_the_customers_log(ada: User, staff: Client) -> None:
    workspace, clip = own(ada), uuid4()
    ledger.grant(account=workspace.id, reference="order:1", amount=40, kind=ledger.LotKind.PACK)
    ledger.hold(account=workspace.id, reference=clip, amount=40, quote={}, expires_at=timezone.now())
    ledger.capture(reference=clip)
    ledger.clawback(reference="order:1", target=30)
    form = {"grant": "order:1", "amount": 30, "reason": "an outage", "reference": uuid4()}
    staff.post(f"/admin/billing/account/{workspace.id}/write-off/", form)
    assert ledger.balance(account=workspace.id).debt == 0
    [row] = staff.get("/admin/audit/", {"customer": str(workspace.id)}).context["rows"]
    assert row[0].words == f"wrote off 30 owed credits of {ada.email}: an outage"


def test_the_ledger_leads_to_the_one_page_on_which_credits_are_moved(ada: User, staff: Client) -> None:
    workspace = own(ada)
    give(staff, workspace, 5)
    ledger_page = staff.get(f"/admin/billing/account/{workspace.id}/change/").text
    assert f'<a href="{page_of(workspace)}#credits">Give or take credits</a>' in ledger_page
    staff.post(f"/admin/billing/account/{workspace.id}/adjust/", {"amount": 5, "reason": "x", "reference": uuid4()})
    assert ledger.balance(account=workspace.id).available == 5


def test_what_is_too_much_for_one_waits_for_a_second(ada: User, staff: Client) -> None:
    assert "waits for somebody else" in give(staff, own(ada), 900_000)
    assert ledger.balance(account=own(ada).id).available == 0


@pytest.mark.parametrize(("amount", "why"), [(0, "1 or more"), (-5, "Only 0 credits are available")])
def test_what_cannot_be_given_says_why(amount: int, why: str, ada: User, staff: Client) -> None:
    assert why in give(staff, own(ada), amount)
    assert not AuditEntry.objects.filter(event="credits.adjusted").exists()


def test_staff_looks_into_the_workspace_and_suspends_it(ada: User, staff: Client) -> None:
    workspace = own(ada)
    assert staff.post(f"{page_of(workspace)}look/").status_code == 302
    answer = staff.post(f"{page_of(workspace)}suspend/", {"reason": "fraud"})
    assert answer.headers["Location"] == f"{page_of(workspace)}#workspace"
    assert "Suspended since" in staff.get(page_of(workspace)).text
    staff.post(f"{page_of(workspace)}unsuspend/")
    events = AuditEntry.objects.filter(workspace=workspace).order_by("id").values_list("event", flat=True)
    assert [*events][-3:] == ["staff.looked", "workspace.suspended", "workspace.unsuspended"]


def test_a_customer_at_one_look(ada: User, toy: Model, staff: Client) -> None:
    workspace = own(ada)
    said = summary(staff, workspace)
    assert "Who Ada Lovelace Plan Free Credits 0 available Last clip none Last payment none" in said
    assert said.endswith("Flags nothing out of the ordinary")
    subscription = subscribe(workspace, "studio")
    Payment.objects.create(
        **{"source": "invoice:1", "workspace": workspace.id, "account": workspace.id, "price": subscription.price},
        **{"amount_minor": 3_900, "currency": "usd", "credits": 1, "dispute_status": "needs_response"},
        paid_at=datetime(2026, 5, 3, tzinfo=UTC),
    )
    Subscription.objects.update(status="past_due", past_due_since=timezone.now())
    staff.post(f"{page_of(workspace)}suspend/", {"reason": "fraud"})
    give(staff, workspace, 900_000)
    Customer.objects.create(workspace=workspace.id, stripe_customer_id="cus_1")
    said = summary(staff, workspace)
    assert "Plan Studio, past due" in said
    assert (
        '<a href="https://dashboard.stripe.com/customers/cus_1" rel="noreferrer">' in staff.get(page_of(workspace)).text
    )
    assert "Last payment $39.00 on 3 May 2026" in said
    for flag in ("Suspended since", "A proposal waits", "Its last payment failed", "Disputed a payment"):
        assert flag in said, flag


def test_what_could_not_be_sent_to_a_customer_is_a_flag_for_whoever_may_look_at_it(ada: User, staff: Client) -> None:
    workspace, now = own(ada), timezone.now()
    endpoint = Endpoint.objects.create(
        **{"workspace": workspace, "name": "production", "url": "https://x.example.org/", "event_types": []},
        failing_since=now,
    )
    ended: dict[str, Any] = {"state": "dead", "last_error": "550", "ended_at": now, "expires_at": now}
    for number in range(2):
        Delivery.objects.create(endpoint=endpoint, event_id=f"evt_{number}", event_type="video.completed", **ended)
    mail = MailMessage.objects.create(workspace=workspace, user=ada, content="x.y", about=uuid4(), **ended)
    page = staff.get(page_of(workspace)).text
    for address, said in (
        (f"/admin/webhooks/endpoint/{endpoint.id}/change/", "Its webhook endpoint production fails"),
        (f"/admin/webhooks/delivery/?state__exact=dead&amp;q={endpoint.id}", "2 webhook events could not be delivered"),
        (f"/admin/outbox/mailmessage/{mail.id}/change/", "A mail could not be delivered"),
    ):
        assert f'href="{address}">{said}</a>' in page
    helper = person("helper@example.org", is_staff=True)
    User.objects.filter(id=helper.id).update(is_superuser=False)
    helper.user_permissions.add(Permission.objects.get(codename="view_workspace"))
    assert summary(browser_of(helper), workspace).endswith("Flags nothing out of the ordinary")


def summary(staff: Client, workspace: Workspace) -> str:
    found = re.search(r'<dl class="summary">(.*?)</dl>', staff.get(page_of(workspace)).text, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]*>", " ", found[1]).split())


def test_a_visitor_who_is_banned_has_a_flag(alice: Visitor, staff: Client) -> None:
    bans.ban_visitor(alice, by=User.objects.get(email="staff@example.com"), reason="Too many.")
    said = summary(staff, alice.workspace)
    assert "Who a visitor without an account" in said
    assert said.endswith("Flags Banned")


def test_before_a_search_those_who_signed_up_last_are_there(db: None) -> None:
    browser = browser_of(person("staff@example.com", is_staff=True))
    person("ada@example.org")
    latest = browser.get("/admin/customers/").text.split("Signed up last")[1]
    assert latest.index("ada@example.org") < latest.index("staff@example.com")
    assert "Signed up last" not in browser.get("/admin/customers/", {"q": "nobody at all"}).text
