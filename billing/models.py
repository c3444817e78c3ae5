"""The ledger's tables as Django reads them. The database refuses whatever writes them past ``billing.ledger``."""

from __future__ import annotations

from uuid import UUID

from django.db import models


class Account(models.Model):
    """A purse. The id is the workspace's."""

    id = models.UUIDField(primary_key=True)
    available = models.BigIntegerField()
    held = models.BigIntegerField()
    debt = models.BigIntegerField()
    seq = models.BigIntegerField()
    head = models.BinaryField()
    merged_into = models.ForeignKey("self", models.DO_NOTHING, null=True, blank=True, related_name="merged")
    opened_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "ledger_account"
        permissions = [("adjust_credits", "Can grant and adjust credits")]

    def __str__(self) -> str:
        return str(self.id)


class Lot(models.Model):
    """Credits that came together and lapse together, and where each of them is now."""

    account = models.ForeignKey(Account, models.DO_NOTHING, related_name="lots")
    parent = models.ForeignKey("self", models.DO_NOTHING, null=True, blank=True, related_name="children")
    reference = models.TextField(unique=True)
    kind = models.TextField()
    priority = models.SmallIntegerField()
    expires_at = models.DateTimeField(null=True, blank=True)
    granted_at = models.DateTimeField()
    issued = models.BigIntegerField()
    remaining = models.BigIntegerField()
    held = models.BigIntegerField()
    consumed = models.BigIntegerField()
    expired = models.BigIntegerField()
    clawed = models.BigIntegerField()
    adjusted = models.BigIntegerField()
    moved = models.BigIntegerField()
    repaid = models.BigIntegerField()
    has_remaining = models.BooleanField()
    forgiven = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "ledger_lot"

    def __str__(self) -> str:
        return self.reference


class Transaction(models.Model):
    """The ``seq``-th movement of an account. Balances are those after it."""

    account = models.ForeignKey(Account, models.DO_NOTHING, related_name="transactions")
    seq = models.BigIntegerField()
    kind = models.TextField()
    reference = models.TextField()
    request = models.JSONField()
    response = models.JSONField()
    actor = models.TextField()
    reason = models.TextField()
    available = models.BigIntegerField()
    held = models.BigIntegerField()
    debt = models.BigIntegerField()
    previous_hash = models.BinaryField()
    hash = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "ledger_transaction"

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class Entry(models.Model):
    """One leg of a transaction: ``amount`` credits arrive at (or leave) ``code`` within ``lot``."""

    pk = models.CompositePrimaryKey("account_id", "seq", "leg")
    account = models.ForeignKey(Account, models.DO_NOTHING, related_name="entries")
    seq = models.BigIntegerField()
    leg = models.SmallIntegerField()
    lot = models.ForeignKey(Lot, models.DO_NOTHING, null=True, related_name="entries")
    code = models.TextField()
    amount = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "ledger_entry"

    def __str__(self) -> str:
        return f"{self.code} {self.amount:+d}"


class Hold(models.Model):
    """Credits set aside for one request. The id is the request's."""

    class State(models.TextChoices):
        OPEN = "open"
        CAPTURED = "captured"
        RELEASED = "released"

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(Account, models.DO_NOTHING, related_name="holds")
    amount = models.BigIntegerField()
    quote = models.JSONField()
    expires_at = models.DateTimeField()
    held_at = models.DateTimeField()
    held_seq = models.BigIntegerField()
    state = models.TextField(choices=State.choices)
    captured = models.BigIntegerField()
    released = models.BigIntegerField()
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_seq = models.BigIntegerField(null=True, blank=True)

    class Meta:
        managed = False
        db_table = "ledger_hold"

    def __str__(self) -> str:
        return str(self.id)

    @property
    def reference(self) -> UUID:
        """The request that it is for, as ``billing.ledger`` calls it."""
        return self.id
