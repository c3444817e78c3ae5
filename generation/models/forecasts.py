"""What ranges of waiting times are learned from, and what came of them."""

from __future__ import annotations

from django.db import models


class ServiceRate(models.Model):
    """What was observed of one rate: see generation.scheduling.service_rates, its only writer."""

    key = models.CharField(max_length=240, primary_key=True)
    weight = models.FloatField()
    mean = models.FloatField()
    squares = models.FloatField()

    def __str__(self) -> str:
        return self.key


class ForecastMemory(models.Model):
    """What was learned of one subject (who comes, which machines are lost, what models load): see
    generation.scheduling.forecast_memory, its only writer."""

    subject = models.CharField(max_length=20, primary_key=True)
    learned = models.JSONField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.subject


class ForecastFactor(models.Model):
    """By how much one end of ranges is moved, by horizon and tier: see generation.scheduling.calibration."""

    horizon = models.PositiveSmallIntegerField()
    tier = models.CharField(max_length=20, blank=True, db_column="plan")
    low = models.FloatField(default=1.0)
    high = models.FloatField(default=1.0)
    clips = models.FloatField(default=0.0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["horizon", "tier"], name="forecast_factor_is_one_row")]

    def __str__(self) -> str:
        return f"{self.tier or 'all'}, horizon {self.horizon}"


class ToldRange(models.Model):
    """When an open clip was said to be ready: once for each horizon. Goes when it is known what came of it."""

    clip_id = models.UUIDField()
    horizon = models.PositiveSmallIntegerField()
    tier = models.CharField(max_length=20, db_column="plan")
    model = models.CharField(max_length=60)
    said_at = models.DateTimeField(db_index=True)
    # Seconds from then: as it was played, and the ends as they were said.
    played_low = models.FloatField()
    mid = models.FloatField()
    played_high = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    attempt = models.PositiveSmallIntegerField(db_default=0, default=0)
    """How many the clip had had when it was said: see generation.scheduling.misses.attempts_of."""
    times_aside = models.PositiveSmallIntegerField(db_default=0, default=0)
    """How often it had stepped aside when it was said: what the range knows of makes nothing late."""
    missed_by = models.CharField(max_length=20, blank=True, db_default="", default="")
    """A cause of generation.scheduling.misses, once the clip is late."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["clip_id", "horizon"], name="told_once_for_each_horizon")]

    def __str__(self) -> str:
        return f"{self.clip_id}, horizon {self.horizon}"


class ForecastHour(models.Model):
    """What came of forecasts in one hour, of one model and tier: counts, and a histogram of waits."""

    hour = models.DateTimeField()
    model = models.CharField(max_length=60)
    tier = models.CharField(max_length=20, db_column="plan")
    told = models.PositiveIntegerField(default=0)
    before = models.PositiveIntegerField(default=0)
    inside = models.PositiveIntegerField(default=0)
    waits = models.JSONField(default=dict)
    """Class of generation.scheduling.forecast_record → clips whose wait was in it."""
    misses = models.JSONField(db_default={}, default=dict)
    """Cause of generation.scheduling.misses → clips that came later than they were told."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hour", "model", "tier"], name="forecast_hour_is_one_row")]

    def __str__(self) -> str:
        return f"{self.model}, {self.hour:%Y-%m-%d %H:00}"
