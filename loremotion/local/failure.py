"""The one error that a person at the terminal sees: what is in the way, and what to do about it."""

from __future__ import annotations


class CannotStart(RuntimeError):
    """Something on this machine is in the way. The message is one clear line: the cause, then the next step."""
