"""One request from prompt to clip."""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey, User, Workspace
from catalog.models import ModelVersion
from gpu_worker import contract


class State(models.TextChoices):
    """``QUEUED → DISPATCHED → RUNNING →`` one of the four ends. A lost worker leads back to ``QUEUED``."""

    QUEUED = "queued"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"


OPEN_STATES = (State.QUEUED, State.DISPATCHED, State.RUNNING)
HOUSE: Final = uuid.UUID("7e570000-0000-4000-8000-000000000000")
"""The workspace that test renders belong to."""


class GenerationQuerySet(models.QuerySet["Generation"]):
    def of(self, workspace: Workspace | None) -> GenerationQuerySet:
        """The tenant's own: the only door through which pages and the API reach a generation."""
        return self.filter(workspace=workspace) if workspace is not None else self.none()

    def open(self) -> GenerationQuerySet:
        return self.filter(state__in=OPEN_STATES)

    def older_than(self, last: Generation) -> GenerationQuerySet:
        """What comes after ``last`` in a list that begins with the newest: the next page, whatever its number."""
        same_moment = Q(created_at=last.created_at, id__lt=last.id)
        return self.filter(Q(created_at__lt=last.created_at) | same_moment).order_by("-created_at", "-id")

    def for_display(self) -> GenerationQuerySet:
        """With everything that a page or the API shows, in a constant number of queries."""
        return self.select_related("clip", "version__model")


class Generation(models.Model):
    """A request and how far it has come. Its id is also the reference of its hold in the ledger."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="generations")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    # Who of the workspace made it: a member, or a key. Neither for a visitor, and once they are gone.
    made_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, related_name="+")

    # What was asked for, checked: exactly this is rendered.
    mode = models.CharField(max_length=20)
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True)
    seed = models.BigIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    num_frames = models.PositiveIntegerField()
    fps = models.FloatField()
    steps = models.PositiveIntegerField()
    preset = models.CharField(max_length=40)
    call = models.JSONField(default=dict)
    inputs = models.JSONField(default=dict)
    quote = models.JSONField()

    # How far it has come.
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    steps_done = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    stage_seconds = models.JSONField(default=dict)
    peak_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_asked_at = models.DateTimeField(null=True)

    # Its place in the fair queue: see generation.queue.
    fair_start = models.FloatField()
    fair_finish = models.FloatField()

    objects = GenerationQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-created_at"], name="generation_of_workspace"),
            # Partial, so that looking after what is open never grows with history.
            models.Index(
                fields=["workspace"],
                name="generation_open",
                condition=Q(state__in=["queued", "dispatched", "running"]),
            ),
            models.Index(fields=["fair_finish", "id"], name="generation_waiting", condition=Q(state="queued")),
            models.Index(
                fields=["state", "dispatched_at"],
                name="generation_in_flight",
                condition=Q(state__in=["dispatched", "running"]),
            ),
            models.Index(
                fields=["version", "-finished_at"], name="generation_service_time", condition=Q(state="succeeded")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.state}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def credits_quoted(self) -> int:
        return int(self.quote["credits"])

    @property
    def seconds(self) -> float:
        return self.num_frames / self.fps

    @property
    def job_id(self) -> str:
        """RQ's id of the attempt that is in flight."""
        return contract.job_id(str(self.id), self.attempt)

    def render_job(self, *, inputs: dict[str, str], outputs: dict[str, str]) -> contract.RenderJob:
        """The attempt as the GPU worker gets it. ``inputs`` and ``outputs`` are addresses by role."""
        return contract.RenderJob(
            generation_id=str(self.id),
            attempt=self.attempt,
            model=self.version.spec(),
            mode=self.mode,
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            seed=self.seed,
            width=self.width,
            height=self.height,
            num_frames=self.num_frames,
            fps=self.fps,
            steps=self.steps,
            upscale=self.version.upscale,
            call=self.call,
            inputs=inputs,
            outputs=outputs,
            timeout_seconds=self.version.timeout_seconds,
            is_compared=self.workspace_id == HOUSE,
        )


class Clip(models.Model):
    """The finished MP4 and what was measured on it."""

    generation = models.OneToOneField(Generation, on_delete=models.CASCADE, related_name="clip", primary_key=True)
    key = models.CharField(max_length=200)
    poster_key = models.CharField(max_length=200)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    num_frames = models.PositiveIntegerField()
    fps = models.FloatField()
    duration_seconds = models.FloatField()
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    has_audio = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    """When its files go; see generation.retention."""

    def __str__(self) -> str:
        return self.key

    @classmethod
    def facts_from(cls, facts: contract.ClipFacts) -> dict[str, Any]:
        """The columns that the worker measured."""
        return facts.to_wire()


class FairClock(models.Model):
    """The queue's virtual time: one row, locked by whoever dispatches, so that order is decided in one place."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    virtual_time = models.FloatField(default=0.0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="fair_clock_is_one_row")]

    def __str__(self) -> str:
        return f"virtual time {self.virtual_time:g}"
