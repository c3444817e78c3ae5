"""The least loading that any policy could do, seeing the whole future: two linear programmes.

Fractions of a component may be kept, which no policy can do, so both are below the true optimum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix


class Programme:
    """Rows ``Σ factor · variable ≤ limit`` as they come, solved for the least cost. Variables lie in [0, 1]."""

    def __init__(self, costs: Sequence[float], zero: Sequence[int] = ()) -> None:
        self._costs = costs
        self._zero = set(zero)
        self._entries: list[tuple[int, int, float]] = []
        self._limits: list[float] = []

    def add(self, terms: Mapping[int, float], limit: float) -> None:
        self._entries.extend((len(self._limits), column, factor) for column, factor in terms.items())
        self._limits.append(limit)

    def least(self) -> float:
        if not self._costs:
            return 0.0
        lines, columns, factors = zip(*self._entries, strict=True) if self._entries else ((), (), ())
        matrix = coo_matrix((factors, (lines, columns)), shape=(len(self._limits), len(self._costs)))
        bounds = [(0, 0 if column in self._zero else 1) for column in range(len(self._costs))]
        solved = linprog(self._costs, A_ub=matrix, b_ub=np.array(self._limits), bounds=bounds, method="highs")
        if not solved.success:
            raise RuntimeError(f"The bound could not be computed: {solved.message}")
        return float(solved.fun)


def least_in_order(
    requests: Sequence[frozenset[str]], sizes: Mapping[str, int], costs: Mapping[str, float], budget_bytes: int
) -> float:
    """A lower bound on the cost of serving ``requests`` in order, each with all its components at once.

    One variable for each stretch between two uses of a component: the part of it that is not kept meanwhile and has to
    be loaded again. At each request, what is kept beside its own components has to fit.
    """
    last_use: dict[str, int] = {}
    stretches: list[tuple[str, int, int]] = []
    for position, request in enumerate(requests):
        for key in request:
            if key in last_use:
                stretches.append((key, last_use[key], position))
            last_use[key] = position
    programme = Programme([costs[key] for key, _, _ in stretches])
    across: list[list[int]] = [[] for _ in requests]
    for column, (_, begin, end) in enumerate(stretches):
        for position in range(begin + 1, end):
            across[position].append(column)
    for request, columns in zip(requests, across, strict=True):
        own_bytes = sum(sizes[key] for key in request)
        kept_bytes = sum(sizes[stretches[column][0]] for column in columns)
        programme.add({c: -float(sizes[stretches[c][0]]) for c in columns}, budget_bytes - own_bytes - kept_bytes)
    return sum(costs[key] for key in last_use) + programme.least()


def least_in_any_order(
    requests: Sequence[frozenset[str]],
    sizes: Mapping[str, int],
    costs: Mapping[str, float],
    budget_bytes: int,
    *,
    window: int,
    max_skips: int,
) -> float:
    """A lower bound over every order in which a pop could serve ``requests``, and every policy of eviction.

    It sees ``window`` of them, so the one in place ``i`` is served at turn ``i - window + 1`` at the earliest, and at
    turn ``i + max_skips`` at the latest. Its components are therefore there at the beginning of these turns or loaded
    during them, and that is all that is asked: neither that they are there together, nor which turn it is.
    """
    keys = sorted(frozenset().union(*requests))
    turns = len(requests)

    def kept(key: int, turn: int) -> int:
        return turn * len(keys) + key

    def loaded(key: int, turn: int) -> int:
        return (turns + turn) * len(keys) + key

    programme = Programme(
        [0.0] * (turns * len(keys)) + [costs[key] for _ in range(turns) for key in keys], zero=range(len(keys))
    )
    for turn in range(turns):
        programme.add({kept(k, turn): float(sizes[key]) for k, key in enumerate(keys)}, budget_bytes)
        for k in range(len(keys) if turn else 0):
            programme.add({kept(k, turn): 1, kept(k, turn - 1): -1, loaded(k, turn - 1): -1}, 0)
    for k, key in enumerate(keys):
        for place in (i for i, request in enumerate(requests) if key in request):
            first, last = max(0, place - window + 1), min(turns - 1, place + max_skips)
            programme.add({kept(k, first): -1, **{loaded(k, t): -1 for t in range(first, last + 1)}}, -1)
    return programme.least()
