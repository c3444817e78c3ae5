"""What is seen before any work is done for a request is what decides: the same refusal, and the same one first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.caller import Caller
from accounts.models import Membership
from accounts.roles import BY_ROLE, Role
from billing import ledger
from billing.shop import offers
from billing.shop.models import Budget, Plan
from catalog.models import Model
from catalog.offers import Offer, make_offer
from catalog.requests import Ask
from generation.models import Generation
from generation.submission.submit import look_ahead, submit
from loremotion.refusals import Refusal
from tests.accounts import factories

pytestmark = pytest.mark.django_db


@dataclass
class Request:
    """A member's, who can pay for it."""

    place: Membership
    offer: Offer

    @property
    def caller(self) -> Caller:
        return Caller(self.place.workspace, BY_ROLE[Role.OWNER], membership=self.place)


@pytest.fixture
def request_of_a_member(toy: Model) -> Request:
    alice = factories.person()
    studio = factories.team(alice)
    ledger.grant(account=studio.id, reference="test", amount=100, kind=ledger.LotKind.PACK)
    return Request(Membership.objects.get(workspace=studio, user=alice), make_offer(Ask(prompt="x", seconds=1)))


def without_credits(request: Request) -> None:
    account = request.place.workspace_id
    everything = ledger.balance(account=account).available
    ledger.hold(account=account, reference=uuid4(), amount=everything, expires_at=timezone.now(), quote={})


def beyond_the_member_s_cap(request: Request) -> None:
    request.place.monthly_cap_credits = 0
    request.place.save(update_fields=["monthly_cap_credits"])


def beyond_the_workspace_s_cap(request: Request) -> None:
    Budget.objects.create(workspace=request.place.workspace_id, monthly_cap_credits=0)


@pytest.fixture(autouse=True)
def as_many_open_as_the_row_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "OPEN_CLIPS_A_SHARE", 0)


def too_many_open(request: Request) -> None:
    Plan.objects.update(open_clips=0)


IN_ORDER: list[tuple[Callable[[Request], None], str]] = [
    (without_credits, "insufficient_credits"),
    (beyond_the_member_s_cap, "cap_reached"),
    (beyond_the_workspace_s_cap, "over_budget"),
    (too_many_open, "too_many_open"),
]
BROKEN = [some for count in range(1, len(IN_ORDER) + 1) for some in combinations(IN_ORDER, count)]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda some: "+".join(code for _, code in some))
def test_both_refuse_the_same_in_the_same_order(
    request_of_a_member: Request, broken: tuple[tuple[Callable[[Request], None], str], ...]
) -> None:
    for breaks, _ in broken:
        breaks(request_of_a_member)
    caller, offer = request_of_a_member.caller, request_of_a_member.offer
    with pytest.raises(Refusal) as ahead:
        look_ahead(caller.workspace, offer, caller)
    assert caller.workspace is not None
    with pytest.raises(Refusal) as decided:
        submit(workspace=caller.workspace, offer=offer, caller=caller)
    assert ahead.value.code == broken[0][1]
    assert (type(ahead.value), vars(ahead.value)) == (type(decided.value), vars(decided.value))
    assert not Generation.objects.exists()


def test_a_request_with_nothing_against_it_passes_both(request_of_a_member: Request) -> None:
    caller, offer = request_of_a_member.caller, request_of_a_member.offer
    look_ahead(caller.workspace, offer, caller)
    assert caller.workspace is not None
    assert submit(workspace=caller.workspace, offer=offer, caller=caller).workspace == caller.workspace
