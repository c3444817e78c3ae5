"""What can be made: a model is a row, and every edit of what it does is a new immutable version."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import F, OuterRef, Q
from django.utils import timezone

from catalog.sizes import Size
from gpu_worker.contract import FORMER_PLACEMENTS, ComponentSource, LoraSpec, ModelSpec
from gpu_worker.families import EVERY_FAMILY, ROLES, Family, Role, family

is_slug = RegexValidator(r"\A[a-z0-9][a-z0-9._-]*\Z", "Small letters, digits, dots and hyphens.")


def family_choices() -> list[tuple[str, str]]:
    return [(f.name, f.title) for f in EVERY_FAMILY.values()]


class ModelQuerySet(models.QuerySet["Model"]):
    def enabled(self) -> ModelQuerySet:
        return self.filter(status=Model.Status.ENABLED, current__isnull=False)

    def for_people(self) -> ModelQuerySet:
        """Enabled models in the order in which pages and API list them, with what those show."""
        called = Alias.objects.filter(model=OuterRef("pk")).order_by("name").values("name")
        shown = self.enabled().select_related("current", "canary").annotate(found_aliases=ArraySubquery(called))
        return shown.order_by("position", "slug")

    def with_versions(self) -> ModelQuerySet:
        return self.select_related("current", "canary").prefetch_related("aliases")


class Model(models.Model):
    """A model as people know it, and the switches that staff turn. What it is made of stands in its versions."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        ENABLED = "enabled"
        RETIRED = "retired"

    slug = models.CharField(
        max_length=60,
        unique=True,
        validators=[is_slug],
        help_text="Its name in the API: small letters, digits, dots and hyphens. Do not change it later.",
    )
    name = models.CharField(max_length=80)
    summary = models.CharField(max_length=300, help_text="What it is good at, in one or two plain sentences.")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    status_reason = models.CharField(max_length=300, blank=True, help_text="Why it is a draft, or what to do first.")
    position = models.PositiveSmallIntegerField(default=100, help_text="Lower comes first.")
    current = models.ForeignKey(
        "ModelVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    canary = models.ForeignKey(
        "ModelVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    canary_percent = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(100)],
        help_text="Share of workspaces that get the canary version, if there is one. A workspace stays on its side.",
    )

    objects = ModelQuerySet.as_manager()

    class Meta:
        ordering = ["position", "slug"]
        constraints = [
            models.CheckConstraint(condition=Q(canary_percent__lte=100), name="model_canary_percent"),
            models.CheckConstraint(
                condition=~Q(status="enabled") | Q(current__isnull=False), name="model_enabled_has_version"
            ),
            models.CheckConstraint(
                condition=Q(canary__isnull=True) | ~Q(canary=F("current")), name="model_canary_is_another_version"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def alias_names(self) -> list[str]:
        """Its other names. Of ``for_people`` they are at hand."""
        found: list[str] | None = getattr(self, "found_aliases", None)
        return found if found is not None else [alias.name for alias in self.aliases.all()]

    @property
    def is_enabled(self) -> bool:
        return self.status == self.Status.ENABLED


class Alias(models.Model):
    """Another name for a model: ``default``, ``fast`` … Moving it is how the default model is swapped."""

    name = models.CharField(max_length=60, unique=True, validators=[is_slug])
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="aliases")

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "aliases"

    def __str__(self) -> str:
        return f"{self.name} → {self.model}"


class AccessLevel(models.TextChoices):
    """Who may use a model. Each level includes the ones after it."""

    VISITOR = "visitor", "Everyone, visitors included"
    FREE = "free", "People who have signed in"
    PAID = "paid", "People on a paid plan"

    @property
    def level(self) -> int:
        return list(AccessLevel).index(self)


class PlacementField(models.CharField[Any, Any]):
    """A placement by the name that it has now, also where a row or a file has the former one.

    Versions are immutable, and the release before would not know the new name: rows keep the name that they were
    written with until no such release runs beside this one.
    """

    def from_db_value(self, value: Any, *_: object) -> Any:
        return FORMER_PLACEMENTS.get(value, value)

    def to_python(self, value: Any) -> Any:
        return FORMER_PLACEMENTS.get(value, value) if isinstance(value, str) else super().to_python(value)

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class ModelVersion(models.Model):
    """One immutable state of a model: what to load, what it may be asked for, what it costs, what its licence asks.

    A generation keeps the version it was quoted on, so an edit never reaches what is already queued. A trigger refuses
    updates; ``catalog.versions`` is the only writer.
    """

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.CharField(max_length=200, blank=True, help_text="What you changed and why, for the history.")
    build = models.CharField(max_length=16, editable=False, db_index=True)

    # What to load.
    family = models.CharField(max_length=40, choices=family_choices)
    source = models.CharField(
        max_length=300, help_text="Hub repository (Lightricks/LTX-Video) or a folder of the GPU worker."
    )
    revision = models.CharField(
        max_length=80, blank=True, help_text="Commit of the repository. Pin it, so that what you tested is what runs."
    )
    dtype = models.CharField(
        max_length=12, default="bfloat16", choices=[(x, x) for x in ("bfloat16", "float16", "float32")]
    )
    quantisation = models.CharField(
        max_length=8, default="none", choices=[(x, x) for x in ("none", "int8", "fp8", "nf4", "gguf")]
    )
    placement = PlacementField(
        max_length=20,
        default="auto",
        choices=[
            ("auto", "auto"),
            ("resident", "keep resident"),
            ("tiled", "decode in tiles"),
            ("block_swap", "block swap"),
        ],
        help_text="A hint; the worker decides by what its card holds.",
    )
    components = models.JSONField("components from elsewhere", default=dict, blank=True)
    loras = models.JSONField(default=list, blank=True)
    speed = models.JSONField(default=dict, blank=True)
    component_bytes = models.JSONField(default=dict, blank=True)

    # What it may be asked for.
    modes = ArrayField(models.CharField(max_length=20))
    sizes = ArrayField(models.CharField(max_length=12))
    fps = models.FloatField()
    min_seconds = models.FloatField(default=1)
    max_seconds = models.FloatField(default=5)
    default_seconds = models.FloatField(default=5)
    max_steps = models.PositiveSmallIntegerField(default=50)
    max_prompt_characters = models.PositiveIntegerField(default=2000)
    presets = models.JSONField()
    default_preset = models.CharField(max_length=40, default="standard")
    upscale = models.PositiveSmallIntegerField(default=1, help_text="Whole factor for models smaller than a thumbnail.")
    timeout_seconds = models.PositiveIntegerField(default=1800)
    snapshots_in_store = models.BooleanField(
        "snapshots in the store",
        default=False,
        db_default=False,
        help_text="Any machine goes on with a render whose machine is lost. For renders of many minutes: each sends "
        "the storage up to 2 GB every half minute.",
    )
    least_plan = models.CharField("offered to", max_length=10, choices=AccessLevel.choices, default="visitor")

    # What it costs, in thousandths of a credit for each second of video, and the speed that the price comes from.
    prices = models.JSONField()
    surcharges = models.JSONField(default=dict, blank=True)
    reference_speed = models.JSONField(default=dict, blank=True)

    # What its licence asks.
    licence = models.CharField(max_length=120, help_text="Its short name: Apache-2.0.")
    licence_url = models.URLField(max_length=300, blank=True)
    licence_notice = models.TextField(blank=True, help_text="What people who use the model must know, in plain words.")
    attribution = models.CharField(max_length=300, blank=True, help_text="A line that the licence wants shown.")
    blocked_territories = ArrayField(models.CharField(max_length=2), default=list, blank=True)
    revenue_cap_dollars = models.BigIntegerField(
        null=True, blank=True, help_text="Yearly revenue above which the licence asks for another agreement."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "number"], name="model_version_number")]
        ordering = ["model", "-number"]

    def __str__(self) -> str:
        return f"{self.model.slug} v{self.number}"

    @property
    def family_facts(self) -> Family:
        return family(self.family)

    @property
    def account(self) -> str:
        """Of a remote row: the account of the remote workers that its source names."""
        return self.source.partition("/")[0]

    @property
    def has_audio(self) -> bool:
        return self.family_facts.has_audio

    @property
    def is_built_in(self) -> bool:
        """Whether it comes with the installation, and needs no download."""
        return self.family == "preview"

    def delivered(self, size: Size) -> Size:
        """The size of the MP4 of a clip that is rendered in ``size``: what people are told, and may ask for."""
        return size.times(self.upscale)

    @property
    def delivered_sizes(self) -> list[str]:
        return [str(self.delivered(Size.parse(size))) for size in self.sizes]

    @property
    def input_roles(self) -> list[tuple[str, Role]]:
        """What a clip of this model may start from, in any of its modes: in the order of ``ROLES``."""
        modes = [self.family_facts.modes[mode] for mode in self.modes]
        taken = {role for mode in modes for role in (*mode.needs, *mode.accepts)}
        return [(name, role) for name, role in ROLES.items() if name in taken]

    @property
    def preset_names(self) -> list[str]:
        """The default first, then from the quickest to the most thorough."""
        return sorted(self.presets, key=lambda name: (name != self.default_preset, self.preset_order(name)))

    def preset_order(self, name: str) -> tuple[int, str]:
        """From the quickest to the most thorough; what was measured once may be a preset no more."""
        return self.presets.get(name, {}).get("steps", 0), name

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
            components={name: ComponentSource.from_wire(source) for name, source in self.components.items()},
            loras=tuple(LoraSpec.from_wire(lora) for lora in self.loras),
            speed=dict(self.speed),
        )

    def preset_call(self, preset: str) -> dict[str, Any]:
        """The preset's pipeline arguments without its step count."""
        return {name: value for name, value in self.presets[preset].items() if name != "steps"}

    def most_prompt_tokens(self, preset: str) -> int:
        """The most tokens of its own that a prompt may have with this preset."""
        return self.family_facts.most_prompt_tokens(self.presets[preset])

    @property
    def surely_read_bytes(self) -> int:
        """The bytes up to which any prompt is read to its end, whatever the preset and the tokenizer make of it."""
        return min(map(self.most_prompt_tokens, self.presets)) - 1

    def fingerprint(self) -> str:
        """The digest of what is loaded, whatever it is called, priced or limited to: what was measured on one version
        counts for every version with the same fingerprint."""
        loaded = {k: v for k, v in self.spec().to_wire().items() if k not in ("slug", "version")}
        if not self.components:
            del loaded["components"]  # what was measured before there were any still counts
        if loaded["placement"] == "block_swap":
            loaded["placement"] = "streamed"  # what was measured under its former name still counts
        return hashlib.sha256(json.dumps(loaded, sort_keys=True).encode()).hexdigest()[:16]


class Measurement(models.Model):
    """What the fleet measured on finished clips of one build, preset and size: sums, so that one row says it all."""

    build = models.CharField(max_length=16)
    mode = models.CharField(max_length=20)
    preset = models.CharField(max_length=40)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    clips = models.PositiveIntegerField(default=0)
    gpu_seconds = models.FloatField(default=0)
    video_seconds = models.FloatField(default=0)
    peak_bytes = models.BigIntegerField(default=0)
    similarity = models.FloatField(null=True)
    """Cosine of the quantised transformer's output against that of the whole weights, in the latest test render."""
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["build", "mode", "preset", "width", "height"], name="measurement_once")
        ]

    def __str__(self) -> str:
        return f"{self.build} {self.mode} {self.preset} {self.width}x{self.height}"
