"""Addresses that are told what became of clips, and what is sent to each."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Workspace
from generation.webhooks.reasons import REASONS
from loremotion.outbox.models import Outgoing, indexes


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def of(self, workspace: Workspace | None) -> EndpointQuerySet:
        """The tenant's own."""
        return self.filter(workspace=workspace) if workspace is not None else self.none()

    def enabled(self) -> EndpointQuerySet:
        return self.filter(disabled_at__isnull=True)


class Endpoint(models.Model):
    """An address of a workspace's own that is told what became of its clips. Outgoing: Stripe's hooks are the shop's.

    Secrets are sealed with a key derived from ``SECRET_KEY``: see ``generation.webhooks.signing``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="webhook_endpoints")
    name = models.CharField(max_length=80)
    url = models.CharField(max_length=500)
    event_types = ArrayField(models.CharField(max_length=40))
    sealed_secret = models.TextField()
    secret_hint = models.CharField(max_length=16)
    old_sealed_secret = models.TextField(blank=True)
    old_secret_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_because = models.CharField(max_length=200, blank=True)

    # How it does: failures in a row, since when, and until when it is left alone.
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True, blank=True)
    resumes_at = models.DateTimeField(default=timezone.now)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        db_table = "outbox_endpoint"
        indexes = [
            models.Index(fields=["workspace", "created_at"], name="endpoint_of_workspace"),
            # For staff: the newest, those that fail, and one by its address.
            models.Index(fields=["-created_at", "-id"], name="endpoint_newest"),
            models.Index(
                fields=["-created_at", "-id"],
                name="endpoint_failing",
                condition=Q(failing_since__isnull=False, disabled_at__isnull=True),
            ),
            models.Index(fields=["url"], name="endpoint_by_url"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.url}"

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None

    @property
    def why_disabled(self) -> str:
        """``disabled_because`` in the language in use."""
        return REASONS.say(self.disabled_because)


class Delivery(Outgoing):
    """One event for one endpoint. ``event_id`` is the same for every attempt and every endpoint."""

    queue = "webhooks"
    job = "generation.webhooks.jobs.deliver"
    failure_level = logging.WARNING
    """Its receiver is a customer's, who is told when their endpoint is disabled."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    event_id = models.CharField(max_length=60)
    event_type = models.CharField(max_length=40)
    video_id = models.UUIDField(null=True, blank=True)
    """The clip that it tells of; None where it tells of something else."""
    data = models.JSONField(null=True, blank=True)
    """What it tells, where that is no clip."""
    is_test = models.BooleanField(default=False)
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)
    last_answer = models.TextField(blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)

    @property
    def error_words(self) -> str:
        """``last_error`` in the language in use."""
        return REASONS.say(self.last_error)

    class Meta:
        db_table = "outbox_delivery"
        permissions = [("retry_delivery", "Can have webhook events sent that could not be")]
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["endpoint", "event_id"], name="delivery_once")]
        indexes = [
            *indexes("delivery"),
            models.Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),
            # For staff: what one clip caused, one event, the newest, and what was given up.
            models.Index(fields=["video_id"], name="delivery_of_clip"),
            models.Index(fields=["event_id"], name="delivery_by_event"),
            models.Index(fields=["-created_at", "-id"], name="delivery_newest"),
            models.Index(fields=["-created_at", "-id"], name="delivery_dead_newest", condition=Q(state="dead")),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id} to {self.endpoint_id}"

    @property
    def log_ids(self) -> dict[str, str]:
        return {"request_id": self.request_id, "generation_id": str(self.video_id or ""), "event_id": self.event_id}


def facts(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint without its secrets, as export and API tell it."""
    return {
        "id": str(endpoint.id),
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "created_at": int(endpoint.created_at.timestamp()),
        "updated_at": int(endpoint.updated_at.timestamp()),
        "signing_secret_hint": endpoint.secret_hint,
    }
