"""How a render is laid out on a device that may be smaller than the model: decided before it begins, by figures.

The encoders leave on their own when the denoisers need the room, since each stage leases only what it uses. What is
decided here is the rest, cheapest first: decode in tiles, then swap blocks of the denoisers, no more than have to.
"""

from __future__ import annotations

from gpu_worker.engine.errors import DoesNotFit
from gpu_worker.engine.sizes import show_bytes
from gpu_worker.families.memory import PLACEMENTS, MemoryNeeds, Placement


def place(needs: MemoryNeeds, *, budget_bytes: int, host_bytes: int, wanted: str = "auto") -> Placement:
    """The cheapest placement that fits.

    Block swap is only possible when main memory can keep the denoisers. A head-room that is only estimated never
    refuses a render: it then gets the most frugal placement, and the measurement decides about the next one.

    Raises:
        DoesNotFit: none fits; the message has the figures. Also for a placement that does not exist.
    """
    if wanted not in PLACEMENTS:
        raise DoesNotFit(f"No placement {wanted!r}; there are: {', '.join(PLACEMENTS)}")
    possible = [p for p in PLACEMENTS[wanted] if not p.is_block_swapped or needs.denoisers_bytes <= host_bytes]
    for placement in possible:
        if needs.peak_bytes(placement) <= budget_bytes:
            # A row that wants block swap leaves room to others.
            is_refined = placement.is_block_swapped and wanted != "block_swap"
            return needs.swapping_least(placement, budget_bytes) if is_refined else placement
    for placement in reversed(possible):
        if needs.peak_bytes(placement, is_firm=True) <= budget_bytes:
            return placement
    least_bytes = min((needs.peak_bytes(p, is_firm=True) for p in possible), default=needs.denoisers_bytes)
    swapping = "" if any(p.is_block_swapped for p in possible) else _why_not_swapped(needs, host_bytes, wanted)
    raise DoesNotFit(
        f"at least {show_bytes(least_bytes)} are needed at once and the budget is {show_bytes(budget_bytes)}{swapping}"
    )


def _why_not_swapped(needs: MemoryNeeds, host_bytes: int, wanted: str) -> str:
    if wanted != "auto":
        return f"; its placement {wanted!r} has no block swap"
    return (
        f"; block swap would need {show_bytes(needs.denoisers_bytes)} of main memory and "
        f"{show_bytes(host_bytes)} may be used (GPU_WORKER_RAM)"
    )
