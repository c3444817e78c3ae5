"""A clip that was on a card and let a short one go first, as the queue sees it."""

from __future__ import annotations

from generation.models import Generation, State


def is_aside(generation: Generation) -> bool:
    """Whether it waits to go on from where it was."""
    return bool(generation.kept_by) and generation.state in (State.QUEUED, State.DISPATCHED)


def sentence(step: int) -> str:
    """Return why it waits, for whoever asked for it."""
    return f"Short clips go first for a moment. Then yours goes on from step {step}."
