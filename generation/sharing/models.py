"""Links by which anybody sees one clip."""

from __future__ import annotations

import secrets
import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone

from generation.models import Clip

TOKEN_BYTES = 16


def new_token() -> str:
    """Return what nobody guesses: 128 bits of chance, in 22 characters of an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class Share(models.Model):
    """A clip's link. There is one at most: whoever shares again gets the same, and a revoked one is gone for good.

    The token stands here as it is, since its owner wants to copy the link again; whoever reads this table reads the
    clips too. The row goes with the clip, and the database itself sees to that: processes of the release before, which
    know no shares, delete clips as well.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    clip = models.OneToOneField(Clip, on_delete=models.CASCADE, related_name="share", db_constraint=False)
    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    shows_prompt = models.BooleanField(default=False)
    is_indexed = models.BooleanField(default=False)
    """Whether those may find the clip who have not been given the link: by search engines, or on Explore."""
    created_at = models.DateTimeField(default=timezone.now)
    featured_at = models.DateTimeField(null=True)
    """When staff put it on the page Explore; None: it is not there."""

    class Meta:
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="share_newest"),
            models.Index(fields=["-featured_at", "-id"], name="share_featured", condition=Q(featured_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"link of {self.clip_id}"


class Removal(models.Model):
    """A file that no link shows, in whichever workspace a copy of it is."""

    reason = models.UUIDField(primary_key=True)
    """Id of the report by which it was taken down: see generation.notices."""
    sha256 = models.CharField(max_length=64, db_index=True)
    perceptual_hash = models.CharField(max_length=64, blank=True)
    bands = ArrayField(models.IntegerField(), default=list)
    """Sixteenths of the hash with their places, by which the few that can be near another are found."""
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [GinIndex(fields=["bands"], name="removal_bands")]

    def __str__(self) -> str:
        return f"removal by {self.reason}"
