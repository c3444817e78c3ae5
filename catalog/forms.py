"""One form for a model and the version that it is at: what staff edit together is saved together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import fields_for_model

from catalog import gates, versions
from catalog.fields import LinesField, WordsField, YAMLField
from catalog.models import Model, ModelVersion, is_slug
from catalog.pricing import TIERS
from catalog.validation import problems
from gpu_worker.families import FAMILIES, speed

LONG_TEXT = 120
"""Characters from which a field gets the admin's wide input."""
MODEL_FIELDS = ["name", "slug", "summary", "status", "status_reason", "position", "canary_percent"]


def mode_choices() -> list[tuple[str, str]]:
    """Every mode of any family; the check of the whole form says when the chosen family lacks one."""
    modes = {name: mode.title for family in FAMILIES.values() for name, mode in family.modes.items()}
    return [(name, f"{name}: {title}") for name, title in modes.items()]


SPECIAL: dict[str, Callable[[], forms.Field]] = {
    "modes": lambda: forms.MultipleChoiceField(
        choices=mode_choices(), widget=forms.CheckboxSelectMultiple, help_text="Only those that its weights can do."
    ),
    "sizes": lambda: LinesField(help_text="WIDTHxHEIGHT in pixels, one to a line, the default first."),
    "presets": lambda: YAMLField(
        empty={}, help_text="One line for each: <code>standard: {steps: 30, guidance_scale: 3.0}</code>"
    ),
    "prices": lambda: YAMLField(
        empty={},
        help_text="Thousandths of a credit for one second of video, by preset and size tier"
        f" ({', '.join(TIERS)}): <code>standard: {{480p: 1500, 720p: 3000}}</code>",
    ),
    "surcharges": lambda: YAMLField(
        empty={}, required=False, help_text="On top, for each second: <code>audio: 250</code>, or by mode."
    ),
    "reference_speed": lambda: YAMLField(
        empty={},
        required=False,
        help_text="One figure from which prices are suggested: <code>{gpu_seconds: 390, card: H100, size: 832x480,"
        " frames: 81, steps: 40, source: LightX2V README}</code>",
    ),
    "components": lambda: YAMLField(
        empty={},
        required=False,
        help_text="So that models share one: <code>text_encoder: {source: owner/repository, revision: …,"
        " subfolder: text_encoder, quantisation: int8}</code>. Or a single GGUF file:"
        " <code>transformer: {source: owner/repository, file: model-Q8_0.gguf}</code>",
    ),
    "loras": lambda: YAMLField(
        empty=[],
        required=False,
        help_text="One line for each: <code>- {source: owner/repository, revision: …, weight_name: file.safetensors,"
        " scale: 1.0, component: transformer}</code>",
    ),
    "speed": lambda: YAMLField(
        empty={},
        required=False,
        help_text=f"Off unless named: {', '.join(speed.SETTINGS)}. As in <code>{{attention_backend: flash,"
        " compile_repeated_blocks: {}, first_block_cache: {threshold: 0.05}, fused_qkv: true}</code>",
    ),
    "component_bytes": lambda: YAMLField(
        empty={},
        required=False,
        help_text="Weights as stored, before quantisation. <code>python -m gpu_worker.weigh REPOSITORY</code>"
        " on a GPU host prints them.",
    ),
    "licence_url": lambda: forms.URLField(assume_scheme="https", max_length=300, required=False),
    "blocked_territories": lambda: WordsField(
        upper=True, required=False, help_text="Two letters each, or EU: EU, GB, KR."
    ),
}


def version_fields() -> dict[str, forms.Field]:
    """The form's fields for everything that a version consists of."""
    plain = [name for name in versions.FIELDS if name not in SPECIAL]
    made = fields_for_model(ModelVersion, fields=plain)
    return {name: SPECIAL[name]() if name in SPECIAL else made[name] for name in versions.FIELDS}


class CatalogueForm(forms.ModelForm[Model]):
    """A model, its aliases and its current version. ``version`` is what the valid form describes, unsaved."""

    aliases = WordsField(
        required=False, help_text="Other names: default, fast … A name that another model has moves over to this one."
    )
    is_canary = forms.BooleanField(
        required=False,
        label="Only for the canary share",
        help_text="Save the changes below as the canary version; everybody else stays on the current one.",
    )
    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)
    note = forms.CharField(max_length=200, required=False, help_text="What you changed and why, for the history.")

    class Meta:
        model = Model
        fields = MODEL_FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update(version_fields())
        current = self.instance.current
        if current is not None:
            self.initial = {**versions.state(current), **self.initial}
            self.initial["based_on"] = current.number
        if self.instance.pk is not None:
            self.initial.setdefault("aliases", [alias.name for alias in self.instance.aliases.all()])
        for field in self.fields.values():
            if isinstance(field, forms.CharField) and (field.max_length or 0) >= LONG_TEXT:
                field.widget.attrs["class"] = "vLargeTextField"
        self.version: ModelVersion | None = None

    @property
    def is_version_changed(self) -> bool:
        """Whether saving has to write a new version."""
        return self.instance.current is None or any(name in versions.FIELDS for name in self.changed_data)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not any(name in self.errors for name in versions.FIELDS):
            values = {name: cleaned[name] for name in versions.FIELDS}
            self.version = versions.draft(self.instance, values)
            for field, texts in problems(self.version).items():
                for text in texts:
                    self.add_error(field, text)
        self._check_nobody_was_quicker(cleaned)
        self._check_status(cleaned)
        self._check_aliases(cleaned)
        if cleaned.get("is_canary") and self.instance.current is None:
            self.add_error("is_canary", "The first version is for everybody.")
        return cleaned

    def _check_nobody_was_quicker(self, cleaned: dict[str, Any]) -> None:
        """Refuse to save over a version that somebody else has saved meanwhile."""
        current = self.instance.current
        if current is not None and cleaned.get("based_on") != current.number:
            who = current.created_by or "somebody"
            self.add_error(
                None, f"Meanwhile {who} has saved version {current.number}. Load the page again and repeat your change."
            )

    def _check_status(self, cleaned: dict[str, Any]) -> None:
        if "status" in self.errors:  # nobody knows what it is to be, and the field says so
            return
        if cleaned.get("status") == Model.Status.ENABLED:
            if self.version is not None and (problem := gates.revenue_problem(self.version)):
                self.add_error("status", problem)
        elif "default" in cleaned.get("aliases", []):
            self.add_error("status", "It is the default model: give that name to another one first.")

    def _check_aliases(self, cleaned: dict[str, Any]) -> None:
        names = cleaned.get("aliases", [])
        for name in names:
            try:
                is_slug(name)
            except ValidationError:
                self.add_error("aliases", f"{name} is not a name: small letters, digits, dots and hyphens.")
        for slug in Model.objects.filter(slug__in=names).exclude(pk=self.instance.pk).values_list("slug", flat=True):
            self.add_error("aliases", f"{slug} is the name of a model.")
        if "default" in self.initial.get("aliases", []) and "default" not in names:
            self.add_error("aliases", "The name default cannot be dropped: give it to another model instead.")
