"""Whose line a clip waits in: a person's, whatever the number of their workspaces, or that of a network's visitors."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import Error, connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Membership, User, Visitor, Workspace
from accounts.roles import Role
from billing import ledger
from catalog.models import Model
from catalog.offers import make_offer
from catalog.requests import Ask
from generation.models import Generation, State
from generation.scheduling import dispatch, fair_queue
from generation.settlement import settle
from generation.submission.submit import submit
from generation.tiers import FREE_BEGINS, on_its_clock
from loremotion import row_security
from loremotion.prepared import send_ahead
from loremotion.row_security import across_workspaces
from tests.generation import factories

NETWORK = "a" * 32


def team_of(user: User) -> Workspace:
    workspace = Workspace.objects.create(kind=Workspace.Kind.TEAM)
    Membership.objects.create(workspace=workspace, user=user, role=Role.OWNER)
    ledger.grant(account=workspace.id, reference=f"test:{workspace.id}", amount=1_000, kind=ledger.LotKind.ADJUSTMENT)
    return workspace


def visitor_from(network: str) -> Callable[[], Generation]:
    def ask() -> Generation:
        workspace = factories.visitor(credits=100).workspace
        return submit(workspace=workspace, offer=make_offer(Ask(prompt="a red circle", seconds=1)), network=network)

    return ask


def order() -> list[Generation]:
    return list(Generation.objects.filter(state=State.QUEUED).order_by("fair_finish", "created_at", "id"))


def test_ten_workspaces_of_one_person_get_no_more_than_one(toy: Model, alice: Visitor) -> None:
    person = User.objects.create_user("ten@example.org", "a long password")
    crowd = [factories.submitted(team_of(person), seconds=1) for _ in range(10)]
    others = [factories.submitted(alice.workspace, seconds=1) for _ in range(3)]
    line = [clip.id for clip in order()]
    assert line[:6] == [crowd[0].id, others[0].id, crowd[1].id, others[1].id, crowd[2].id, others[2].id]


def test_visitors_of_one_network_get_no_more_than_one(toy: Model) -> None:
    crowd = [visitor_from(NETWORK)() for _ in range(12)]
    late = visitor_from("b" * 32)()
    assert [clip.id for clip in order()[:3]] == [crowd[0].id, late.id, crowd[1].id]


def account_from(network: str, name: str) -> Generation:
    workspace = team_of(User.objects.create_user(f"{name}@example.org", "a long password"))
    return submit(workspace=workspace, offer=make_offer(Ask(prompt="a red circle", seconds=1)), network=network)


def test_free_accounts_of_one_network_get_no_more_than_one(toy: Model) -> None:
    crowd = [account_from(NETWORK, f"one-{number}") for number in range(6)]
    crowd += [visitor_from(NETWORK)() for _ in range(2)]
    late = account_from("b" * 32, "late")
    assert [clip.id for clip in order()[:3]] == [crowd[0].id, late.id, crowd[1].id]
    tags = [on_its_clock(clip.fair_finish) for clip in crowd]
    assert tags == [tags[0] * (place + 1) for place in range(8)]
    assert len({clip.flow for clip in crowd[:6]}) == 6, "each of them waits in a line of their own as well"


def test_nobody_brings_the_line_of_one_network_into_another(toy: Model) -> None:
    for number in range(9):
        account_from(NETWORK, f"resident-{number}")
    traveller = team_of(User.objects.create_user("traveller@example.org", "a long password"))
    offer = make_offer(Ask(prompt="a red circle", seconds=1))
    last = submit(workspace=traveller, offer=offer, network=NETWORK)
    carried = submit(workspace=traveller, offer=offer, network="b" * 32)
    guest = team_of(User.objects.create_user("guest@example.org", "a long password"))
    with across_workspaces("a test looks at another's line"):
        told = fair_queue.prospective_finish(
            guest, is_paid=False, network="b" * 32, credits=offer.quote.credits, weight=1
        )
    asked = submit(workspace=guest, offer=offer, network="b" * 32)
    cost = on_its_clock(last.fair_finish) / 10
    assert on_its_clock(carried.fair_finish) == 11 * cost, "the traveller is still behind what they have waiting"
    assert [on_its_clock(tag) for tag in (told, asked.fair_finish)] == [2 * cost] * 2, "behind one clip, not ten"


def test_what_the_last_release_queued_is_heeded_in_its_network(toy: Model) -> None:
    first = visitor_from(NETWORK)()
    Generation.objects.update(network_finish=None)
    second = account_from(NETWORK, "second")
    assert on_its_clock(second.fair_finish) == 2 * on_its_clock(first.fair_finish)


def test_the_last_release_joins_a_network_as_this_one_does(toy: Model, alice: Visitor) -> None:
    first = visitor_from(NETWORK)()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM generation_join_line(%s, %s, %s, %s)",
            [alice.workspace_id, f"network:{NETWORK}", FREE_BEGINS, NETWORK],
        )
        assert cursor.fetchone() == (FREE_BEGINS, first.fair_finish, 0, f"network:{NETWORK}")


def test_what_a_free_account_is_told_before_asking_heeds_its_network(toy: Model) -> None:
    first = account_from(NETWORK, "first")
    other = team_of(User.objects.create_user("second@example.org", "a long password"))
    with across_workspaces("a test looks at two"):
        tags = [
            fair_queue.prospective_finish(other, is_paid=False, network=network, credits=first.credits_quoted, weight=1)
            for network in (NETWORK, "b" * 32)
        ]
    assert tags[0] - tags[1] == on_its_clock(first.fair_finish)


def test_who_pays_waits_in_a_line_of_their_own_wherever_they_come_from(toy: Model) -> None:
    for _ in range(5):
        visitor_from(NETWORK)()
    payer = factories.visitor().workspace
    ledger.grant(account=payer.id, reference="bought", amount=100, kind=ledger.LotKind.PACK)
    paid = submit(workspace=payer, offer=make_offer(Ask(prompt="a red circle", seconds=1)), network=NETWORK)
    assert (paid.flow, paid.network) == (f"workspace:{payer.id}", "")
    assert [clip.id for clip in order()].index(paid.id) <= 1


def test_visitors_of_nobody_knows_where_wait_each_for_themselves(toy: Model) -> None:
    assert len({visitor_from("")().fair_finish for _ in range(5)}) == 1


def test_where_a_clip_came_from_is_forgotten_once_it_need_not_wait(toy: Model) -> None:
    dispatched, cancelled = visitor_from(NETWORK)(), visitor_from(NETWORK)()
    assert (cancelled.flow, cancelled.network) == (f"network:{NETWORK}", NETWORK)
    settle.cancel(cancelled)
    dispatch.fill_window()
    known = Generation.objects.filter(id__in=[dispatched.id, cancelled.id]).values_list("flow", "network")
    assert set(known) == {("", "")}


def test_a_clip_that_the_last_release_queued_is_heeded_in_its_workspace(toy: Model, alice: Visitor) -> None:
    first = factories.submitted(alice.workspace, seconds=1)
    Generation.objects.update(flow="", fair_weight=None)
    second = factories.submitted(alice.workspace, seconds=1)
    assert on_its_clock(second.fair_finish) == 2 * on_its_clock(first.fair_finish)


COSTS = st.integers(1, 50)
ARRIVALS = st.lists(st.tuples(st.integers(0, 6), COSTS, st.integers(0, 3)), min_size=1, max_size=120)
"""Whose, what it costs, and how many are served before the next one comes."""
WEIGHTS = [1, 1, 1, 2, 3, 6, 10]


class Line:
    """The queue as the database keeps it: tags, and a clock that the last one served has moved."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: list[tuple[float, int, int, int]] = []
        """A heap of tag, number, whose and cost."""
        self.tags_of: dict[int, deque[float]] = {}
        """Whose → the tags that wait. They rise, so the first is served first and the last is the highest."""
        self.came = 0
        self.served: list[tuple[int, int, int]] = []
        """Number, whose and cost."""

    def join(self, flow: int, cost: int, weight: float) -> int:
        waiting = self.tags_of.setdefault(flow, deque())
        last = waiting[-1] if waiting else 0.0
        tag = fair_queue.next_finish(now=self.now, last_finish=last, cost=cost, weight=weight)
        assert tag > last
        waiting.append(tag)
        self.came += 1
        heapq.heappush(self.waiting, (tag, self.came, flow, cost))
        return self.came

    def serve(self) -> None:
        if self.waiting:
            tag, number, flow, cost = heapq.heappop(self.waiting)
            assert self.tags_of[flow].popleft() == tag
            self.now = max(self.now, tag)
            self.served.append((number, flow, cost))


@given(ARRIVALS, st.lists(COSTS, min_size=200, max_size=200))
def test_nobody_starves_however_the_others_go_on(arrivals: list[tuple[int, int, int]], flood: list[int]) -> None:
    line = Line()
    for flow, cost, served in arrivals:
        line.join(flow, cost, WEIGHTS[flow])
        for _ in range(served):
            line.serve()
    until = {number for _, number, _, _ in line.waiting}
    cost_of_all = sum(cost for _, _, _, cost in line.waiting)
    for cost in flood:
        line.join(99, cost, 10)
    served_of_the_flood = 0
    while until:
        line.serve()
        line.join(99, 1, 10)
        number, whose, cost = line.served[-1]
        until.discard(number)
        served_of_the_flood += cost if whose == 99 else 0
    assert served_of_the_flood <= 10 * cost_of_all + max(flood)


@given(st.lists(COSTS, min_size=1_000, max_size=1_000), COSTS, st.integers(1, 10))
def test_a_flood_of_a_thousand_costs_a_newcomer_one_service_time(flood: list[int], cost: int, weight: int) -> None:
    line = Line()
    for each in flood:
        line.join(0, each, 1)
    line.serve()
    mine = line.join(1, cost, weight)
    while line.served[-1][0] != mine:
        line.serve()
    before = [each for number, whose, each in line.served[1:] if whose == 0]
    assert sum(before) <= cost  # GPU time that the flood had before it, beside what was being made


@given(st.lists(st.integers(0, 5), min_size=2, max_size=6, unique=True), st.integers(1, 20))
def test_shares_converge_to_weights(flows: list[int], cost: int) -> None:
    line = Line()
    for flow in flows:
        for _ in range(400):
            line.join(flow, cost, WEIGHTS[flow])
    total = sum(WEIGHTS[flow] for flow in flows)
    for _ in range(300):
        line.serve()
    for flow in flows:
        served = sum(whose == flow for _, whose, _ in line.served)
        assert abs(served - 300 * WEIGHTS[flow] / total) <= len(flows)


@given(st.integers(2, 40), COSTS)
def test_a_crowd_in_one_line_gets_no_more_than_one_of_its_kind(crowd: int, cost: int) -> None:
    line = Line()
    for _ in range(crowd):
        line.join(0, cost, 1)
    for _ in range(crowd):
        line.join(1, cost, 1)
    for _ in range(crowd):
        line.serve()
    assert abs(sum(whose == 0 for _, whose, _ in line.served) - crowd / 2) <= 1


@pytest.mark.django_db(transaction=True)
def test_a_request_learns_nothing_of_the_line_of_another_workspace(alice: Visitor, bob: Visitor) -> None:
    bounds = row_security.Bounds()
    bounds.sight = row_security.Sight(alice.workspace.id)
    with row_security.enforce_bounds(bounds), transaction.atomic():
        assert (
            fair_queue.send_join(alice.workspace, is_paid=False, most_open=3)().flow
            == f"workspace:{alice.workspace.id}"
        )
    with (
        row_security.enforce_bounds(bounds),
        transaction.atomic(),
        pytest.raises(Error, match="is not of the workspace"),
    ):
        fair_queue.send_join(bob.workspace, is_paid=False, most_open=3)()


@pytest.mark.django_db(transaction=True)
def test_that_refusal_is_none_of_the_ledgers_where_a_hold_was_sent_before(alice: Visitor, bob: Visitor) -> None:
    bounds = row_security.Bounds()
    bounds.sight = row_security.Sight(alice.workspace.id)
    account, tomorrow = alice.workspace.id, timezone.now() + timedelta(days=1)

    def hold_and_join() -> None:
        with ledger.own_errors(), send_ahead():
            held = ledger.send_hold(account=account, reference=uuid4(), amount=1, expires_at=tomorrow, quote={})
            fair_queue.send_join(bob.workspace, is_paid=False, most_open=3)
            held()

    with (
        row_security.enforce_bounds(bounds),
        transaction.atomic(),
        pytest.raises(Error, match="is not of the workspace"),
    ):
        hold_and_join()


def test_no_more_open_clips_are_counted_than_a_workspace_may_have(toy: Model, alice: Visitor) -> None:
    for _ in range(3):
        factories.submitted(alice.workspace, seconds=1)
    with transaction.atomic():
        counted = [
            fair_queue.send_join(alice.workspace, is_paid=False, most_open=most)().open_clips for most in (0, 2, 3, 9)
        ]
    assert counted == [0, 2, 3, 3]


def test_what_came_back_without_a_line_waits_with_its_own_workspace(toy: Model, alice: Visitor, bob: Visitor) -> None:
    returned = factories.submitted(alice.workspace, seconds=5)
    Generation.objects.filter(id=returned.id).update(flow="", network="")
    with transaction.atomic():
        tags = [fair_queue.send_join(each.workspace, is_paid=False, most_open=3)().last_finish for each in (alice, bob)]
    assert tags == [returned.fair_finish, 0.0]
