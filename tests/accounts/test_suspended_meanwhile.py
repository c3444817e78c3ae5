"""A suspension, a closing or a ban that comes while somebody is about to submit stops that clip too.

Each test lets two connections meet at the workspace's row, in either order: one holds it, the other is seen to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts import api_keys, bans, erasure, networks, tenancy, workspaces
from accounts.caller import Caller
from accounts.models import User, Visitor, Workspace
from accounts.roles import BY_SCOPE, VISITOR_MAY, Action, Scope
from billing import allowance, free_gpu_budget, ledger
from billing.models import FreeReservation
from catalog.models import Model
from catalog.offers import make_offer
from catalog.requests import Ask
from generation.models import Generation, State
from generation.submission.submit import submit
from loremotion.refusals import Conflict, Forbidden
from tests.accounts.factories import person
from tests.generation import factories as generations
from tests.generation.test_workspace_data import wait_until_somebody_waits
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

NETWORK = networks.lasting_fingerprint("203.0.113.0")


@pytest.fixture
def visitor(transactional_db: None) -> Visitor:
    visitor = generations.visitor(credits=500)
    Visitor.objects.filter(id=visitor.id).update(network=NETWORK)
    allowance.give(visitor.workspace, now=timezone.now(), network="")  # so that the account stands as it will again
    return visitor


@pytest.fixture
def toy(transactional_db: None) -> Model:
    return generations.model()


def suspend(visitor: Visitor, staff: User) -> None:
    workspaces.suspend(visitor.workspace, actor=str(staff), reason="spam")


def close(visitor: Visitor, staff: User) -> None:
    workspaces.close(visitor.workspace, actor=str(staff))


def ban(visitor: Visitor, staff: User) -> None:
    bans.ban_visitor(visitor, by=staff, reason="spam")


def ban_network(visitor: Visitor, staff: User) -> None:
    bans.ban_network(NETWORK, by=staff, reason="spam")


WAYS = pytest.mark.parametrize("stop", [suspend, close, ban, ban_network])
Stop = Callable[[Visitor, User], None]


def meeting(
    first: Callable[[], object], second: Callable[[], object], then: Callable[[], object] = lambda: None
) -> BaseException | None:
    """``first`` in a transaction that goes on with ``then`` and ends once ``second``, on another connection, waits for
    it; what that raised."""

    def elsewhere() -> None:
        try:
            second()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            first()
            waiting = other.submit(elsewhere)
            wait_until_somebody_waits()
            then()
        return waiting.exception(PATIENCE_SECONDS)


def submit_as(visitor: Visitor) -> Generation:
    """As the view does once it has found out who asks, which was a moment ago."""
    offer = make_offer(Ask(prompt="a red circle"))
    return submit(
        workspace=visitor.workspace, offer=offer, caller=Caller(visitor.workspace, VISITOR_MAY, networks=(NETWORK,))
    )


@WAYS
def test_who_submits_waits_for_it_and_is_refused(toy: Model, visitor: Visitor, stop: Stop) -> None:
    staff = person("staff@example.org", is_staff=True)
    before = ledger.balance(account=visitor.workspace_id)
    assert isinstance(meeting(lambda: stop(visitor, staff), lambda: submit_as(visitor)), Forbidden)
    assert not Generation.objects.exists()
    assert ledger.balance(account=visitor.workspace_id) == before


@WAYS
def test_it_waits_for_who_submits_and_cancels_the_clip(toy: Model, visitor: Visitor, stop: Stop) -> None:
    staff = person("staff@example.org", is_staff=True)
    before = ledger.balance(account=visitor.workspace_id)
    assert meeting(lambda: submit_as(visitor), lambda: stop(visitor, staff)) is None
    assert Generation.objects.get().state == State.CANCELLED
    assert ledger.balance(account=visitor.workspace_id) == before


def test_erasing_and_submitting_wait_for_each_other_in_one_order(toy: Model, visitor: Visitor) -> None:
    assert meeting(lambda: submit_as(visitor), lambda: workspaces.erase(visitor.workspace)) is None
    assert not Generation.objects.exists()
    other = generations.visitor(credits=500)
    assert isinstance(meeting(lambda: workspaces.erase(other.workspace), lambda: submit_as(other)), Conflict)
    assert not Generation.objects.exists()


def test_who_submits_while_the_clips_move_to_an_account_is_told(toy: Model, visitor: Visitor) -> None:
    alice = person()
    refused = meeting(lambda: workspaces.adopt(visitor=visitor, user=alice), lambda: submit_as(visitor))
    assert isinstance(refused, Conflict)
    assert "moved to another" in str(refused)
    assert not Generation.objects.exists()


def test_a_ban_of_one_visitor_keeps_no_other_out(toy: Model, visitor: Visitor) -> None:
    """Nor where it is not known from which network they come."""
    bans.ban_visitor(generations.visitor(), by=person("staff@example.org", is_staff=True), reason="spam")
    assert generations.submitted(visitor.workspace).state == State.QUEUED


# --- whoever holds a workspace and names a row, and whoever holds the row and waits for the workspace: no ring ---


def ask_as(workspace: Workspace, caller: Caller) -> Callable[[], Generation]:
    return lambda: submit(workspace=workspace, offer=make_offer(Ask(prompt="a fox")), caller=caller)


def test_who_is_erased_while_they_submit_is_erased_with_that_clip(toy: Model) -> None:
    alice = person()
    own = workspaces.personal_of(alice)
    caller = Caller(own, frozenset({Action.GENERATE}), membership=own.memberships.get())
    held = lambda: tenancy.lock_and_recheck(own, Action.GENERATE)  # noqa: E731 - as submitting begins
    assert meeting(held, lambda: erasure.erase_person(alice), then=ask_as(own, caller)) is None
    assert not Generation.objects.exists()
    assert not User.objects.filter(id=alice.id).exists()


def test_a_key_is_rotated_while_it_is_used(toy: Model) -> None:
    alice = person()
    own = workspaces.personal_of(alice)
    may = BY_SCOPE[Scope.GENERATE]
    key, _ = api_keys.issue(workspace=own, by=alice, allowed=may, name="ours", scopes=[Scope.GENERATE])
    held = lambda: tenancy.lock_and_recheck(own, Action.GENERATE)  # noqa: E731 - as submitting begins
    rotating = lambda: api_keys.rotate(key=key, by=alice, allowed=may)  # noqa: E731
    assert meeting(held, rotating, then=ask_as(own, Caller(own, may, key=key))) is None
    assert Generation.objects.get().api_key_id == key.id


def test_a_ban_of_many_and_what_a_worker_reports_meanwhile_wait_in_one_order(toy: Model, visitor: Visitor) -> None:
    """Both let go of free GPU time: the ban for one clip after the other, before it comes to the one that ends."""
    staff, other = person("staff@example.org", is_staff=True), generations.visitor()
    Visitor.objects.filter(id=other.id).update(network=NETWORK)
    _, last = (generations.submitted(one.workspace) for one in sorted((visitor, other), key=lambda one: one.id))
    assert FreeReservation.objects.count() == 2

    def settle() -> None:
        ledger.release(reference=last.id)
        free_gpu_budget.count(last.id, gpu_seconds=3.0, now=timezone.now())

    ending = lambda: Generation.objects.filter(id=last.id).update(state=State.FAILED)  # noqa: E731 - as settling begins
    assert meeting(ending, lambda: ban_network(visitor, staff), then=settle) is None
    assert set(Generation.objects.values_list("state", flat=True)) == {State.CANCELLED, State.FAILED}
