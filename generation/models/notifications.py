"""Who is told by mail that a clip has ended."""

from __future__ import annotations

from django.db import models

from accounts.models import User
from generation.models.generation import Generation


class NotificationRequest(models.Model):
    """A member's wish for mail when this clip has ended: see ``generation.settlement.notifications``."""

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "outbox_wish"
        constraints = [models.UniqueConstraint(fields=["generation", "user"], name="wish_once")]

    def __str__(self) -> str:
        return f"{self.user_id} about {self.generation_id}"
