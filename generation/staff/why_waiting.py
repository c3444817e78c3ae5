"""Why a clip is not made yet, as staff reads it on the fleet's page and on the clip's own."""

from __future__ import annotations

from generation.models import Generation, State
from generation.scheduling import capacity, wait


def why(clip: Generation, found: wait.Wait) -> str:
    """Return the reason as a sentence; ``found`` is the wait of this open clip."""
    if clip.awaits_another:
        return found.reason
    if capacity.is_remote(clip.needs_bytes) and found.is_for_a_machine:
        return "A provider makes it: no remote worker that is on takes it."
    needs = f"Needs {clip.needs_bytes / wait.GB:.0f} GB of one GPU" if clip.needs_bytes else ""
    if found.is_for_a_machine:
        return needs + ": no GPU that is on takes it." if needs else found.reason
    if clip.state == State.DISPATCHED and capacity.is_remote(clip.needs_bytes):
        return "Next with a remote worker."
    if clip.state == State.DISPATCHED:
        return "Next on a GPU that has room for it."
    return "First in the queue." if found.place == 0 else f"{found.place} before it."
