"""Why a clip is not made yet, as staff reads it on the fleet's page and on the clip's own."""

from __future__ import annotations

from collections.abc import Sequence

from generation.models import Generation, State
from generation.scheduling import aside, capacity, offline, storage_pause, wait
from generation.tiers import yields


def why(clip: Generation, found: wait.Wait, budgets: Sequence[int]) -> str:
    """Return the reason as a sentence, or two.

    Args:
        found: the wait of this clip, which no worker has begun.
        budgets: bytes that each worker which takes clips may use, as of ``capacity.budgets_of``.
    """
    if clip.awaits_another:
        return str(found.reason)
    if found.reason == storage_pause.REASON:
        return "Clips cannot be stored right now, so none begins."
    able = capacity.able(budgets, needs_bytes=clip.needs_bytes)
    return _no_machine(clip, able) or f"{_place(clip, found)}{_few_fit(clip, able)}"


def _no_machine(clip: Generation, able: Sequence[int]) -> str:
    """Why no machine that is on makes it; empty where one can."""
    if able and max(able) >= (clip.needs_bytes or 0):
        return ""
    if capacity.is_remote(clip.needs_bytes):
        return "A provider makes it: no remote worker that is on takes it."
    if not able:
        return "No GPU takes clips right now."
    return f"Needs {_gb(clip)} of one GPU, and the largest that takes clips has {max(able) / offline.GB:.0f} GB."


def _place(clip: Generation, found: wait.Wait) -> str:
    """Where it stands, as the scheduler counts."""
    if aside.is_aside(clip):
        return f"Stepped aside at step {clip.resumed_from_step}, so that short clips go first."
    yielding = " Paid clips go first." if yields(clip.fair_finish) and found.place else ""
    if clip.state != State.DISPATCHED:
        return f"{found.clips_ahead.capitalize()} ahead of it.{yielding}" if found.place else "First in the queue."
    whose = "remote workers" if capacity.is_remote(clip.needs_bytes) else "GPUs"
    if not found.place:
        return f"Handed to the {whose}, and next: the first that is free takes it."
    return f"Handed to the {whose}, {found.clips_ahead} ahead of it.{yielding}"


def _few_fit(clip: Generation, able: Sequence[int]) -> str:
    """How many of the GPUs have the memory, where not all do."""
    fitting = sum(budget >= (clip.needs_bytes or 0) for budget in able)
    if fitting == len(able):
        return ""
    return f" Of {len(able)} GPUs {fitting} {'has' if fitting == 1 else 'have'} the {_gb(clip)} that it needs."


def _gb(clip: Generation) -> str:
    return f"{(clip.needs_bytes or 0) / offline.GB:.0f} GB"
