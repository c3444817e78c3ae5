"""What people asked staff to look at, how often a workspace was refused, and how strictly one is judged."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from generation.moderation import guard_labels
from generation.moderation.verdict import Category, Outcome, Strictness

CATEGORIES = [
    (Category.SEXUAL_MINORS.value, gettext_lazy("Sexual minors")),
    (Category.SEXUAL_REAL_PERSON.value, gettext_lazy("Sexual real person")),
    (Category.SEXUAL.value, gettext_lazy("Sexual")),
    (Category.VIOLENCE.value, gettext_lazy("Violence")),
    (Category.HATE.value, gettext_lazy("Hate")),
    (Category.SELF_HARM.value, gettext_lazy("Self harm")),
    (Category.WEAPONS.value, gettext_lazy("Weapons")),
    (Category.UNJUDGED.value, gettext_lazy("Unjudged")),
]
KEPT_BACK = "kept_back"
"""Counted beside the categories of prompts: finished clips that nobody is shown for what they show."""


class ReviewQuerySet(models.QuerySet["Review"]):
    def of(self, workspace: Workspace | None) -> ReviewQuerySet:
        """The tenant's own."""
        return self.filter(workspace=workspace) if workspace is not None else self.none()

    def seen_by(self, caller: Caller) -> ReviewQuerySet:
        """Those whose words the caller may read: their own, as a prompt may be a private clip's, or everybody's for
        whoever reads private clips. A visitor's have nobody's name on them."""
        own = self.of(caller.workspace)
        return own if caller.may(Action.READ_PRIVATE_CLIPS) else own.filter(asked_by=caller.user)

    def waiting(self) -> ReviewQuerySet:
        return self.filter(state=Review.State.WAITING)


class Review(models.Model):
    """A prompt that was held or refused, whose owner asked staff to look at it. One for each prompt of a workspace."""

    class State(models.TextChoices):
        WAITING = "waiting", gettext_lazy("Waiting")
        ALLOWED = "allowed", gettext_lazy("Allowed")
        REFUSED = "refused", gettext_lazy("Not allowed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    digest = models.CharField(max_length=64, editable=False)
    clip_id = models.UUIDField(null=True, blank=True, editable=False)
    """Of the clip that was kept back; None where a prompt was held or refused."""
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True)
    outcome = models.PositiveSmallIntegerField(choices=[(each.value, each.name.capitalize()) for each in Outcome])
    category = models.CharField(max_length=24, choices=CATEGORIES)
    words = ArrayField(models.TextField(), help_text="What the rules found.")
    plea = models.TextField("what they say", blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    statement = models.TextField(blank=True, help_text="The reasons, as its owner reads them.")

    objects = ReviewQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="review_once")]
        indexes = [
            models.Index(fields=["created_at", "id"], name="review_by_time"),
            models.Index(fields=["created_at"], name="review_waiting", condition=models.Q(state="waiting")),
            models.Index(fields=["workspace", "-created_at"], name="review_of_workspace"),
            models.Index(fields=["decided_at"], name="review_decided", condition=models.Q(decided_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.get_category_display()}, {self.get_state_display().lower()}"


class RefusalCount(models.Model):
    """How many prompts of a workspace were held or refused on one day (UTC), by category, and how many finished clips
    were kept back."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    category = models.CharField(
        max_length=24, choices=[*CATEGORIES, (KEPT_BACK, gettext_lazy("Finished clips kept back"))]
    )
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "day", "category"], name="refusals_of_a_day")]
        indexes = [models.Index(fields=["day", "-count"], name="refusals_by_day")]

    def __str__(self) -> str:
        return f"{self.count} × {self.get_category_display()} on {self.day}"


class Policy(models.Model):
    """How strictly a workspace is judged, where staff has settled it. Others are judged as the settings say."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="+")
    strictness = models.CharField(
        max_length=8,
        choices=[(each.value, each.value.capitalize()) for each in Strictness],
        help_text="Relaxed leaves adults' nudity and cruelty to the workspace. What the law draws stays refused.",
    )
    reason = models.CharField(max_length=200)

    class Meta:
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return f"{self.get_strictness_display()}: {self.reason}"


class PlanPolicy(models.Model):
    """How strictly workspaces on one plan are judged. A workspace's own policy goes before."""

    plan = models.OneToOneField("shop.Plan", on_delete=models.CASCADE, primary_key=True, related_name="+")
    strictness = models.CharField(max_length=8, choices=[(each.value, each.value.capitalize()) for each in Strictness])

    class Meta:
        verbose_name = "policy of a plan"
        verbose_name_plural = "policies of plans"

    def __str__(self) -> str:
        return f"{self.plan}: {self.get_strictness_display()}"


class Guard(models.Model):
    """How the guard model at ``GUARD_URL`` is asked, and what its answers mean. One row; see ``guard``."""

    class OnFailure(models.TextChoices):
        OPEN = "open", "Open: the rules alone decide"
        HELD = "held", "Held: staff looks at the prompt before it is made"
        CLOSED = "closed", "Closed: nothing is taken until it answers"

    is_enabled = models.BooleanField(default=True)
    model = models.CharField(
        max_length=100, blank=True, help_text="Sent along, for a service that has several. May be empty."
    )
    timeout_ms = models.PositiveSmallIntegerField(
        "time limit, ms", default=100, validators=[MinValueValidator(10), MaxValueValidator(130)]
    )
    on_failure = models.CharField("without an answer", max_length=6, choices=OnFailure, default=OnFailure.OPEN)
    labels = models.JSONField(
        default=guard_labels.usual,
        validators=[guard_labels.validate],
        help_text="Label → its category, and from which score on a prompt is held or refused. Others are ignored.",
    )

    class Meta:
        verbose_name = verbose_name_plural = "guard model"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_guard")]

    def __str__(self) -> str:
        return "Guard model"
