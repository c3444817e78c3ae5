"""How far a request has come."""

from __future__ import annotations

from django.db import models


class State(models.TextChoices):
    """``QUEUED → DISPATCHED → RUNNING →`` one of the four ends. A lost worker leads back to ``QUEUED``."""

    QUEUED = "queued"
    DISPATCHED = "dispatched", "Handed to a GPU"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"


OPEN_STATES = (State.QUEUED, State.DISPATCHED, State.RUNNING)
