"""The files of a request: the clip that it became, and what was uploaded for it."""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

from django.db import models
from django.db.models.functions import Substr
from django.utils import timezone

from generation.models.generation import Generation
from gpu_worker import contract
from gpu_worker.media.perceptual_hash import BAND_DIGITS, BANDS

OUTPUT_NAMES: Final = {"clip": "clip.mp4", "poster": "poster.jpg"}
"""Role → name of the file that a worker delivers."""
SIGNED: Final = re.compile(r"signed_[0-9a-f]{16}\.(?:mp4|c2pa)")
"""The names of the same clip with its Content Credentials, and of these alone; see generation.provenance."""


def output_key(generation_id: uuid.UUID | str, role: str) -> str:
    """Where the file of this role lies. Deterministic, so that a second attempt overwrites the first.

    It names no workspace: a running clip may move to another one, and its worker delivers to the address it was given.
    """
    return f"clips/{generation_id}/{OUTPUT_NAMES[role]}"


def signed_key(generation_id: uuid.UUID | str, sha256: str) -> str:
    """Where a signed clip of this digest lies. No two that sign it use one name, and none takes another's."""
    return f"clips/{generation_id}/signed_{sha256[:16]}.mp4"


def manifest_key(clip_key: str) -> str:
    """Where the Content Credentials of a signed clip lie, which hold good beside its very file."""
    return clip_key.removesuffix(".mp4") + ".c2pa"


def _by_picture(place: int) -> models.Index:
    """The index by which clips with the same band of their hash are found."""
    part = Substr("perceptual_hash", 1 + place * BAND_DIGITS, BAND_DIGITS)
    return models.Index(part, name=f"clip_by_picture_{place}", condition=~models.Q(perceptual_hash=""))


class Clip(models.Model):
    """The finished MP4 and what was measured on it."""

    generation = models.OneToOneField(Generation, on_delete=models.CASCADE, related_name="clip", primary_key=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    num_frames = models.PositiveIntegerField()
    fps = models.FloatField()
    duration_seconds = models.FloatField()
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    has_audio = models.BooleanField(default=False)
    remark = models.CharField(max_length=10, blank=True, default="", db_default="")
    """``frozen`` or ``flicker``, where its worker saw that; see gpu_worker.engine.video.broken_clips."""
    perceptual_hash = models.CharField(max_length=64, blank=True, default="", db_default="")
    """By which copies are found that were encoded anew; empty where its worker knew none."""
    invisible_id = models.BigIntegerField(null=True)
    """What its pictures carry: see gpu_worker.media.invisible_id; None where they carry nothing."""
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    """When its files go; see generation.storage.retention."""
    signed_at = models.DateTimeField(null=True)
    """When its file was signed; None while it is as its worker delivered it."""
    signed_sha256 = models.CharField(max_length=64, default="", db_default="")
    """Of the signed file, of which ``size_bytes`` is then. ``sha256`` stays that of the delivered one, by which copies
    of what was taken down are known: no two signed files are alike."""
    sign_at = models.DateTimeField(null=True)
    """When it is tried again to sign it; None where that is done, or not to be."""
    left_out_credentials = models.BooleanField(default=False, db_default=False)
    """Whether it was signed without Content Credentials that were to go along: they could not be read."""

    class Meta:
        indexes = [
            models.Index(fields=["sign_at"], name="clip_to_sign", condition=models.Q(sign_at__isnull=False)),
            models.Index(fields=["sha256"], name="clip_by_digest"),
            models.Index(fields=["signed_sha256"], name="clip_by_signed", condition=~models.Q(signed_sha256="")),
            models.Index(
                fields=["invisible_id"], name="clip_by_invisible_id", condition=models.Q(invisible_id__isnull=False)
            ),
            *(_by_picture(place) for place in range(BANDS)),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def log_ids(self) -> dict[str, str]:
        """As of its generation."""
        return self.generation.log_ids

    @property
    def key(self) -> str:
        """Where its MP4 lies in the storage."""
        if self.signed_sha256:
            return signed_key(self.generation_id, self.signed_sha256)
        return output_key(self.generation_id, "clip")

    @property
    def manifest_key(self) -> str:
        """Where its Content Credentials lie beside it; empty where it is not signed."""
        return manifest_key(self.key) if self.signed_sha256 else ""

    @property
    def served_sha256(self) -> str:
        """The digest of the file that people get."""
        return self.signed_sha256 or self.sha256

    @property
    def poster_key(self) -> str:
        """Where its picture lies in the storage."""
        return output_key(self.generation_id, "poster")

    @classmethod
    def facts_from(cls, facts: contract.ClipFacts) -> dict[str, Any]:
        """The values of the columns that the worker measured."""
        return facts.to_wire()


class Upload(models.Model):
    """A file that somebody uploaded for a request. The row is written before the file, so none is ever forgotten."""

    key = models.CharField(max_length=200, primary_key=True)
    generation = models.ForeignKey(Generation, on_delete=models.SET_NULL, null=True, related_name="uploads")
    """None until the request is made, and when it is erased."""
    expires_at = models.DateTimeField(null=True, db_index=True)
    """When it goes; None as long as its request is open or its clip is kept. See generation.storage.retention."""
    sent_sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
    """Of the file as it was sent, if it had Content Credentials of its own. See generation.provenance.carried."""

    def __str__(self) -> str:
        return self.key
