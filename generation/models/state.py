"""How far a request has come."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy


class State(models.TextChoices):
    """``QUEUED → DISPATCHED → RUNNING →`` one of the four ends. A lost worker leads back to ``QUEUED``."""

    QUEUED = "queued", gettext_lazy("Queued")
    DISPATCHED = "dispatched", gettext_lazy("Handed to a GPU")
    RUNNING = "running", gettext_lazy("Running")
    SUCCEEDED = "succeeded", gettext_lazy("Succeeded")
    FAILED = "failed", gettext_lazy("Failed")
    CANCELLED = "cancelled", gettext_lazy("Cancelled")
    BLOCKED = "blocked", gettext_lazy("Blocked")


OPEN_STATES = (State.QUEUED, State.DISPATCHED, State.RUNNING)
