"""Which version of which model serves a request: by slug or alias, through the gates, canary share included."""

from __future__ import annotations

import hashlib
from uuid import UUID

from django.db.models import Q

from catalog import gates
from catalog.gates import ANYBODY, Audience
from catalog.models import Alias, Model, ModelVersion
from loremotion.refusals import Invalid


def find_model(name: str) -> Model:
    """The enabled model called ``name``, by slug or alias.

    Raises:
        Invalid: there is none; the message lists those there are.
    """
    enabled = Model.objects.enabled()
    if "\x00" not in name:  # which PostgreSQL takes in no text
        is_called = Q(slug=name) | Q(id__in=Alias.objects.filter(name=name).values("model"))
        for model in enabled.filter(is_called).select_related("current", "canary"):
            return model
    offered = ", ".join(m.slug for m in Model.objects.for_people()) or "none yet"
    raise Invalid(
        "unknown_model", f"There is no model {name[:60]!r}.", next_step=f"Choose of: {offered}.", field="model"
    )


def choose(name: str, audience: Audience = ANYBODY) -> ModelVersion:
    """The version that serves this caller, with its model at hand.

    Raises:
        Invalid: no enabled model has that name.
        NotLicensed: its licence does not allow the caller, or this site, to use it.
        NotInPlan: it is for other plans.
    """
    version = version_for(find_model(name), audience.workspace_id)
    if refusal := gates.refusal(version, audience):
        raise refusal
    return version


def version_for(model: Model, workspace_id: UUID | None) -> ModelVersion:
    """The current version, or the canary for its share of workspaces."""
    assert model.current is not None, "an enabled model has a version: a constraint says so"
    version = model.current
    if model.canary is not None and workspace_id is not None and _is_canary(model, workspace_id):
        version = model.canary
    version.model = model
    return version


def _is_canary(model: Model, workspace_id: UUID) -> bool:
    """A workspace has its place between 0 and 100: always the same for one model, unrelated between models."""
    digest = hashlib.sha256(f"{model.slug}:{workspace_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * 100 < model.canary_percent
