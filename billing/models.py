"""The ledger's tables as Django reads them. The database refuses whatever writes them past ``billing.ledger``.

The tables of Django's own are what staff proposes to do to them, and what was free today.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Account(models.Model):
    """Whose credits are counted together. The id is the workspace's."""

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


LOT_TITLES: Final = {
    "free": "Free credits",
    "plan": "Credits of a plan",
    "pack": "Credits of a pack",
    "goodwill": "Goodwill",
    "adjustment": "Given by staff",
}

OTHER_CHANGES: Final = {
    "expired": "expired",
    "clawed": "taken back with a refund",
    "adjusted": "taken by staff",
    "moved": "moved on",
    "repaid": "into debt",
    "forgiven": "written off",
}
"""Column of a lot → what became of the credits that it counts, where they are neither left, held nor spent."""


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

    @property
    def other_changes(self) -> str:
        """What became of its credits beyond those that are left, held or spent, in words; empty where nothing did."""
        return ", ".join(
            f"{count:,} {words}" for name, words in OTHER_CHANGES.items() if (count := getattr(self, name))
        )

    @property
    def title(self) -> str:
        """What kind of credits they are, for people."""
        return LOT_TITLES.get(self.kind, self.kind)


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


class ProposalQuerySet(models.QuerySet["Proposal"]):
    def waiting(self) -> ProposalQuerySet:
        """Those that somebody can still decide, the oldest first."""
        return self.filter(state=Proposal.State.WAITING, expires_at__gt=timezone.now()).order_by("proposed_at")


class Proposal(models.Model):
    """What a member of staff wants done to an account's credits, and who agreed. The id is the form's.

    Small things are done at once and have nobody in ``decided_by``. Names stand beside the ids of users, because what
    was done outlives whoever did it.
    """

    class Kind(models.TextChoices):
        ADJUST = "adjust", "give or take"
        WRITE_OFF = "writeoff", "write off"

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    account = models.UUIDField(db_index=True)
    grant = models.CharField(max_length=250, blank=True, help_text="What a debt to be written off is owed for.")
    amount = models.BigIntegerField(help_text="Credits to give or to write off; negative to take.")
    reason = models.CharField(max_length=500)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    proposed_by = models.BigIntegerField()
    proposed_by_name = models.CharField(max_length=254)
    proposed_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(help_text="Until then somebody else can agree.")
    decided_by = models.BigIntegerField(null=True, blank=True)
    decided_by_name = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decision = models.CharField(max_length=500, blank=True, help_text="Why it was agreed to or refused.")

    objects = ProposalQuerySet.as_manager()

    class Meta:
        permissions = [("decide_proposal", "Can approve and refuse what others propose to do to credits")]
        indexes = [
            models.Index(fields=["proposed_by", "proposed_at"], name="proposal_of_staff"),
            models.Index(fields=["-proposed_at", "-id"], name="proposal_newest"),
            models.Index(fields=["proposed_at"], name="proposal_waiting", condition=Q(state="waiting")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("proposed_by")), name="proposal_decided_by_another"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_by=None, decided_at=None)
                | Q(state="done", decided_at__isnull=False)
                | Q(state="refused", decided_by__isnull=False, decided_at__isnull=False),
                name="proposal_state_is_signed",
            ),
        ]

    def __str__(self) -> str:
        """ "500 credits given", and until it is done "500 credits to be given"."""
        to_be = "" if self.state == self.State.DONE else "to be "
        if self.kind == self.Kind.WRITE_OFF:
            return f"{self._credits} {to_be}written off"
        return f"{self._credits} {to_be}{'given' if self.amount > 0 else 'taken'}"

    @property
    def _credits(self) -> str:
        owed = "owed " if self.kind == self.Kind.WRITE_OFF else ""
        return f"{abs(self.amount):,} {owed}credit{'' if abs(self.amount) == 1 else 's'}"

    @property
    def in_the_past(self) -> str:
        """What whoever proposed it did, as a sentence goes on after their name."""
        what = self._credits
        verb = "write off" if self.kind == self.Kind.WRITE_OFF else "give" if self.amount > 0 else "take"
        if self.state == self.State.DONE:
            return f"{ {'write off': 'Wrote off', 'give': 'Gave', 'take': 'Took'}[verb] } {what}"
        return f"Proposed to {verb} {what}"

    @property
    def is_waiting(self) -> bool:
        """Whether somebody can still decide it."""
        return self.state == self.State.WAITING and self.expires_at > timezone.now()

    @property
    def signature(self) -> str:
        """Who answers for it in the ledger: both, where there were two."""
        agreed = f", approved by {self.decided_by_name}" if self.decided_by_name else ""
        return f"{self.proposed_by_name}{agreed}"


class NetworkDay(models.Model):
    """How many visitors of one network had their free credits on one day. The network is a hash that changes daily."""

    day = models.DateField()
    network = models.CharField(max_length=32)
    allowances = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "network"], name="network_day_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.network}"


class FreeDay(models.Model):
    """GPU seconds that went into free clips on one day."""

    day = models.DateField(primary_key=True)
    gpu_seconds = models.FloatField()

    def __str__(self) -> str:
        return f"{self.day}: {self.gpu_seconds:.0f} s"


class FreeReservation(models.Model):
    """GPU seconds set aside, of one day's, for a free clip that has not ended."""

    hold_id = models.UUIDField(primary_key=True)
    day = models.DateField()
    gpu_seconds = models.FloatField()

    def __str__(self) -> str:
        return f"{self.hold_id}: {self.gpu_seconds:.0f} s"
