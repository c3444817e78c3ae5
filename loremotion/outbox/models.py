"""What a worker has to do at least once, and the mail to be sent."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from loremotion import log_ids


class State(models.TextChoices):
    WAITING = "waiting", gettext_lazy("Waiting")
    SENT = "sent", gettext_lazy("Sent")
    DEAD = "dead", gettext_lazy("Failed")


class Retried(models.Model):
    """A row that workers try until it succeeds or is dead: see ``loremotion.outbox.sending``.

    Written in the transaction that made it necessary. A subclass has a column ``last_error``, and says which queue its
    jobs go into and which function they name.
    """

    queue: ClassVar[str]
    job: ClassVar[str]
    """Dotted name of the function that works on one row, in the table of ``queue``."""
    job_argument: ClassVar[str] = "id"
    """The unique field by which a job names its row."""
    job_seconds: ClassVar[int] = 60
    """How long a job may take; less than the lease of its claim."""
    waiting: ClassVar[str] = State.WAITING
    dead: ClassVar[str] = State.DEAD
    failure_level: ClassVar[int] = logging.CRITICAL
    """How the log is told that it failed to the end."""
    first_pause: ClassVar[timedelta] = timedelta(seconds=10)
    at_end: ClassVar[dict[str, Any]] = {}
    """Columns that change when nothing is tried any more, however it ended."""

    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True, default=log_ids.current_request, db_default="")
    """Of the HTTP request that led to it, for the log: see ``gpu_worker.log_context``."""

    last_error: models.Field[str, str]

    class Meta:
        abstract = True

    def is_spent(self, *, attempts: int, at: datetime) -> bool:
        """Whether after so many attempts none is made ``at`` this time."""
        raise NotImplementedError

    @property
    def log_ids(self) -> dict[str, str]:
        """On whose behalf a line is logged while this row is worked on: the request, and what says which row it is."""
        raise NotImplementedError


class Outgoing(Retried):
    """One thing to send to one place. Not sent by ``expires_at``, it is dead."""

    id = models.BigAutoField(primary_key=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        abstract = True

    def is_spent(self, *, attempts: int, at: datetime) -> bool:
        return at >= self.expires_at


def indexes(name: str) -> list[models.Index]:
    """The indexes of a subclass of ``Outgoing``: partial, so that neither sending nor forgetting grows with history."""
    return [
        models.Index(fields=["due_at"], name=f"{name}_due", condition=Q(state="waiting")),
        models.Index(fields=["ended_at"], name=f"{name}_ended", condition=Q(ended_at__isnull=False)),
    ]


class MailMessage(Outgoing):
    """One mail to one person. Its words are found when it is sent: see ``loremotion.outbox.mail``."""

    queue = "mail"
    job = "loremotion.outbox.jobs.send_mail"
    at_end: ClassVar[dict[str, Any]] = {"sealed": ""}

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    """Whose it is; nobody's where it is about signing in."""
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    address = models.EmailField(blank=True)
    """Where to, if it is to nobody in particular."""
    language = models.CharField(max_length=10, blank=True, default="", db_default="")
    """What it is written in, if it is to nobody in particular: whoever signs in says it themselves."""
    content = models.CharField(max_length=100, db_column="kind")
    """Dotted name of the function that puts it into words, one of those in ``settings.MAIL_CONTENTS``."""
    about = models.UUIDField()
    """Id of the object that it is about."""
    occasion = models.CharField(max_length=60)
    """What makes it this mail and no other: written twice, it is one."""
    sealed = models.TextField(blank=True, default="", db_default="")
    """Words that cannot be found when it is sent, encrypted, as they may hold a code. Empty once it was."""

    class Meta:
        db_table = "outbox_letter"
        permissions = [("retry_mailmessage", "Can have mail sent that could not be")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "address", "content", "occasion"], name="letter_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(user__isnull=False) ^ ~Q(address=""), name="letter_to_somebody"),
        ]
        indexes = [
            *indexes("letter"),
            # For staff: what one thing caused, the newest, and what was given up.
            models.Index(fields=["about"], name="letter_about"),
            models.Index(fields=["-created_at", "-id"], name="letter_newest"),
            models.Index(fields=["-created_at", "-id"], name="letter_dead_newest", condition=Q(state="dead")),
        ]

    def __str__(self) -> str:
        return f"{self.content} {self.occasion}"

    @property
    def log_ids(self) -> dict[str, str]:
        return {"request_id": self.request_id, "mail_id": str(self.pk), "about_id": str(self.about)}

    @property
    def tenant_id(self) -> UUID:
        """The workspace that it is about, for whoever writes none without one."""
        assert self.workspace_id is not None
        return self.workspace_id

    @property
    def recipient(self) -> str:
        """The address that it goes to."""
        return self.user.email if self.user is not None else self.address

    @property
    def readers_language(self) -> str:
        """What they read in; empty where nobody knows."""
        return self.user.language if self.user is not None else self.language
