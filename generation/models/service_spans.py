"""When each model could be used, as stretches of time."""

from __future__ import annotations

from django.db import models


class ServiceSpan(models.Model):
    """A stretch in which a model was up throughout, or down: see ``generation.scheduling.service_record``.

    The newest of a model goes on for as long as the beat says so; where nobody looked, there is a gap.
    """

    model = models.CharField(max_length=60)
    is_up = models.BooleanField()
    began_at = models.DateTimeField()
    until_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["model", "began_at"], name="service_span_once")]
        indexes = [models.Index(fields=["until_at"], name="service_span_until")]

    def __str__(self) -> str:
        return f"{self.model} {'up' if self.is_up else 'down'} {self.began_at:%F %H:%M}–{self.until_at:%F %H:%M}"
