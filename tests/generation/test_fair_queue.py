"""The fair queue: shares by weight, floods hurt whoever sends them, nobody starves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Visitor
from billing.plans import Entitlements, entitlements
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch, fair_queue, places
from generation.scheduling.places import Place
from generation.settlement import settle
from generation.submission import submit
from gpu_worker.valkey_names import attempt_of
from tests.generation import factories

LARGE = 2**50


def line_of(*, count: int = 100) -> list[Generation]:
    """Who would be served, in order, were nobody to come any more."""
    return list(Generation.objects.filter(state=State.QUEUED).order_by("fair_finish", "id")[:count])


def test_two_who_ask_alternately_are_served_alternately(toy: Model, alice: Visitor, bob: Visitor) -> None:
    for _ in range(3):
        factories.submitted(alice.workspace, seconds=1)
    for _ in range(3):
        factories.submitted(bob.workspace, seconds=1)
    owners = [g.workspace_id for g in line_of()]
    assert (
        Counter(owners[:2])
        == Counter(owners[2:4])
        == Counter(owners[4:])
        == {
            alice.workspace_id: 1,
            bob.workspace_id: 1,
        }
    )


def test_a_newcomer_is_served_before_the_rest_of_a_flood(toy: Model, alice: Visitor, bob: Visitor) -> None:
    for _ in range(3):
        factories.submitted(alice.workspace, seconds=5)
    late = factories.submitted(bob.workspace, seconds=1)
    assert line_of()[0].id == late.id


def test_who_pays_gets_their_weight(toy: Model, alice: Visitor, bob: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    free = entitlements(None)

    def plan_of(account: UUID | None) -> Entitlements:
        return replace(free, priority_weight=4, open_clips=12) if account == bob.workspace_id else free

    monkeypatch.setattr(submit, "entitlements", plan_of)
    for _ in range(3):
        factories.submitted(alice.workspace, seconds=1)
    for _ in range(8):
        factories.submitted(bob.workspace, seconds=1)
    first = Counter(g.workspace_id for g in line_of(count=5))
    assert (first[bob.workspace_id], first[alice.workspace_id]) == (4, 1)


def test_place_counts_who_is_before_and_falls_to_none(toy: Model, alice: Visitor, bob: Visitor) -> None:
    theirs = [factories.submitted(alice.workspace, seconds=1) for _ in range(3)]
    mine = factories.submitted(bob.workspace, seconds=5)
    assert places.place_of(mine, LARGE).number == 3
    dispatch.fill_window()
    for generation in [*theirs, mine]:
        generation.refresh_from_db()
    assert [places.place_of(g, LARGE).number for g in theirs[:2]] == [0, 1]


def test_a_clip_that_was_dispatched_since_it_was_read_is_not_before_itself(toy: Model, alice: Visitor) -> None:
    mine = factories.submitted(alice.workspace)
    assert places.place_of(mine, LARGE).number == 0
    dispatch.fill_window()
    assert mine.state == State.QUEUED
    assert Generation.objects.get().state == State.DISPATCHED
    assert places.place_of(mine, LARGE) == Place(0)


def test_of_equals_whoever_came_first_is_served_first(toy: Model) -> None:
    came = [factories.submitted(factories.visitor(credits=100).workspace, seconds=1) for _ in range(6)]
    assert len({clip.fair_finish for clip in came}) == 1
    assert [places.place_of(clip, LARGE).number for clip in came] == [0, 1, 2, 3, 4, 5]
    dispatch.fill_window()
    line = [attempt_of(job_id)[0] for job_id in dispatch.render_queue().job_ids]
    assert line == [str(clip.id) for clip in came]


def test_a_cancelled_wish_does_not_push_the_next_one_back(toy: Model, alice: Visitor, bob: Visitor) -> None:
    first = factories.submitted(alice.workspace, seconds=5)
    settle.cancel(first)
    second = factories.submitted(alice.workspace, seconds=1)
    assert second.fair_finish == factories.submitted(bob.workspace, seconds=1).fair_finish


COSTS = st.lists(st.integers(1, 50), min_size=1, max_size=40)


@given(mine=COSTS, theirs=COSTS, my_weight=st.integers(1, 8), their_weight=st.integers(1, 8))
def test_while_two_have_work_neither_gets_ahead_by_more_than_one_job(
    mine: list[int], theirs: list[int], my_weight: int, their_weight: int
) -> None:
    """Golestani's bound: |Wi/wi - Wj/wj| <= Li/wi + Lj/wj over any time in which both wait."""
    line = sorted(_tagged(mine, my_weight, "mine") + _tagged(theirs, their_weight, "theirs"))
    bound = max(mine) / my_weight + max(theirs) / their_weight
    served = {"mine": 0.0, "theirs": 0.0}
    left = {"mine": len(mine), "theirs": len(theirs)}
    for _, flow, cost in line:
        served[flow] += cost
        left[flow] -= 1
        if 0 in left.values():
            break
        assert abs(served["mine"] / my_weight - served["theirs"] / their_weight) <= bound + 1e-9


def _tagged(costs: list[int], weight: int, flow: str) -> list[tuple[float, str, int]]:
    last, tagged = 0.0, []
    for cost in costs:
        last = fair_queue.next_finish(now=0.0, last_finish=last, cost=cost, weight=weight)
        tagged.append((last, flow, cost))
    return tagged


@given(costs=COSTS, flood=st.lists(st.integers(1, 50), min_size=100, max_size=100))
def test_one_who_waits_is_passed_by_no_more_of_a_flood_than_its_own_cost(costs: list[int], flood: list[int]) -> None:
    """However long somebody else's line is, and though it keeps growing, a waiting request's turn comes."""
    finish = fair_queue.next_finish(now=0.0, last_finish=0.0, cost=costs[0], weight=1)
    ahead = [cost for tag, _, cost in _tagged(flood, 1, "flood") if tag < finish]
    assert sum(ahead) < costs[0]
