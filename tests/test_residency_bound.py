"""The least loading that the residency benchmark compares with: nobody can do better, by trying everything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.residency_bound import least_in_any_order, least_in_order
from tests.properties import examples

Requests = list[frozenset[str]]
Trace = tuple[Requests, dict[str, int], dict[str, float], int]
KEYS = "abcde"


def least_by_trying(requests: Requests, sizes: dict[str, int], costs: dict[str, float], budget_bytes: int) -> float:
    """The least cost of serving ``requests`` in order, found by keeping every set that fits after each of them."""
    reached: dict[frozenset[str], float] = {frozenset(): 0.0}
    for request in requests:
        after: dict[frozenset[str], float] = {}
        for held, spent in reached.items():
            cost = spent + sum(costs[key] for key in request - held)
            others = sorted(held - request)
            for count in range(len(others) + 1):
                for kept in combinations(others, count):
                    here = request | frozenset(kept)
                    if sum(sizes[key] for key in here) <= budget_bytes:
                        after[here] = min(cost, after.get(here, cost))
        reached = after
    return min(reached.values())


@st.composite
def traces(draw: st.DrawFn, most: int = 7) -> Trace:
    """At most so many requests, sizes and costs of all components, and a budget that holds the largest request."""
    wanted = st.sets(st.sampled_from(KEYS), min_size=1, max_size=2).map(frozenset)
    requests = draw(st.lists(wanted, min_size=1, max_size=most))
    sizes = {key: draw(st.integers(1, 9)) for key in KEYS}
    costs = {key: float(draw(st.integers(1, 9))) for key in KEYS}
    largest = max(sum(sizes[key] for key in request) for request in requests)
    return requests, sizes, costs, largest + draw(st.integers(0, 12))


@settings(deadline=None)
@given(traces())
def test_no_eviction_loads_less_in_order_than_the_bound(trace: Trace) -> None:
    assert least_in_order(*trace) <= least_by_trying(*trace) + 1e-6


@settings(deadline=None)
@given(st.lists(st.sampled_from(KEYS).map(lambda key: frozenset({key})), min_size=1, max_size=9), st.integers(1, 5))
def test_the_bound_in_order_is_reached_where_all_are_of_one_size(requests: Requests, slots: int) -> None:
    sizes, costs = dict.fromkeys(KEYS, 1), dict.fromkeys(KEYS, 1.0)
    bound = least_in_order(requests, sizes, costs, slots)
    assert bound == pytest.approx(least_by_trying(requests, sizes, costs, slots))


def orders(line: tuple[tuple[int, int], ...], *, window: int, max_skips: int) -> Iterator[list[int]]:
    """Every order in which a pop may serve ``line``: places in the trace, each with how often it was overtaken."""
    if not line:
        yield []
    for turn, (place, skips) in enumerate(line[:window]):
        overtaken = tuple((other, count + 1) for other, count in line[:turn])
        for after in orders(overtaken + line[turn + 1 :], window=window, max_skips=max_skips):
            yield [place, *after]
        if skips >= max_skips:
            return


@settings(max_examples=examples(40))
@given(traces(most=5), st.integers(1, 4), st.integers(0, 3))
def test_no_order_that_the_pop_may_choose_loads_less_than_the_bound_in_any_order(
    trace: Trace, window: int, max_skips: int
) -> None:
    requests, sizes, costs, budget_bytes = trace
    line = tuple((place, 0) for place in range(len(requests)))
    found = min(
        least_by_trying([requests[place] for place in order], sizes, costs, budget_bytes)
        for order in orders(line, window=window, max_skips=max_skips)
    )
    bound = least_in_any_order(requests, sizes, costs, budget_bytes, window=window, max_skips=max_skips)
    assert bound <= found + 1e-6
