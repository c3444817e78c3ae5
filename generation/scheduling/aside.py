"""A clip that was on a card and let a short one go first, as the queue sees it."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext, gettext_noop

from generation.models import Generation, State

SENTENCE: Final = gettext_noop("Short clips go first for a moment. Then yours goes on from step %(step)s.")


def is_aside(generation: Generation) -> bool:
    """Whether it waits to go on from where it was."""
    return bool(generation.kept_by) and generation.state in (State.QUEUED, State.DISPATCHED)


def sentence(step: int) -> str:
    """Return why it waits, for whoever asked for it."""
    return gettext(SENTENCE) % {"step": step}
