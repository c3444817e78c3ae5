"""Figures of money that are kept day by day: nobody could count them afterwards, or it would take too long."""

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


class PaymentDay(models.Model):
    """What was paid on a day of UTC and what of it has gone back, as it was summed up last: see ``revenue``."""

    day = models.DateField()
    currency = models.CharField(max_length=3)
    paid_minor = models.BigIntegerField()
    refunded_minor = models.BigIntegerField()
    disputed_minor = models.BigIntegerField()
    payments = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["day", "currency"], name="payments_of_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.paid_minor} {self.currency}"


class ChangedDay(models.Model):
    """A day of UTC whose payments are others than those of its sums, told by a trigger in the payment's transaction.

    A row for each change, and none is ever updated: payments wait for no other payment, nor for the summing up.
    """

    day = models.DateField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.day)
