"""One request from prompt to clip."""

from __future__ import annotations

import uuid
from math import ceil
from typing import Final

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import ApiKey, User, Workspace
from catalog.costs import reference_gpu_seconds
from catalog.models import ModelVersion
from catalog.sizes import Size
from generation.attempt_secret import secret_of
from generation.models.querysets import GenerationQuerySet
from generation.models.state import OPEN_STATES, State
from generation.tiers import yields
from gpu_worker import contract, valkey_names
from gpu_worker.media.bounds import MOST_SECONDS

TRIALS_WORKSPACE: Final = uuid.UUID("7e570000-0000-4000-8000-000000000000")
"""The workspace that test renders belong to."""

AWAITS_ANOTHER: Final = 2**62
"""Bytes that no machine has: they stand for the memory of a clip that waits for another, and begins where that ends."""


class Generation(models.Model):
    """A request and how far it has come. Its id is also the reference of its hold in the ledger."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="generations")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    # Who of the workspace made it: a member, or a key, for which the first of its line stands here. Neither for a
    # visitor, and once they are gone.
    made_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, related_name="+")

    is_private = models.BooleanField(default=False)
    """Whether others of the team do not see it: see ``GenerationQuerySet.parts_seen_by``."""
    is_favourite = models.BooleanField(default=False, db_default=False)
    """Of the workspace, whoever of it said so."""

    # What was asked for, checked: exactly this is rendered.
    mode = models.CharField(max_length=20)
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True)
    seed = models.BigIntegerField()
    first_seed = models.BigIntegerField(null=True)
    """The seed that was asked for, where the clip came out broken and is made with another; None: it is ``seed``."""
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    num_frames = models.PositiveIntegerField()
    fps = models.FloatField()
    steps = models.PositiveIntegerField()
    preset = models.CharField(max_length=40)
    call = models.JSONField(default=dict)
    inputs = models.JSONField(default=dict)
    quote = models.JSONField()
    # Of the request as it was sent, so that a repetition is known: see generation.submission.idempotency.
    ask_digest = models.CharField(max_length=64, blank=True)
    watermark = models.CharField(max_length=40, blank=True, default="", db_default="")
    """Words in the corner of the clip, decided by the plan at that time; none if empty."""
    needs_bytes = models.BigIntegerField(null=True)
    """Least memory of a GPU that can make it, as far as is known: see catalog.measurements.least_bytes."""
    request_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    """Of the HTTP request that asked for it, for the log: see gpu_worker.log_context."""

    # How far it has come.
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    excused_attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    """Of them, those that ended through no fault of the clip, and do not count against it."""
    times_aside = models.PositiveSmallIntegerField(default=0, db_default=0)
    """How often it was on a card and let a short clip go first: see gpu_worker.step_aside."""
    kept_by = models.CharField(max_length=120, blank=True, default="", db_default="")
    """The worker that has its snapshot while it waits to go on; ``resumed_from_step`` says from where."""
    has_attempt_secret = models.BooleanField(default=False, db_default=False)
    """Whether reports on the present attempt must bear its secret. False for those that the last release handed out."""
    delivered = models.JSONField(null=True)
    """``attempt/role`` → digest of the file that a GPU host has sent: see generation.storage.arrivals."""
    worker = models.CharField(max_length=120, blank=True)
    steps_done = models.PositiveIntegerField(default=0)
    resumed_from_step = models.PositiveIntegerField(default=0, db_default=0)
    """Of them, those that an attempt before had made; 0: none."""
    cards = models.PositiveSmallIntegerField(default=1, db_default=1)
    """How many the worker of the present attempt has, or of the last one."""
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    stage_seconds = models.JSONField(default=dict)
    peak_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_asked_at = models.DateTimeField(null=True)
    cancel_at = models.DateTimeField(null=True)
    """When it is cancelled unless it has ended, as whoever asked for it said; None for never."""
    deleted_at = models.DateTimeField(null=True)
    """When its owner deleted it: what is left is the receipt."""

    # Its place in the fair queue: see generation.scheduling.fair_queue.
    fair_finish = models.FloatField()
    fair_weight = models.PositiveSmallIntegerField(null=True)
    """Of the plan that it was asked for under; None of requests from before this was noted."""
    passes = models.PositiveSmallIntegerField(default=0, db_default=0)
    """How many clips that are paid for went before it while it was the first free one in line."""
    flow = models.CharField(max_length=60, blank=True, default="", db_default="")
    """In whose line it waits. Forgotten once it is dispatched or cancelled, since it may tell of a network."""
    network = models.CharField(max_length=60, blank=True, default="", db_default="")
    """Of a free clip, where it was asked for: it waits behind all others from there too. Forgotten with ``flow``."""
    network_finish = models.FloatField(null=True)
    """Its tag in the line of its network, never later than ``fair_finish``. None where it has no network, or where the
    release before queued it: then ``fair_finish`` counts there too."""

    user_ref = models.CharField(max_length=200, blank=True, default="", db_default="")
    """What a program of the workspace's own calls it, to find it by. No page and no shared link shows it."""

    continued_seconds = models.FloatField(default=0.0, db_default=0.0)
    """Of the clip or video that this one goes on from and will hold; 0: of none, or of unknown length."""

    is_repeated: bool = False
    """Not of the row: whether it answers a request that came before. See generation.submission.idempotency."""

    objects = GenerationQuerySet.as_manager()

    class Meta:
        verbose_name = "clip"
        permissions = [
            ("cancel_generation", "Can cancel clips"),
            ("retry_generation", "Can have clips that hang made by another attempt"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at"], name="generation_of_workspace"),
            # What is shared, and what is private by whose it is: see generation.api.listing.
            models.Index(
                fields=["workspace", "-created_at", "-id"], name="generation_shared", condition=Q(is_private=False)
            ),
            models.Index(
                fields=["made_by", "workspace", "-created_at", "-id"],
                name="generation_private_to_member",
                condition=Q(is_private=True),
            ),
            models.Index(
                fields=["api_key", "-created_at", "-id"], name="generation_private_to_key", condition=Q(is_private=True)
            ),
            models.Index(
                fields=["workspace", "-created_at", "-id"],
                name="generation_private_by_keys",
                condition=Q(is_private=True, api_key__isnull=False),
            ),
            models.Index(
                fields=["workspace", "-created_at", "-id"], name="generation_favourites", condition=Q(is_favourite=True)
            ),
            # What a key spent: see generation.submission.spending_caps.
            models.Index(
                fields=["api_key", "created_at"], name="generation_spent_by_key", condition=Q(api_key__isnull=False)
            ),
            # What a program finds by its own name for it.
            models.Index(
                fields=["workspace", "user_ref", "-created_at", "-id"],
                name="generation_by_user_ref",
                condition=~Q(user_ref=""),
            ),
            # Partial, so that looking after what is open never grows with history.
            models.Index(
                fields=["workspace"],
                name="generation_open",
                condition=Q(state__in=["queued", "dispatched", "running"]),
            ),
            models.Index(
                fields=["cancel_at"],
                name="generation_to_cancel",
                condition=Q(state__in=["queued", "dispatched", "running"], cancel_at__isnull=False),
            ),
            # In the order of generation.scheduling.fair_order: all of them, and those that need as much memory.
            models.Index(
                fields=["fair_finish", "created_at", "id"],
                include=["needs_bytes"],
                name="generation_in_line",
                condition=Q(state="queued"),
            ),
            models.Index(
                Coalesce("needs_bytes", 0),
                "fair_finish",
                "created_at",
                "id",
                name="generation_in_line_by_size",
                condition=Q(state="queued"),
            ),
            # The last one of a line.
            models.Index(fields=["flow", "fair_finish"], name="generation_in_flow", condition=Q(state="queued")),
            models.Index(
                "network",
                Coalesce("network_finish", "fair_finish"),
                name="generation_in_network",
                condition=Q(state="queued") & ~Q(network=""),
            ),
            models.Index(
                fields=["state", "dispatched_at"],
                name="generation_in_flight",
                condition=Q(state__in=["dispatched", "running"]),
            ),
            models.Index(
                fields=["version", "-finished_at"], name="generation_service_time", condition=Q(state="succeeded")
            ),
            models.Index(
                KeyTextTransform("video", "inputs"), name="generation_made_from", condition=Q(inputs__has_key="video")
            ),
            GinIndex(SearchVector("prompt", config="simple"), name="generation_prompt_words"),
            # The newest of everybody's, for staff.
            models.Index(fields=["-created_at", "-id"], name="generation_newest"),
            # Rows lie about in the order in which they came, so a few kilobytes find those of a span.
            BrinIndex(fields=["created_at"], pages_per_range=32, autosummarize=True, name="generation_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.state}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def awaits_another(self) -> bool:
        """Whether it cannot begin before another clip has ended: see ``generation.storyboards.models.Sequel``."""
        return self.state == State.QUEUED and self.needs_bytes == AWAITS_ANOTHER

    @property
    def credits_quoted(self) -> int:
        return int(self.quote["credits"])

    @property
    def log_ids(self) -> dict[str, str]:
        """On whose behalf a line is logged while this clip is worked on."""
        return {"request_id": self.request_id, "generation_id": str(self.id)}

    @property
    def stages(self) -> list[tuple[str, float]]:
        """Stages of the attempt that ended it, in words and in their order, with the seconds that each took."""
        found = contract.in_order(self.stage_seconds)
        return [(stage.replace("_", " ").capitalize(), seconds) for stage, seconds in found]

    @property
    def seconds(self) -> float:
        """Seconds of what is made, and paid for."""
        return self.num_frames / self.fps

    @property
    def total_seconds(self) -> float:
        """Seconds of the file that is delivered, as far as known: with what the clip goes on from, where it does."""
        mode = self.version.family_facts.modes.get(self.mode)
        if mode is None or not mode.is_continuation:
            return self.seconds
        if self.state == State.SUCCEEDED and hasattr(self, "clip"):
            return self.clip.num_frames / self.clip.fps
        given = round(self.continued_seconds * self.fps)
        repeated = mode.repeated_frames(given=given, num_frames=self.num_frames) if given else 0
        return (given + self.num_frames - repeated) / self.fps

    @property
    def most_frames(self) -> int:
        """An upper bound of the frames of the delivered file."""
        mode = self.version.family_facts.modes.get(self.mode)
        is_continuation = mode is not None and mode.is_continuation
        return self.num_frames + (ceil((MOST_SECONDS + 1) * self.fps) if is_continuation else 0)

    @property
    def delivered_width(self) -> int:
        """Width of the MP4, as it is shown everywhere."""
        return self.width * self.version.upscale

    @property
    def delivered_height(self) -> int:
        return self.height * self.version.upscale

    @property
    def job_id(self) -> str:
        """RQ's id of the attempt that is in flight."""
        return valkey_names.job_id(str(self.id), self.attempt)

    @property
    def is_sampled(self) -> bool:
        """Whether its worker looks at pictures of the finished clip: see ``MODERATION_OUTPUTS``."""
        if self.workspace_id == TRIALS_WORKSPACE:
            return False
        is_of_visitor = self.made_by_id is None and self.api_key_id is None
        return settings.MODERATION_OUTPUTS == "everybody" or (
            settings.MODERATION_OUTPUTS == "visitors" and is_of_visitor
        )

    def render_job(
        self, *, inputs: dict[str, str], outputs: dict[str, str], snapshot_to: str = "", snapshot_from: str = ""
    ) -> contract.RenderJob:
        """The attempt as the GPU worker gets it. ``inputs`` and ``outputs`` are addresses by role, the others those of
        its snapshot, for a row that wants it in the store."""
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
            watermark=self.watermark,
            call=self.call,
            inputs=inputs,
            outputs=outputs,
            snapshot_to=snapshot_to,
            snapshot_from=snapshot_from,
            timeout_seconds=self.version.timeout_seconds,
            reference_gpu_seconds=reference_gpu_seconds(
                self.version, size=Size(self.width, self.height), frames=self.num_frames, steps=self.steps
            ),
            request_id=self.request_id,
            secret=secret_of(str(self.id), self.attempt),
            is_compared=self.workspace_id == TRIALS_WORKSPACE,
            yields=yields(self.fair_finish),
            is_judged=True,
            is_sampled=self.is_sampled,
            invisible_id_key=next(iter(settings.INVISIBLE_ID_KEYS), ""),
            times_aside=self.times_aside,
            kept_by=self.kept_by,
            may_overlap=self.attempt == 1,  # one that ended its worker may do so again, and takes none along
        )
