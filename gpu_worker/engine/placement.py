"""How a render is laid out on a device that may be smaller than the model: decided before it begins, by figures.

The encoders leave on their own when the denoisers need the room, since each stage leases only what it uses. What is
decided here is the rest, cheapest first: decode in tiles, then stream the denoisers' blocks from main memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpu_worker.engine.errors import DoesNotFit
from gpu_worker.engine.headroom import Estimate
from gpu_worker.engine.sizes import show_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What is given up to fit, in order of what it costs."""

    is_decoding_tiled: bool = False
    is_streamed: bool = False


_CHEAPEST_FIRST = (
    Placement(),
    Placement(is_decoding_tiled=True),
    Placement(is_streamed=True),
    Placement(is_decoding_tiled=True, is_streamed=True),
)
NAMED = {
    "auto": _CHEAPEST_FIRST,
    "resident": _CHEAPEST_FIRST[:2],
    "tiled": (_CHEAPEST_FIRST[1], _CHEAPEST_FIRST[3]),
    "streamed": _CHEAPEST_FIRST[2:],
}
"""The placements that a catalogue row allows by its ``placement``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Bytes of a render by part and stage."""

    encoders_bytes: int
    denoisers_bytes: int
    streamed_bytes: int
    """What streaming keeps of the denoisers on the device at once."""
    decoders_bytes: int
    encoding: Estimate
    denoising: Estimate
    decoding: Estimate
    tiled_decoding: Estimate
    is_decoded_between: bool = False
    """Whether the denoisers are needed again after decoding, as in clips made of several passes."""

    @property
    def together_bytes(self) -> int:
        """Bytes with which nothing ever has to leave."""
        highest = max(e.size_bytes for e in (self.encoding, self.denoising, self.decoding))
        return self.encoders_bytes + self.denoisers_bytes + self.decoders_bytes + highest

    def peak_bytes(self, placement: Placement, *, is_firm: bool = False) -> int:
        """Most bytes held at once. ``is_firm`` counts head-room only where it was measured."""

        def headroom(estimate: Estimate) -> int:
            return estimate.size_bytes if estimate.is_measured or not is_firm else 0

        denoisers_bytes = self.streamed_bytes if placement.is_streamed else self.denoisers_bytes
        decoding = self.tiled_decoding if placement.is_decoding_tiled else self.decoding
        return max(
            self.encoders_bytes + headroom(self.encoding),
            denoisers_bytes + self.decoders_bytes + headroom(self.denoising),
            denoisers_bytes * self.is_decoded_between + self.decoders_bytes + headroom(decoding),
        )


def place(needs: Needs, *, budget_bytes: int, host_bytes: int, wanted: str = "auto") -> Placement:
    """The cheapest placement that fits.

    Streaming is only possible when main memory can keep the denoisers. A head-room that is only estimated never
    refuses a render: it then gets the most frugal placement, and the measurement decides about the next one.

    Raises:
        DoesNotFit: none fits; the message has the figures. Also for a placement that does not exist.
    """
    if wanted not in NAMED:
        raise DoesNotFit(f"No placement {wanted!r}; there are: {', '.join(NAMED)}")
    possible = [p for p in NAMED[wanted] if not p.is_streamed or needs.denoisers_bytes <= host_bytes]
    for placement in possible:
        if needs.peak_bytes(placement) <= budget_bytes:
            return placement
    for placement in reversed(possible):
        if needs.peak_bytes(placement, is_firm=True) <= budget_bytes:
            return placement
    least_bytes = min((needs.peak_bytes(p, is_firm=True) for p in possible), default=needs.denoisers_bytes)
    streaming = "" if any(p.is_streamed for p in possible) else _why_not_streamed(needs, host_bytes, wanted)
    raise DoesNotFit(
        f"at least {show_bytes(least_bytes)} are needed at once and the budget is {show_bytes(budget_bytes)}{streaming}"
    )


def _why_not_streamed(needs: Needs, host_bytes: int, wanted: str) -> str:
    if wanted != "auto":
        return f"; its placement {wanted!r} does not stream"
    return (
        f"; streaming would need {show_bytes(needs.denoisers_bytes)} of main memory and "
        f"{show_bytes(host_bytes)} may be used (GPU_WORKER_RAM)"
    )
