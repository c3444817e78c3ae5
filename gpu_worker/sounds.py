"""Sound in memory: what a pipeline makes, and what somebody sends for one to follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Audio:
    """``samples`` is ``(channels, n)`` in −1 … 1, one or two channels."""

    samples: Samples
    rate_hertz: int

    @property
    def seconds(self) -> float:
        return float(self.samples.shape[-1] / self.rate_hertz)

    def lasting(self, seconds: float) -> Audio:
        """Cut off, or followed by silence, so that it lasts exactly ``seconds``."""
        wanted = round(seconds * self.rate_hertz)
        missing = max(0, wanted - self.samples.shape[-1])
        return Audio(np.pad(self.samples[:, :wanted], ((0, 0), (0, missing))), self.rate_hertz)


def join(first: Audio | None, first_seconds: float, then: Audio | None, then_seconds: float) -> Audio | None:
    """One sound behind the other, silence where there is none; None where both are silent."""
    rate = then.rate_hertz if then else first.rate_hertz if first else 0
    if not rate:
        return None
    parts = [
        (sound or Audio(np.zeros((1, 0), np.float32), rate)).lasting(seconds).samples
        for sound, seconds in ((first, first_seconds), (then, then_seconds))
    ]
    channels = max(len(part) for part in parts)
    return Audio(np.concatenate([np.broadcast_to(p, (channels, p.shape[1])) for p in parts], axis=1), rate)
