"""How a model changes: every change of what it does is a new version, written here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.models import User
from catalog import gates, measurements
from catalog.columns import FIELDS
from catalog.models import Alias, Model, ModelVersion
from catalog.validation import problems
from gpu_worker.families import EVERY_FAMILY
from loremotion.refusals import Conflict


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that two versions do not share."""

    name: str
    label: str
    before: Any
    after: Any


def state(version: ModelVersion) -> dict[str, Any]:
    """The plain values of everything that a version consists of."""
    return {name: getattr(version, name) for name in FIELDS}


def differences(before: ModelVersion, after: ModelVersion) -> list[Difference]:
    """The fields in which ``after`` differs from ``before``, in the order of the form."""
    return [
        Difference(name, label(name), getattr(before, name), value)
        for name, value in state(after).items()
        if getattr(before, name) != value
    ]


def label(name: str) -> str:
    """What the form calls a field of a version."""
    return str(next(f.verbose_name for f in ModelVersion._meta.fields if f.name == name))


def draft(model: Model, values: Mapping[str, Any]) -> ModelVersion:
    """An unsaved version of ``model``, to be checked before it is written. What is not named has its default."""
    unknown = set(values) - set(FIELDS)
    assert not unknown, f"no such fields of a version: {unknown}"
    return ModelVersion(model=model, **values)


@transaction.atomic
def write(version: ModelVersion, *, by: User | None, note: str = "", is_canary: bool = False) -> ModelVersion:
    """Save a new version under the next number and let it take effect with the next request.

    Args:
        is_canary: give it to the canary share of workspaces only; everybody else stays on the current one.
    """
    model = Model.objects.select_for_update().get(pk=version.model.pk)
    last = model.versions.order_by("-number").values_list("number", flat=True).first() or 0
    version.model, version.number = model, last + 1
    version.created_by, version.note = by, note
    version.build = version.fingerprint()
    version.save(force_insert=True)
    if is_canary and model.current is not None:
        Model.objects.filter(pk=model.pk).update(canary=version)
    else:
        Model.objects.filter(pk=model.pk).update(current=version)
    return version


def restore(version: ModelVersion, *, by: User | None) -> ModelVersion:
    """Bring an earlier version back, as a new one: history only grows."""
    return write(draft(version.model, state(version)), by=by, note=f"Version {version.number} again")


def write_prices(model: Model, prices: Mapping[str, Any], *, by: User | None) -> ModelVersion:
    """Write a version of ``model`` that differs in its prices alone.

    Raises:
        Conflict: there are none to write, or they are its prices already.
    """
    if model.current is None or not prices:
        raise Conflict("no_prices", "The model has no reference speed.", next_step="Name one under what it costs.")
    if model.current.prices == prices:
        raise Conflict("same_prices", "It has these prices already.")
    return write(draft(model, {**state(model.current), "prices": prices}), by=by, note="Suggested prices")


_OF_ONE_MODEL = {
    *("source", "revision", "components", "loras", "component_bytes", "reference_speed"),
    *("licence", "licence_url", "licence_notice", "attribution", "blocked_territories", "revenue_cap_dollars"),
}
"""What no model has from another: where its weights lie, what they weigh, and what its licence asks for."""

_COMMON_PRESETS = {"draft", "standard", "final"}
"""The other presets of a family are for distilled checkpoints."""
_FIRST_SECONDS = 5.0
"""Longest clip of a family's first model, until staff says otherwise."""


def models_to_start_from(family: str = "") -> list[Model]:
    """Return the models after which a new one can be filled in, those whose steps nobody has distilled away first."""
    models = Model.objects.with_versions().exclude(status=Model.Status.DRAFT).filter(current__isnull=False)
    if family:
        models = models.filter(current__family=family)
    return sorted(models.order_by("position", "slug"), key=_likeness)


def _likeness(model: Model) -> tuple[bool, int]:
    assert model.current is not None
    preset = model.current.presets.get(model.current.default_preset)
    steps = preset.get("steps") if isinstance(preset, dict) else None
    return bool(model.current.loras), -steps if isinstance(steps, int) else 0


def prefill(like: Model) -> dict[str, Any]:
    """Return what a new model of the same family as ``like`` probably is."""
    if like.current is None:
        return {}
    return {name: value for name, value in state(like.current).items() if name not in _OF_ONE_MODEL}


def prefilled_by_family(family: str) -> dict[str, Any]:
    """The same of the first model of its family: what all checkpoints of the family can do."""
    facts = EVERY_FAMILY.get(family)
    if facts is None:
        return {}
    presets = {name: dict(call) for name, call in facts.presets.items() if name in _COMMON_PRESETS}
    shortest = max(1.0, round(facts.frames.least / facts.fps, 2))
    longest = max(shortest, min(facts.max_seconds, _FIRST_SECONDS))
    return {
        "family": family,
        "modes": [next(iter(facts.modes))],
        "sizes": [*facts.sizes],
        "fps": facts.fps,
        "min_seconds": shortest,
        "default_seconds": longest,
        "max_seconds": longest,
        "max_steps": 1 if facts.is_remote else 50,
        "max_prompt_characters": min(facts.max_prompt_characters, 2000),
        "presets": presets,
    }


@transaction.atomic
def make_default(model: Model) -> None:
    """Point the alias ``default`` at ``model``: pages and API begin with it from the next request on.

    Raises:
        Conflict: nobody can use it.
    """
    found = Model.objects.select_for_update().get(pk=model.pk)
    if not found.is_enabled or found.current_id is None:
        raise Conflict("not_enabled", f"{found} is not enabled.", next_step="Enable it first.")
    Alias.objects.update_or_create(name="default", defaults={"model": found})


@transaction.atomic
def enable(model: Model) -> None:
    """Let people choose ``model``.

    Raises:
        Conflict: something of it is not in order, or it never made a clip.
    """
    found = Model.objects.select_for_update().get(pk=model.pk)
    version = found.current
    if version is None or not measurements.was_rendered(version):
        raise Conflict("never_rendered", f"{found} has never rendered a clip.", next_step="Run a test render first.")
    wrong = [text for texts in problems(version).values() for text in texts]
    wrong += [text] if (text := gates.revenue_problem(version)) else []
    if wrong:
        raise Conflict("not_in_order", " ".join(wrong), next_step="Fix it in the model's form.")
    Model.objects.filter(pk=found.pk).update(status=Model.Status.ENABLED, status_reason="")


@transaction.atomic
def disable(model: Model) -> None:
    """Offer ``model`` to nobody any more. What is queued is still made, and it can be enabled again.

    Raises:
        Conflict: it is the default, without which there is no front page, or it is not enabled.
    """
    found = Model.objects.select_for_update().get(pk=model.pk)
    if not found.is_enabled:
        raise Conflict("not_enabled", f"{found} is not enabled.")
    if found.aliases.filter(name="default").exists():
        raise Conflict("is_default", f"{found} is the default.", next_step="Make another model the default first.")
    Model.objects.filter(pk=found.pk).update(status=Model.Status.RETIRED)


@transaction.atomic
def promote_canary(model: Model) -> None:
    """Make the canary everybody's current version."""
    model = Model.objects.select_for_update().get(pk=model.pk)
    if model.canary is not None:
        Model.objects.filter(pk=model.pk).update(current=model.canary, canary=None, canary_percent=0)


def drop_canary(model: Model) -> None:
    """Give the canary's share the current version again."""
    Model.objects.filter(pk=model.pk).update(canary=None, canary_percent=0)


def point_aliases(model: Model, names: list[str]) -> dict[str, Model]:
    """Make ``names`` the model's aliases, taking them from whoever has them. Returns who lost which.

    One row is updated for each name that moves, so no request ever meets a moment without a ``default``.
    """
    lost = {}
    with transaction.atomic():
        for alias in Alias.objects.select_for_update().select_related("model").filter(name__in=names):
            if alias.model_id != model.pk:
                lost[alias.name] = alias.model
                Alias.objects.filter(pk=alias.pk).update(model=model)
        Alias.objects.bulk_create([Alias(name=name, model=model) for name in names], ignore_conflicts=True)
        model.aliases.exclude(name__in=names).delete()
    return lost
