"""Models for tests, as plain functions."""

from __future__ import annotations

from typing import Any

from catalog import versions
from catalog.models import Model, ModelVersion

LTX: dict[str, Any] = {
    "family": "ltx",
    "source": "Lightricks/LTX-Video",
    "modes": ["text", "image"],
    "sizes": ["704x480", "1216x704"],
    "fps": 24,
    "min_seconds": 1,
    "max_seconds": 5,
    "default_seconds": 5,
    "presets": {
        "draft": {"steps": 12, "guidance_scale": 3.0},
        "standard": {"steps": 30, "guidance_scale": 3.0},
    },
    "prices": {"draft": {"480p": 800, "720p": 1600}, "standard": {"480p": 2000, "720p": 4000}},
    "licence": "OpenRAIL-M",
}


def draft_version(model: Model | None = None, **changes: Any) -> ModelVersion:
    """An unsaved version of the LTX family, with whatever ``changes`` say."""
    return versions.draft(model or Model(slug="ltx-2b", name="LTX-Video 2B"), LTX | changes)


def make_model(slug: str = "ltx-2b", *, aliases: tuple[str, ...] = (), enabled: bool = True, **changes: Any) -> Model:
    """A saved model with one version."""
    model = Model.objects.create(slug=slug, name=slug.replace("-", " ").title(), summary="For tests.")
    versions.write(draft_version(model, **changes), by=None)
    model.refresh_from_db()
    if enabled:
        model.status = Model.Status.ENABLED
        model.save(update_fields=["status"])
    if aliases:  # a new model has none to lose
        versions.point_aliases(model, list(aliases))
    return model
