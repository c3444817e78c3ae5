"""The least loading that any policy could do, seeing the whole future: a linear programme.

Fractions of a component may be evicted, which no policy can do, so the bound is below the true optimum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix


def least_load_cost(
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
    rows, columns, values = [], [], []
    limits = np.array([budget_bytes - sum(sizes[key] for key in request) for request in requests], dtype=float)
    for column, (key, begin, end) in enumerate(stretches):
        for position in range(begin + 1, end):
            rows.append(position)
            columns.append(column)
            values.append(-float(sizes[key]))
            limits[position] -= sizes[key]
    first_loads = sum(costs[key] for key in last_use)
    if not stretches:
        return first_loads
    matrix = coo_matrix((values, (rows, columns)), shape=(len(requests), len(stretches)))
    solved = linprog([costs[key] for key, _, _ in stretches], A_ub=matrix, b_ub=limits, bounds=(0, 1), method="highs")
    if not solved.success:
        raise RuntimeError(f"The bound could not be computed: {solved.message}")
    return float(first_loads + solved.fun)
