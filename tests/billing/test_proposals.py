"""What staff may do to credits alone, and what waits for a second: never the same, never twice, never for ever."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEntry, User
from billing import ledger, proposals
from billing.models import Proposal, Transaction
from loremotion.refusals import Conflict, Forbidden
from tests.accounts.factories import person
from tests.billing.books import balance, empty_ledger, grant, spend
from tests.patience import PATIENCE_SECONDS

LIMIT = 100


@pytest.fixture(autouse=True)
def small_limit(settings: Settings) -> None:
    settings.STAFF_DAILY_CREDITS = LIMIT


@pytest.fixture
def ada(books: None) -> User:
    return User.objects.create_superuser(email="ada@example.org", password="x")


@pytest.fixture
def ben(books: None) -> User:
    return User.objects.create_superuser(email="ben@example.org", password="x")


def propose(
    staff: User,
    amount: int,
    account: UUID | None = None,
    *,
    form: UUID | None = None,
    kind: Proposal.Kind = Proposal.Kind.ADJUST,
    grant: str = "",
) -> Proposal:
    return proposals.propose(
        proposal_id=form or uuid4(),
        kind=kind,
        account=account or uuid4(),
        amount=amount,
        grant=grant,
        reason="clips were black",
        staff=staff,
    )


def approve(proposal: Proposal, staff: User) -> Proposal:
    return proposals.approve(proposal.id, staff=staff, reason="seen the clips")


# --- alone -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "is_done"), [(LIMIT, True), (LIMIT + 1, False), (-LIMIT, True), (-LIMIT - 1, False)]
)
def test_up_to_the_limit_it_is_done_at_once_and_beyond_it_waits(ada: User, amount: int, is_done: bool) -> None:
    account = uuid4()
    grant(account, 500)
    proposal = propose(ada, amount, account)
    assert (proposal.state == Proposal.State.DONE, proposal.is_waiting) == (is_done, not is_done)
    assert balance(account) == (500 + amount * is_done, 0, 0)


def test_many_small_ones_are_no_way_around_the_limit(ada: User, ben: User) -> None:
    assert propose(ada, 60).state == Proposal.State.DONE
    assert proposals.left_to_do_alone(ada) == 40
    assert propose(ada, 41).is_waiting
    assert propose(ada, 40).state == Proposal.State.DONE
    assert propose(ada, 1).is_waiting
    assert propose(ben, LIMIT).state == Proposal.State.DONE  # each has a limit of their own
    with time_machine.travel(timezone.now() + timedelta(days=1, seconds=1)):
        assert propose(ada, LIMIT).state == Proposal.State.DONE


def test_what_a_second_agreed_to_does_not_count_as_done_alone(ada: User, ben: User) -> None:
    approve(propose(ada, 5_000), ben)
    assert proposals.left_to_do_alone(ada) == LIMIT


def test_where_nobody_may_do_anything_alone_everything_waits(ada: User, settings: Settings) -> None:
    settings.STAFF_DAILY_CREDITS = 0
    assert propose(ada, 1).is_waiting


def test_the_same_form_sent_twice_is_one_proposal_and_with_other_values_refused(ada: User) -> None:
    account, form = uuid4(), uuid4()
    for _ in range(2):
        propose(ada, 30, account, form=form)
    assert balance(account) == (30, 0, 0)
    with pytest.raises(Conflict, match="other values"):
        propose(ada, 31, account, form=form)
    assert Proposal.objects.count() == 1


def test_what_cannot_be_done_is_refused_and_does_not_wait(ada: User) -> None:
    account = uuid4()
    grant(account, 50)
    with pytest.raises(ledger.NotEnoughCredits):
        propose(ada, -500, account)
    with pytest.raises(ledger.NotEnoughCredits):
        propose(ada, -60, account)
    assert not Proposal.objects.exists()
    assert balance(account) == (50, 0, 0)


# --- with a second -----------------------------------------------------------------------------------------------


def test_another_agrees_and_both_names_stand_in_the_ledger(ada: User, ben: User) -> None:
    account = uuid4()
    proposal = propose(ada, 5_000, account)
    done = approve(proposal, ben)
    assert balance(account) == (5_000, 0, 0)
    line = Transaction.objects.get(account=account)
    assert (line.actor, line.reason) == ("ada@example.org, approved by ben@example.org", "clips were black")
    assert line.reference == f"staff:{proposal.id}"
    assert (done.state, done.decided_by_name, done.decision) == ("done", "ben@example.org", "seen the clips")


def test_approved_twice_it_is_done_once(ada: User, ben: User) -> None:
    account = uuid4()
    proposal = propose(ada, 5_000, account)
    for _ in range(2):
        approve(proposal, ben)
    assert balance(account) == (5_000, 0, 0)
    with pytest.raises(Conflict, match=r"ben@example\.org has decided"):
        proposals.refuse(proposal.id, staff=ben, reason="changed my mind")


def test_nobody_decides_their_own(ada: User) -> None:
    proposal = propose(ada, 5_000)
    for decide in (proposals.approve, proposals.refuse):
        with pytest.raises(Forbidden, match="proposed themselves"):
            decide(proposal.id, staff=ada, reason="me again")
    with pytest.raises(IntegrityError, match="proposal_decided_by_another"), transaction.atomic():
        Proposal.objects.update(state="done", decided_by=ada.pk, decided_at=timezone.now())


def test_refused_it_is_not_done_and_cannot_be_approved_any_more(ada: User, ben: User) -> None:
    account = uuid4()
    proposal = propose(ada, 5_000, account)
    for _ in range(2):
        assert proposals.refuse(proposal.id, staff=ben, reason="too much").decision == "too much"
    with pytest.raises(Conflict, match="Refused"):
        approve(proposal, ben)
    assert balance(account) == (0, 0, 0)


def test_after_a_week_nobody_can_agree_any_more(ada: User, ben: User) -> None:
    proposal = propose(ada, 5_000)
    assert list(Proposal.objects.waiting()) == [proposal]
    with time_machine.travel(timezone.now() + proposals.WAITS + timedelta(seconds=1)):
        assert list(Proposal.objects.waiting()) == []
        with pytest.raises(Conflict, match="propose it anew"):
            approve(proposal, ben)
    assert balance(proposal.account) == (0, 0, 0)


def test_what_cannot_be_done_any_more_goes_on_waiting(ada: User, ben: User) -> None:
    account = uuid4()
    grant(account, 500)
    proposal = propose(ada, -400, account)
    spend(account, 200)
    with pytest.raises(ledger.NotEnoughCredits):
        approve(proposal, ben)
    proposal.refresh_from_db()
    assert proposal.is_waiting
    assert proposal.decided_by is None
    grant(account, 100)
    approve(proposal, ben)
    assert balance(account) == (0, 0, 0)


def test_a_debt_is_written_off_the_same_way(ada: User, ben: User) -> None:
    account = uuid4()
    reference = grant(account, 300)
    spend(account, 300)
    ledger.clawback(reference=reference, target=300)
    small = propose(ada, 50, account, kind=Proposal.Kind.WRITE_OFF, grant=reference)
    large = propose(ada, 250, account, kind=Proposal.Kind.WRITE_OFF, grant=reference)
    assert (small.state, large.is_waiting, balance(account)) == ("done", True, (0, 0, 250))
    approve(large, ben)
    assert balance(account) == (0, 0, 0)
    assert [line.kind for line in ledger.movements(account=account, limit=2)] == ["writeoff", "writeoff"]


@pytest.mark.django_db(transaction=True)
def test_two_who_approve_at_once_do_it_once() -> None:
    ada, ben, eve = (User.objects.create_superuser(email=f"{name}@example.org") for name in ("ada", "ben", "eve"))
    account = uuid4()
    proposal = propose(ada, 5_000, account)

    def work(staff: User) -> None:
        try:
            approve(proposal, staff)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[staff]) for staff in (ben, eve)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert balance(account) == (5_000, 0, 0)
    assert Transaction.objects.filter(account=account).count() == 1
    empty_ledger()


# --- in the admin ------------------------------------------------------------------------------------------------


def signed_in(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def test_staff_proposes_sees_what_waits_and_another_approves(ada: User, ben: User) -> None:
    account = person("bob@example.org").memberships.get().workspace_id
    grant(account, 10)
    hers, his = signed_in(ada), signed_in(ben)
    form = {"give": 5_000, "reason": "lost a week of clips", "reference": uuid4()}
    answer = hers.post(reverse("admin:customer_credits", args=[account]), form, follow=True)
    assert "waits for somebody else on the staff" in answer.content.decode()
    proposal = Proposal.objects.get()
    decide = reverse("admin:billing_proposal_decide", args=[proposal.id])
    listed = his.get(reverse("admin:billing_proposal_changelist")).text
    assert "5,000 credits to be given" in listed
    assert ">ada@example.org<" in listed
    page_of_it = reverse("admin:billing_proposal_change", args=[proposal.id])
    assert page_of_it in his.get(reverse("admin:billing_account_change", args=[account])).content.decode()
    own = hers.get(decide).content.decode()
    assert "It is your own" in own
    assert f'href="{reverse("admin:billing_proposal_changelist")}">Back</a>' in own
    assert "Yours: somebody else decides" in hers.get(reverse("admin:billing_proposal_changelist")).text
    assert "proposal to approve or refuse" not in hers.get(reverse("admin:index")).text
    assert "proposal to approve or refuse" in his.get(reverse("admin:index")).text
    assert decide not in hers.get(page_of_it).text
    assert 'name="approve"' not in own
    assert "proposed themselves" in hers.post(decide, {"reason": "me", "approve": "1"}).content.decode()
    assert "This field is required" in his.post(decide, {"reason": "", "approve": "1"}).content.decode()
    assert balance(account) == (10, 0, 0)
    page = his.post(decide, {"reason": "true", "approve": "1"}, follow=True).content.decode()
    assert balance(account) == (5_010, 0, 0)
    assert "ada@example.org, approved by ben@example.org" in page
    logged = AuditEntry.objects.filter(workspace=account, event="credits.adjusted").order_by("id")
    assert [(entry.actor, entry.detail["state"]) for entry in logged] == [
        ("staff ada@example.org", "waiting"),
        ("staff ben@example.org", "approved"),
    ]
    assert not LogEntry.objects.exists(), "it is noted once"
    waiting = his.get(reverse("admin:billing_proposal_changelist")).context["cl"]
    done = his.get(reverse("admin:billing_proposal_changelist"), {"standing": "done"}).context["cl"]
    assert (waiting.result_count, done.result_count) == (0, 1)


def test_whoever_decides_sees_whose_it_is_and_what_it_would_leave(ada: User, ben: User) -> None:
    account = uuid4()
    grant(account, 10)
    propose(ada, 5_000, account=account)
    proposal = Proposal.objects.get()
    page = signed_in(ben).get(reverse("admin:billing_proposal_decide", args=[proposal.id])).content.decode()
    assert "<h2>5,000 credits to be given</h2>" in page
    assert f'href="{reverse("admin:customer", args=[account])}"' in page
    assert "10 → 5,010 available" in page
    assert f'href="{reverse("admin:billing_proposal_changelist")}">Cancel</a>' in page
    assert balance(account) == (10, 0, 0)


def test_a_proposal_s_page_says_how_it_stands_and_leads_to_deciding_it(ada: User, ben: User) -> None:
    propose(ada, 5_000, account=uuid4())
    proposal = Proposal.objects.get()
    page = signed_in(ben).get(reverse("admin:billing_proposal_change", args=[proposal.id])).content.decode()
    assert "Waits for a second member of staff until" in page
    assert f'href="{reverse("admin:billing_proposal_decide", args=[proposal.id])}">Approve or refuse…</a>' in page


def test_one_credit_is_one_credit(ada: User) -> None:
    assert str(propose(ada, 1)) == "1 credit given"
    assert Proposal.objects.get().in_the_past == "Gave 1 credit"


def test_whoever_decides_reads_why_it_cannot_be_done_any_more(ada: User, ben: User) -> None:
    account = uuid4()
    grant(account, 2_000)
    propose(ada, -1_500, account=account)
    spend(account, 1_000)
    proposal = Proposal.objects.get()
    page = signed_in(ben).get(reverse("admin:billing_proposal_decide", args=[proposal.id])).content.decode()
    assert "Not possible now" in page
    assert "1,000 available" in page


def test_a_proposal_is_refused_in_the_admin(ada: User, ben: User) -> None:
    proposal = propose(ada, 5_000)
    answer = signed_in(ben).post(
        reverse("admin:billing_proposal_decide", args=[proposal.id]), {"reason": "too much", "refuse": "1"}
    )
    proposal.refresh_from_db()
    assert (answer.status_code, proposal.state, proposal.decision) == (302, "refused", "too much")


def test_a_debt_is_written_off_in_the_admin(ada: User) -> None:
    account = uuid4()
    reference = grant(account, 80)
    spend(account, 80)
    browser = signed_in(ada)
    write_off = reverse("admin:billing_account_write_off", args=[account])
    assert write_off not in browser.get(reverse("admin:billing_account_change", args=[account])).content.decode()
    ledger.clawback(reference=reference, target=80)
    assert write_off in browser.get(reverse("admin:billing_account_change", args=[account])).content.decode()
    form = {"grant": reference, "amount": 81, "reason": "gone", "reference": uuid4()}
    assert "80 are owed" in browser.post(write_off, form).content.decode()
    page = browser.post(write_off, form | {"amount": 80}, follow=True).content.decode()
    assert balance(account) == (0, 0, 0)
    assert "Debt written off" in page
    another = {"grant": grant(uuid4(), 5), "amount": 1, "reason": "gone", "reference": uuid4()}
    assert "Select a valid choice" in browser.post(write_off, another).content.decode()


def test_looking_does_not_allow_to_decide(ada: User, client: Client) -> None:
    proposal = propose(ada, 5_000)
    reader = User.objects.create_user(email="cleo@example.org", password="x", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__in=["view_proposal", "adjust_credits"]))
    client.force_login(reader)
    assert client.get(reverse("admin:billing_proposal_change", args=[proposal.id])).status_code == 200
    decide = reverse("admin:billing_proposal_decide", args=[proposal.id])
    assert client.get(decide).status_code == 403
    assert client.post(decide, {"reason": "yes", "approve": "1"}).status_code == 403
    assert Client().get(decide).status_code == 302
