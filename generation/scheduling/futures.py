"""Random futures as arrays, one row a future."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from generation.scheduling.service_times import Spread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def draw_seconds(random: np.random.Generator, spreads: Sequence[Spread], groups: Sequence[int], plays: int) -> Floats:
    """Return seconds for each spread in each future. Errors within one group are correlated."""
    medians = np.array([spread.median_seconds for spread in spreads])
    sds, doubts = (np.array([getattr(spread, name) for spread in spreads]) for name in ("sd", "doubt"))
    common = random.standard_normal((plays, max(groups, default=0) + 1))[:, groups] if spreads else np.zeros((plays, 0))
    own = random.standard_normal((plays, len(spreads)))
    seconds: Floats = medians * np.exp(common * doubts + own * sds)
    return seconds
