"""What people report, and what became of it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from generation.models import Generation

DECIDED_WITHIN: Final = timedelta(hours=48)
"""As long as the Take It Down Act gives, for every category alike."""


class Category(models.TextChoices):
    """What is reported, the gravest first."""

    MINORS = "minors", gettext_lazy("Sexual abuse or exploitation of children")
    INTIMATE = "intimate", gettext_lazy("Intimate image shared without consent, real or generated")
    PERSON = "person", gettext_lazy("Impersonation, or a real person shown without consent")
    HATE = "hate", gettext_lazy("Hate speech or threats")
    VIOLENCE = "violence", gettext_lazy("Graphic violence")
    COPYRIGHT = "copyright", gettext_lazy("Copyright or trademark infringement")
    DECEPTION = "deception", gettext_lazy("Scam, fraud or deception")
    OTHER = "other", gettext_lazy("Other illegal content")


class NoticeQuerySet(models.QuerySet["Notice"]):
    def of(self, workspace: Workspace | None) -> NoticeQuerySet:
        """Those about the tenant's own clips."""
        return self.filter(workspace=workspace) if workspace is not None else self.none()

    def seen_by(self, caller: Caller) -> NoticeQuerySet:
        """Those about clips that the caller sees; about deleted ones whoever sees all of them."""
        own = self.of(caller.workspace)
        if caller.may(Action.READ_PRIVATE_CLIPS):
            return own
        return own.filter(clip_id__in=Generation.objects.seen_by(caller).values("id"))

    def waiting(self) -> NoticeQuerySet:
        """Those that staff has to decide."""
        return self.filter(state__in=Notice.WAITING)

    def by_urgency(self) -> NoticeQuerySet:
        """Those whose clock began first come first."""
        return self.order_by(Coalesce("objected_at", "created_at"), "id")


class Notice(models.Model):
    """One report of one address. It names the clip without a key: what was decided outlives the clip, as well as its
    workspace and who decided. The database itself lets go of those, whichever release erases them."""

    class State(models.TextChoices):
        OPEN = "open", gettext_lazy("Waiting")
        REMOVED = "removed", gettext_lazy("Taken down")
        KEPT = "kept", gettext_lazy("Left as it is")
        OBJECTED = "objected", gettext_lazy("Objected to, waiting")
        UPHELD = "upheld", gettext_lazy("Stays taken down")
        RESTORED = "restored", gettext_lazy("Restored")

    WAITING: Final = (State.OPEN, State.OBJECTED)
    """For staff to decide."""
    DOWN: Final = (State.REMOVED, State.OBJECTED, State.UPHELD)
    """In which its clip is taken down."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_constraint=False
    )
    """Whose clip it is; None where the address leads to none, and once the workspace is erased."""
    clip_id = models.UUIDField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
    """Of the clip as it was reported, so that deleting it undoes nothing; so is ``perceptual_hash``."""
    perceptual_hash = models.CharField(max_length=64, blank=True, default="", db_default="")
    address = models.CharField(max_length=300)
    category = models.CharField(max_length=10, choices=Category)
    statement = models.TextField("what is wrong with it")
    contact = models.EmailField("who reports it", blank=True)
    """Forgotten some time after the decision."""
    is_found = models.BooleanField("found by its likeness", default=False, db_default=False)
    """Nobody reported it: see ``generation.notices.likeness``."""
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    created_at = models.DateTimeField(default=timezone.now)
    decision = models.TextField("reasons", blank=True, help_text="As both sides read them.")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
    )
    objection = models.TextField(blank=True)
    objected_at = models.DateTimeField(null=True, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = "report"
        indexes = [
            models.Index(fields=["created_at"], name="notice_waiting", condition=Q(state__in=["open", "objected"])),
            models.Index(fields=["workspace", "-created_at"], name="notice_of_workspace"),
            models.Index(fields=["-created_at"], name="notice_by_time"),
            models.Index(Coalesce("objected_at", "created_at"), "id", name="notice_by_urgency"),
            models.Index(
                Coalesce("objected_at", "created_at"),
                "id",
                name="notice_waiting_by_urgency",
                condition=Q(state__in=["open", "objected"]),
            ),
            models.Index(fields=["contact", "created_at"], name="notice_by_contact", condition=~Q(contact="")),
            models.Index(fields=["decided_at"], name="notice_decided", condition=Q(decided_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.get_category_display()}, {self.get_state_display().lower()}"

    @property
    def is_waiting(self) -> bool:
        return self.state in self.WAITING

    @property
    def due_at(self) -> datetime:
        """When it is to be decided at the latest."""
        return (self.objected_at or self.created_at) + DECIDED_WITHIN
