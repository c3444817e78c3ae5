"""What GPU workers were at, minute by minute."""

from __future__ import annotations

from django.db import models


class FleetSample(models.Model):
    """What one GPU worker was at in one minute, written by the beat: see ``generation.scheduling.fleet_samples``."""

    at = models.DateTimeField()
    worker = models.CharField(max_length=120)
    activity = models.CharField(max_length=10)
    """``idle``, ``loading``, ``rendering``, ``draining``."""
    used_bytes = models.BigIntegerField()
    budget_bytes = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        permissions = [
            ("view_fleet", "Can see GPU workers and the queue"),
            ("operate_fleet", "Can drain, resume, load, evict and stop GPU workers"),
            ("view_system", "Can see processes, queues and what could not be sent"),
        ]
        constraints = [models.UniqueConstraint(fields=["at", "worker"], name="fleet_sample_once")]

    def __str__(self) -> str:
        return f"{self.worker} {self.activity} at {self.at:%F %H:%M}"
