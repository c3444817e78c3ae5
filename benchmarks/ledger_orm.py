"""The hold-and-settle cycle as one writes it with the ORM: the same rows, locks and idempotency, and no hash chain.

What it is compared with does more: it also chains hashes, projects balances from entries and refuses other writers.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import F
from django.utils import timezone


class Account(models.Model):
    id = models.UUIDField(primary_key=True)
    available = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(default=0)
    objects: ClassVar[models.Manager[Account]] = models.Manager()

    class Meta:
        app_label = "benchmarks"

    def __str__(self) -> str:
        return str(self.pk)


class Lot(models.Model):
    account = models.ForeignKey(Account, models.PROTECT)
    priority = models.SmallIntegerField(default=50)
    expires_at = models.DateTimeField(null=True)
    remaining = models.BigIntegerField()
    held = models.BigIntegerField(default=0)
    consumed = models.BigIntegerField(default=0)
    objects: ClassVar[models.Manager[Lot]] = models.Manager()

    class Meta:
        app_label = "benchmarks"
        indexes = [models.Index(fields=["account", "priority", "expires_at"])]

    def __str__(self) -> str:
        return str(self.pk)


class Hold(models.Model):
    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(Account, models.PROTECT)
    amount = models.BigIntegerField()
    quote = models.JSONField()
    state = models.CharField(max_length=8, default="open")
    captured = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField()
    objects: ClassVar[models.Manager[Hold]] = models.Manager()

    class Meta:
        app_label = "benchmarks"

    def __str__(self) -> str:
        return str(self.pk)


class Allocation(models.Model):
    hold = models.ForeignKey(Hold, models.PROTECT)
    lot = models.ForeignKey(Lot, models.PROTECT)
    amount = models.BigIntegerField()
    objects: ClassVar[models.Manager[Allocation]] = models.Manager()

    class Meta:
        app_label = "benchmarks"

    def __str__(self) -> str:
        return str(self.pk)


class Movement(models.Model):
    account = models.ForeignKey(Account, models.PROTECT)
    seq = models.BigIntegerField()
    reference = models.CharField(max_length=80, unique=True)
    response = models.JSONField()
    created_at = models.DateTimeField()
    objects: ClassVar[models.Manager[Movement]] = models.Manager()

    class Meta:
        app_label = "benchmarks"
        constraints = [models.UniqueConstraint(fields=["account", "seq"], name="benchmarks_movement_seq")]

    def __str__(self) -> str:
        return self.reference


class Entry(models.Model):
    movement = models.ForeignKey(Movement, models.PROTECT)
    lot = models.ForeignKey(Lot, models.PROTECT)
    code = models.CharField(max_length=10)
    amount = models.BigIntegerField()
    objects: ClassVar[models.Manager[Entry]] = models.Manager()

    class Meta:
        app_label = "benchmarks"

    def __str__(self) -> str:
        return str(self.pk)


TABLES = (Account, Lot, Hold, Allocation, Movement, Entry)


def create_tables() -> None:
    with connection.schema_editor() as editor:
        for table in TABLES:
            editor.create_model(table)


def fill(accounts: list[UUID], lots: list[int]) -> None:
    Account.objects.bulk_create(Account(id=account, available=sum(lots)) for account in accounts)
    Lot.objects.bulk_create(Lot(account_id=account, remaining=amount) for account in accounts for amount in lots)


def hold(account_id: UUID, reference: UUID, amount: int, quote: dict[str, int]) -> None:
    now = timezone.now()
    with transaction.atomic():
        account = Account.objects.select_for_update().get(id=account_id)
        if Movement.objects.filter(reference=f"hold:{reference}").exists():
            return
        hold = Hold.objects.create(
            id=reference, account=account, amount=amount, quote=quote, expires_at=now + timedelta(days=1)
        )
        movement = _move(account, f"hold:{reference}", {"held": amount})
        missing = amount
        live = Lot.objects.filter(account=account, remaining__gt=0).exclude(expires_at__lte=now)
        entries, allocations = [], []
        for lot in live.order_by("priority", F("expires_at").asc(nulls_last=True), "id"):
            drawn = min(lot.remaining, missing)
            lot.remaining -= drawn
            lot.held += drawn
            lot.save(update_fields=["remaining", "held"])
            allocations.append(Allocation(hold=hold, lot=lot, amount=drawn))
            entries += [
                Entry(movement=movement, lot=lot, code="available", amount=-drawn),
                Entry(movement=movement, lot=lot, code="held", amount=drawn),
            ]
            missing -= drawn
            if not missing:
                break
        assert not missing
        Allocation.objects.bulk_create(allocations)
        Entry.objects.bulk_create(entries)
        account.available -= amount
        account.held += amount
        account.save(update_fields=["available", "held", "seq"])


def capture(reference: UUID) -> None:
    with transaction.atomic():
        account_id = Hold.objects.values_list("account", flat=True).get(id=reference)
        account = Account.objects.select_for_update().get(id=account_id)
        hold = Hold.objects.get(id=reference)
        if hold.state != "open":
            return
        movement = _move(account, f"settle:{reference}", {"captured": hold.amount})
        entries = []
        for allocation in Allocation.objects.filter(hold=hold).select_related("lot").order_by("id"):
            lot = allocation.lot
            lot.held -= allocation.amount
            lot.consumed += allocation.amount
            lot.save(update_fields=["held", "consumed"])
            entries += [
                Entry(movement=movement, lot=lot, code="held", amount=-allocation.amount),
                Entry(movement=movement, lot=lot, code="consumed", amount=allocation.amount),
            ]
        Entry.objects.bulk_create(entries)
        hold.state, hold.captured = "captured", hold.amount
        hold.save(update_fields=["state", "captured"])
        account.held -= hold.amount
        account.save(update_fields=["held", "seq"])


def _move(account: Account, reference: str, response: dict[str, int]) -> Movement:
    account.seq += 1
    return Movement.objects.create(
        account=account, seq=account.seq, reference=reference, response=response, created_at=timezone.now()
    )
