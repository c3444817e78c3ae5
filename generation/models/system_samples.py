"""How the site's processes and queues stood, minute by minute."""

from __future__ import annotations

from django.db import models


class SystemSample(models.Model):
    """How they stood in one minute, written by the beat: see ``generation.settlement.system_samples``."""

    at = models.DateTimeField(unique=True)
    waiting = models.JSONField()
    """Queue → jobs that waited in it."""
    silence = models.JSONField()
    """Process → seconds since one of its kind had last worked, of those that worked within a week."""
    overdue = models.JSONField()
    """Queue of what is sent → for how many seconds the first of it should have been sent."""

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"the system at {self.at:%F %H:%M}"
