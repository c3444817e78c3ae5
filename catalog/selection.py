"""Which version of which model serves a request: by slug or alias, through the gates, canary share included."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from catalog import gates
from catalog.gates import ANYBODY, Audience
from catalog.models import Model, ModelVersion
from loremotion.prepared import send
from loremotion.refusals import Invalid
from loremotion.table_rows import Columns

_MODEL, _VERSION = Columns(Model, "catalog_model"), Columns(ModelVersion, "version")
_CALLED: Final = f"""
SELECT {_MODEL.sql} FROM catalog_model
WHERE (slug = %(name)s OR id IN (SELECT model_id FROM catalog_alias WHERE name = %(name)s))
    AND status = 'enabled' AND current_id IS NOT NULL
"""  # noqa: S608 - made of names of columns
"""``Model.objects.enabled`` by a name, in SQL: each request for a clip asks it."""
_COLUMNS: Final = tuple(field.attname for field in ModelVersion._meta.concrete_fields)


def chosen_of(models: Sequence[Model], slug: str) -> Model | None:
    """The model called ``slug``; else the one for a request that names none: that with the alias ``default``, or the
    first where none has it."""
    named = (model for model in models if model.slug == slug)
    default = (model for model in models if "default" in model.alias_names)
    return next(named, None) or next(default, None) or next(iter(models), None)


def find_model(name: str) -> Model:
    """The enabled model called ``name``, by slug or alias.

    Raises:
        Invalid: there is none; the message lists those there are.
    """
    return send_model(name)()


def send_model(name: str) -> Callable[[], Model]:
    """Ask for the enabled model called ``name``, and return what tells it, or raises as ``find_model``."""
    if "\x00" in name:  # which PostgreSQL takes in no text
        raise _unknown(name)
    called = send(_CALLED, {"name": name})

    def found() -> Model:
        if (row := called()) is None:
            raise _unknown(name)
        model = _MODEL.read(row)
        model.current = _version(model.current_id)
        model.canary = _version(model.canary_id)
        return model

    return found


def _unknown(name: str) -> Invalid:
    offered = ", ".join(m.slug for m in Model.objects.for_people()) or _("none yet")
    return Invalid(
        "unknown_model",
        _("There is no model %(name)s.") % {"name": repr(name[:60])},
        next_step=_("Choose one of: %(offered)s.") % {"offered": offered},
        field="model",
    )


def choose(called: str | Model, audience: Audience = ANYBODY) -> ModelVersion:
    """The version that serves this caller, with its model at hand.

    Args:
        called: the model's name, or the model where it was asked for already.

    Raises:
        Invalid: no enabled model has that name.
        NotLicensed: its licence does not allow the caller, or this site, to use it.
        NotInPlan: it is for other plans.
    """
    model = find_model(called) if isinstance(called, str) else called
    version = version_for(model, audience.workspace_id)
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


def _version(version_id: int | None) -> ModelVersion | None:
    return _VERSION.read(_columns_of(version_id)) if version_id is not None else None


@lru_cache(maxsize=512)
def _columns_of(version_id: int) -> tuple[Any, ...]:
    """The columns of a version, read once a process: PostgreSQL lets nobody change one. Not to be written into."""
    columns: tuple[Any, ...] = ModelVersion.objects.values_list(*_COLUMNS).get(id=version_id)
    return columns


def _is_canary(model: Model, workspace_id: UUID) -> bool:
    """Whether the workspace is in the canary's share: always the same for one model, unrelated between models."""
    digest = hashlib.sha256(f"{model.slug}:{workspace_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * 100 < model.canary_percent
