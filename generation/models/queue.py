"""The queue's single rows: its clock, and its pause while clips cannot be stored."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from generation.tiers import FREE_BEGINS


class FairClock(models.Model):
    """The queue's virtual time: one row, locked by whoever dispatches, so that order is decided in one place."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    virtual_time = models.FloatField(default=0.0)
    """Of clips that are paid for."""
    free_time = models.FloatField(default=FREE_BEGINS, db_default=FREE_BEGINS)
    """Of those that cost nothing."""

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="fair_clock_is_one_row")]

    def __str__(self) -> str:
        return f"virtual time {self.virtual_time:g}"


class StoragePause(models.Model):
    """One row: how many clips in a row could not be stored, and until when none begins because of it."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    failures = models.PositiveIntegerField(default=0)
    until = models.DateTimeField(null=True)
    """None while dispatch goes on; see generation.scheduling.storage_pause."""

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="storage_pause_is_one_row")]

    def __str__(self) -> str:
        return f"{self.failures} clips in a row could not be stored"
