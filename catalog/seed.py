"""The catalogue of a fresh installation."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from catalog.models import Alias, Model, ModelVersion

PREVIEW: dict[str, Any] = {
    "slug": "preview",
    "name": "Preview",
    "summary": "A toy that knows shapes and colours, so that everything can be tried without a GPU.",
    "position": 10,
}
PREVIEW_VERSION: dict[str, Any] = {
    "family": "cogvideox",
    "source": "preview",  # a folder under GPU_WORKER_MODELS
    "dtype": "float32",
    "modes": ["text"],
    "sizes": ["48x48"],
    "fps": 8,
    "min_seconds": 2,
    "max_seconds": 2,
    "default_seconds": 2,
    "max_steps": 50,
    "max_prompt_characters": 500,
    "presets": {"standard": {"steps": 8, "guidance_scale": 1.0, "max_sequence_length": 24}},
    "upscale": 8,
    "timeout_seconds": 120,
    "millicredits_per_second": 1000,
    "licence": "Apache-2.0",
}


@transaction.atomic
def seed() -> list[str]:
    """Add what is missing; never touch a row that is there. Returns the slugs it added."""
    if Model.objects.filter(slug=PREVIEW["slug"]).exists():
        return []
    model = Model.objects.create(**PREVIEW, status=Model.Status.ENABLED)
    model.current = ModelVersion.objects.create(model=model, number=1, **PREVIEW_VERSION)
    model.save(update_fields=["current"])
    Alias.objects.get_or_create(name="default", defaults={"model": model})
    return [model.slug]
