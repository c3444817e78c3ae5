"""The order that the residency benchmark compares with: within the pop's bounds, and never below the true bound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.residency_bound import least_in_any_order, least_in_order
from benchmarks.residency_search import Search

STAGES = {
    "a": [frozenset({"text"}), frozenset({"a"})],
    "b": [frozenset({"text"}), frozenset({"b"})],
    "c": [frozenset({"other"}), frozenset({"c"})],
}
SIZES = {"text": 4, "other": 5, "a": 6, "b": 3, "c": 7}
COSTS = {key: float(size) for key, size in SIZES.items()}
BUDGET_BYTES = 13


def least_seconds(models: list[str], *, line: int, max_skips: int) -> float:
    search = Search(
        models,
        [0.0] * len(models),
        STAGES,
        sizes=SIZES,
        service_seconds=dict.fromkeys(STAGES, 1.0),
        bytes_per_second=1.0,
        budget_bytes=BUDGET_BYTES,
        line=line,
        max_skips=max_skips,
    )
    return search.least_seconds()


@settings(deadline=None)
@given(
    models=st.lists(st.sampled_from(sorted(STAGES)), min_size=1, max_size=9),
    line=st.integers(1, 5),
    max_skips=st.integers(0, 4),
)
def test_no_order_is_found_that_loads_less_than_the_bounds(models: list[str], line: int, max_skips: int) -> None:
    found = least_seconds(models, line=line, max_skips=max_skips)
    whole = [frozenset().union(*STAGES[model]) for model in models]
    staged = [stage for model in models for stage in STAGES[model]]
    assert found >= least_in_any_order(whole, SIZES, COSTS, BUDGET_BYTES, window=line, max_skips=max_skips) - 1e-6
    if line == 1 or max_skips == 0:
        assert found >= least_in_order(staged, SIZES, COSTS, BUDGET_BYTES) - 1e-6


def test_the_bounds_decide_how_much_can_be_saved() -> None:
    models = ["a", "c"] * 4
    once = sum(SIZES[key] for key in ("text", "a", "other", "c"))
    assert least_seconds(models, line=8, max_skips=8) == once
    assert least_seconds(models, line=8, max_skips=0) == least_seconds(models, line=1, max_skips=8) > 2 * once
