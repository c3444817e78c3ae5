"""The form's fields for what a version consists of, each in the shape in which staff fills it in."""

from __future__ import annotations

from collections.abc import Callable

from django import forms
from django.forms.models import fields_for_model

from catalog.cells import PricesField, SpeedField
from catalog.columns import FIELDS
from catalog.fields import LinesField, WordsField, YAMLField
from catalog.models import ModelVersion
from gpu_worker.families import EVERY_FAMILY, speed

LABELS = {
    "fps": "Frames per second",
    "min_seconds": "Shortest, in seconds",
    "default_seconds": "Default, in seconds",
    "max_seconds": "Longest, in seconds",
    "max_steps": "Most steps",
    "max_prompt_characters": "Most characters of a prompt",
    "timeout_seconds": "Given up after, in seconds",
    "licence_url": "Address of the licence",
}
"""Of fields whose own name says too little beside them."""


def mode_choices() -> list[tuple[str, str]]:
    """Every mode of any family; the check of the whole form says when the chosen family lacks one."""
    modes = {name: mode.title for family in EVERY_FAMILY.values() for name, mode in family.modes.items()}
    return [(name, f"{name}: {title}") for name, title in modes.items()]


SPECIAL: dict[str, Callable[[], forms.Field]] = {
    "modes": lambda: forms.MultipleChoiceField(
        choices=mode_choices(), widget=forms.CheckboxSelectMultiple, help_text="Only those that its weights can do."
    ),
    "sizes": lambda: LinesField(help_text="WIDTHxHEIGHT in pixels, one to a line, the default first."),
    "presets": lambda: YAMLField(
        empty={}, help_text="One line for each: <code>standard: {steps: 30, guidance_scale: 3.0}</code>"
    ),
    "prices": lambda: PricesField(
        help_text="Thousandths of a credit for one second of video. Rows are the presets, columns the tiers of the"
        " sizes; a new one appears when you save."
    ),
    "surcharges": lambda: YAMLField(
        empty={}, required=False, help_text="On top, for each second: <code>audio: 250</code>, or by mode."
    ),
    "reference_speed": lambda: SpeedField(
        required=False, help_text="One clip whose time somebody has published: prices are suggested from it."
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
    plain = [name for name in FIELDS if name not in SPECIAL]
    made = fields_for_model(ModelVersion, fields=plain)
    fields = {name: SPECIAL[name]() if name in SPECIAL else made[name] for name in FIELDS}
    for name, label in LABELS.items():
        fields[name].label = label
    return fields
