"""Figures of money that are kept day by day, since nobody could count them afterwards."""

from __future__ import annotations

from django.db import models


class LiabilityDay(models.Model):
    """What was paid for credits that nobody had spent yet, as it was last counted on a day of UTC."""

    day = models.DateField()
    currency = models.CharField(max_length=3)
    unspent_minor = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "currency"], name="liability_of_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.unspent_minor} {self.currency}"


class FeeDay(models.Model):
    """What Stripe kept of the account on a day of UTC, as its statement said last."""

    day = models.DateField()
    currency = models.CharField(max_length=3)
    fee_minor = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["day", "currency"], name="fees_of_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.fee_minor} {self.currency}"
