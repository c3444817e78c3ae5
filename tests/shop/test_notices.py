"""Mail about money: written with the note that it is told, to those who pay, while it is still so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.db import connection, transaction
from django.utils import timezone, translation

from accounts.models import User, Workspace
from accounts.roles import Role
from billing import ledger
from billing.shop import notices
from billing.shop.models import Budget, Price, Subscription
from loremotion.outbox import mail as outbox_mail
from loremotion.outbox.models import MailMessage, State
from tests.accounts import factories as people

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(db: None) -> User:
    return people.person("alice@example.org")


@pytest.fixture
def place(alice: User) -> Workspace:
    return people.team(alice, "Studio")


def late(workspace: Workspace, attempts: int = 1) -> Subscription:
    """A plan whose payment was declined so many times."""
    now = timezone.now()
    return Subscription.objects.create(
        workspace=workspace.id,
        account=workspace.id,
        price=Price.objects.get(plan__slug="creator", interval="month", currency="usd"),
        stripe_subscription_id=f"sub_{uuid4().hex}",
        status="past_due",
        past_due_since=now,
        period_start=now,
        period_end=now + timedelta(days=30),
        failed_attempts=attempts,
    )


def running_low(workspace: Workspace, *, address: str = "") -> Budget:
    ledger.open_account(account=workspace.id)
    return Budget.objects.create(workspace=workspace.id, warn_below_credits=300, warn_address=address)


def test_an_address_that_is_nobody_s_reads_the_language_of_the_owner(alice: User, place: Workspace) -> None:
    User.objects.filter(id=alice.id).update(language="de")
    running_low(place, address="money@example.org")
    with translation.override("en"):  # of whoever spends, or of the beat
        tell()
        notices.write_cap_used(place.id, cap=100, percent=50)
    assert set(MailMessage.objects.values_list("address", "language")) == {("money@example.org", "de")}
    User.objects.filter(id=alice.id).update(language="")
    with translation.override("de"):
        notices.write_cap_used(place.id, cap=100, percent=100)
    assert MailMessage.objects.get(occasion__startswith="100:").language == "en"


def tell() -> None:
    """What a convergence does with what it noted of each late plan, and the beat with credits that run low."""
    for subscription in Subscription.objects.order_by("id"):
        with transaction.atomic():
            notices.write_payment_failed(subscription)
    notices.write_low_balances()


def post_office() -> list[tuple[str, list[str]]]:
    """Send what is due; then all mail there is, by subject and address."""
    for row_id in MailMessage.objects.filter(state=State.WAITING).values_list("id", flat=True):
        outbox_mail.send(row_id)
    return [(str(message.subject), message.to) for message in mail.outbox]


def test_a_declined_payment_is_told_to_those_who_pay_once_for_each_try(alice: User, place: Workspace) -> None:
    place.memberships.create(user=people.person("bob@example.org"), role=Role.VIEWER)
    subscription = late(place)
    for _ in range(2):
        tell()
    told = ("Your payment for Creator failed", ["alice@example.org"])
    assert post_office() == [told]
    assert "declined $12.00" in str(mail.outbox[0].body)
    Subscription.objects.filter(id=subscription.id).update(failed_attempts=2)
    tell()
    assert post_office() == [told, told]
    # The next month's first try is another one, although it is the first again.
    Subscription.objects.update(
        failed_attempts=1, dunned_attempts=0, period_end=subscription.period_end + timedelta(days=30)
    )
    tell()
    assert post_office() == [told, told, told]


def test_a_try_that_was_told_of_is_not_told_again_when_the_same_period_is_late_anew(place: Workspace) -> None:
    subscription = late(place)
    tell()
    # Paid, and then something else of the same period is declined, for the first time again.
    Subscription.objects.filter(id=subscription.id).update(dunned_attempts=0)
    tell()
    assert len(post_office()) == 1
    subscription.refresh_from_db()
    assert subscription.dunned_attempts == 1


def test_low_credits_are_told_once_until_there_are_enough_again(place: Workspace) -> None:
    running_low(place)
    for _ in range(2):
        tell()
    assert post_office() == [("You have fewer than 300 credits left", ["alice@example.org"])]
    ledger.grant(account=place.id, reference=f"test:{place.id}", amount=500, kind=ledger.LotKind.PACK)
    tell()
    ledger.adjust(account=place.id, reference="test:2", amount=-400, actor="staff", reason="test")
    tell()
    assert len(post_office()) == 2


def test_low_credits_are_told_where_the_workspace_wants_it(place: Workspace) -> None:
    running_low(place, address="books@studio.test")
    tell()
    assert [to for _, to in post_office()] == [["books@studio.test"]]


def test_what_is_not_so_any_more_is_not_told(place: Workspace) -> None:
    late(place)
    running_low(place)
    tell()
    Subscription.objects.update(status="active")
    ledger.grant(account=place.id, reference="test:1", amount=500, kind=ledger.LotKind.PACK)
    tell()
    assert post_office() == []
    assert set(MailMessage.objects.values_list("state", "last_error")) == {
        (State.DEAD, "There is nothing to say any more.")
    }


def test_who_does_not_pay_there_any_more_gets_no_mail(alice: User, place: Workspace) -> None:
    late(place)
    tell()
    place.memberships.filter(user=alice).update(role=Role.VIEWER)
    assert post_office() == []


@pytest.mark.parametrize("what", [late, running_low])
def test_dying_at_any_statement_leaves_the_mail_to_the_next_round(
    place: Workspace, what: Callable[[Workspace], Any]
) -> None:
    what(place)
    for survived in range(100):
        with transaction.atomic():
            is_dead = dies(survived)
            tell()
            assert (survived, len(post_office())) == (survived, 1)
            mail.outbox.clear()
            transaction.set_rollback(True)
        if not is_dead:
            break
    assert survived > 5


class Died(BaseException):
    """The process is gone: no handler of ours sees this."""


def dies(lives: int) -> bool:
    """Whether a round dies, given so many statements."""
    left = iter(range(lives))

    def wrapper(execute: Callable[..., Any], statement: str, *arguments: Any) -> Any:
        if next(left, None) is None and not statement.startswith("ROLLBACK"):  # which PostgreSQL does for the dead
            raise Died
        return execute(statement, *arguments)

    try:
        with connection.execute_wrapper(wrapper):
            tell()
    except Died:
        return True
    return False


def test_a_workspace_that_is_gone_and_one_that_fails_keep_no_other_from_its_mail(
    alice: User, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = running_low(people.team(alice, "Gone"))
    Workspace.objects.filter(id=gone.workspace).delete()
    broken = running_low(Workspace.objects.create(kind=Workspace.Kind.TEAM, name="Broken"))
    people_who_pay = notices.payers
    no_such_user = 2_000_000_000
    monkeypatch.setattr(
        notices, "payers", lambda where: [no_such_user] if where == broken.workspace else people_who_pay(where)
    )
    running_low(place)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    notices.write_low_balances()
    assert post_office() == [("You have fewer than 300 credits left", ["alice@example.org"])]
    broken.refresh_from_db()
    assert broken.warned_at is None  # to be told yet
