"""What can be made: a model is a row, and every edit of it is a new immutable version."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from gpu_worker.contract import LoraSpec, ModelSpec
from gpu_worker.families import FAMILIES, Family, family


def family_choices() -> list[tuple[str, str]]:
    return [(f.name, f.title) for f in FAMILIES.values()]


class ModelQuerySet(models.QuerySet["Model"]):
    def enabled(self) -> ModelQuerySet:
        return self.filter(status=Model.Status.ENABLED, current__isnull=False)

    def for_people(self) -> ModelQuerySet:
        """In the order in which pages and the API list them, with what they show."""
        return self.enabled().select_related("current").prefetch_related("aliases").order_by("position", "slug")


class Model(models.Model):
    """A model as people know it. What it is made of stands in its versions."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        ENABLED = "enabled"
        RETIRED = "retired"

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80)
    summary = models.CharField(max_length=300, help_text="What it is good at, in one or two plain sentences.")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    status_reason = models.CharField(max_length=300, blank=True, help_text="Why it is a draft, or what to do first.")
    position = models.PositiveSmallIntegerField(default=100, help_text="Lower comes first.")
    current = models.ForeignKey(
        "ModelVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )

    objects = ModelQuerySet.as_manager()

    class Meta:
        ordering = ["position", "slug"]

    def __str__(self) -> str:
        return self.name


class Alias(models.Model):
    """Another name for a model: ``default``, ``fast`` … Moving it is how the default model is swapped."""

    name = models.SlugField(max_length=60, unique=True)
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="aliases")

    class Meta:
        verbose_name_plural = "aliases"

    def __str__(self) -> str:
        return f"{self.name} → {self.model}"


class ModelVersion(models.Model):
    """One immutable state of a model: what to load, what it may be asked for, what it costs.

    A generation keeps the version it was quoted on, so an edit never reaches what is already queued.
    """

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)

    # What to load.
    family = models.CharField(max_length=40, choices=family_choices)
    source = models.CharField(max_length=300, help_text="Hub repository, or a folder of the GPU worker.")
    revision = models.CharField(max_length=80, blank=True)
    dtype = models.CharField(max_length=12, default="bfloat16")
    quantisation = models.CharField(max_length=8, default="none")
    placement = models.CharField(max_length=20, default="auto")
    loras = models.JSONField(default=list, blank=True)
    speed = models.JSONField(default=dict, blank=True)

    # What it may be asked for.
    modes = ArrayField(models.CharField(max_length=20))
    sizes = ArrayField(models.CharField(max_length=12), help_text="WIDTHxHEIGHT in pixels, the default first.")
    fps = models.FloatField()
    min_seconds = models.FloatField(default=1)
    max_seconds = models.FloatField(default=5)
    default_seconds = models.FloatField(default=5)
    max_steps = models.PositiveSmallIntegerField(default=50)
    max_prompt_characters = models.PositiveIntegerField(default=2000)
    presets = models.JSONField(help_text='{"standard": {"steps": 30, "guidance_scale": 3.0}, …}, the default first.')
    upscale = models.PositiveSmallIntegerField(default=1, help_text="Whole factor for models smaller than a thumbnail.")
    timeout_seconds = models.PositiveIntegerField(default=1800)

    # What it costs.
    millicredits_per_second = models.PositiveIntegerField(
        help_text="Thousandths of a credit for one second of video at the smallest size and the default preset."
    )

    # What its licence asks.
    licence = models.CharField(max_length=120, blank=True)
    attribution = models.CharField(max_length=300, blank=True)
    blocked_territories = ArrayField(models.CharField(max_length=2), default=list, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "number"], name="model_version_number")]
        ordering = ["model", "-number"]

    def __str__(self) -> str:
        return f"{self.model.slug} v{self.number}"

    @property
    def family_facts(self) -> Family:
        return family(self.family)

    @property
    def default_preset(self) -> str:
        return next(iter(self.presets))

    def spec(self) -> ModelSpec:
        """The row as the GPU worker gets it."""
        return ModelSpec(
            slug=self.model.slug,
            version=self.number,
            family=self.family,
            source=self.source,
            revision=self.revision or None,
            dtype=self.dtype,
            quantisation=self.quantisation,
            placement=self.placement,
            loras=tuple(LoraSpec.from_wire(lora) for lora in self.loras),
            speed=dict(self.speed),
        )

    def preset_call(self, preset: str) -> dict[str, Any]:
        """The preset's pipeline arguments without its step count."""
        return {name: value for name, value in self.presets[preset].items() if name != "steps"}
