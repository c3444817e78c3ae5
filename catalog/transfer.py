"""The catalogue as one YAML file: what ``catalog dump`` writes, ``catalog load`` turns back into the same rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from django.db import transaction
from django.db.models import NOT_PROVIDED
from rest_framework import serializers

from accounts.models import User
from catalog import documents, versions
from catalog.columns import FIELDS
from catalog.models import Alias, Model, ModelVersion, is_slug
from catalog.validation import problems

SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
MODEL_FIELDS = ("name", "summary", "status", "status_reason", "position")


class BadFile(Exception):
    """The file cannot be loaded; each line of the message names the model, the field and the cause."""


@dataclass(frozen=True, slots=True)
class Change:
    """What loading did to one model."""

    slug: str
    what: str


def dump() -> str:
    """Every model with its current version, its canary and its aliases. What has its default value is left out."""
    models = Model.objects.with_versions().order_by("position", "slug")
    document = {"models": {model.slug: _entry(model) for model in models}}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _entry(model: Model) -> dict[str, Any]:
    entry: dict[str, Any] = {name: getattr(model, name) for name in MODEL_FIELDS if getattr(model, name) != ""}
    entry["status"] = str(model.status)
    if aliases := [alias.name for alias in model.aliases.all()]:
        entry["aliases"] = aliases
    if model.current is not None:
        entry["version"] = _without_defaults(model.current)
    if model.canary is not None:
        entry["canary"] = {"percent": model.canary_percent, "version": _without_defaults(model.canary)}
    return entry


def _without_defaults(version: ModelVersion) -> dict[str, Any]:
    return {name: value for name, value in versions.state(version).items() if value != _default(name)}


def _default(name: str) -> Any:
    field = ModelVersion._meta.get_field(name)
    default = getattr(field, "default", NOT_PROVIDED)
    if default is NOT_PROVIDED:
        return "" if getattr(field, "blank", False) and not field.null else None if field.null else NOT_PROVIDED
    return default() if callable(default) else default


@transaction.atomic
def load(
    text: str, *, by: User | None = None, note: str = "Loaded from a file", only_missing: bool = False
) -> list[Change]:
    """Bring the catalogue to what the file says; models that it does not name stay as they are.

    A model whose version differs from the file's gets a new version; loading the same file twice changes nothing.

    Args:
        only_missing: add models and aliases that are not there, and touch nothing that is.

    Raises:
        BadFile: nothing was changed.
    """
    entries = _parse(text)
    present = {model.slug: model for model in Model.objects.with_versions()}
    if only_missing:
        entries = {slug: entry for slug, entry in entries.items() if slug not in present}
    taken = set(Alias.objects.values_list("name", flat=True)) if only_missing else set()
    work = []
    wrong: list[str] = []
    for slug, entry in entries.items():
        model = present.get(slug) or Model(slug=slug)
        drafts = _drafts(model, entry)
        wrong += [f"{slug}, {field}: {text}" for d in drafts for field, texts in problems(d).items() for text in texts]
        work.append((model, entry, drafts, [name for name in entry["aliases"] if name not in taken]))
    if wrong:
        raise BadFile("\n".join(wrong))
    had_default = _has_default()
    changes = [change for each in work for change in _apply(*each, by=by, note=note)]
    if had_default and not _has_default():
        raise BadFile("The file leaves nobody with the alias default, or takes its model away: enable one with it.")
    return changes


def _has_default() -> bool:
    return Alias.objects.filter(name="default", model__status=Model.Status.ENABLED).exists()


class _CanarySerializer(serializers.Serializer[Any]):
    percent = serializers.IntegerField(min_value=0, max_value=100)
    version = serializers.DictField()


class _EntrySerializer(serializers.Serializer[Any]):
    """The shape of one model in the file. What a version may hold is ``catalog.validation``'s to say."""

    name = serializers.CharField(max_length=80)
    summary = serializers.CharField(max_length=300)
    status = serializers.ChoiceField(Model.Status.choices, default="draft")
    status_reason = serializers.CharField(max_length=300, allow_blank=True, default="")
    position = serializers.IntegerField(min_value=0, max_value=32_767, default=100)
    aliases = serializers.ListField(child=serializers.CharField(max_length=60, validators=[is_slug]), default=list)
    version = serializers.DictField()
    canary = _CanarySerializer(required=False)


def _parse(text: str) -> dict[str, dict[str, Any]]:
    try:
        document = documents.read(text)
    except documents.NotYAML as error:
        raise BadFile(str(error)) from error
    models = document.get("models") if isinstance(document, dict) else None
    if not isinstance(models, dict):
        raise BadFile("The file has no `models:` with an entry for each slug.")
    entries, wrong = {}, []
    for slug, entry in models.items():
        shape = _EntrySerializer(data=entry)
        if shape.is_valid() and not (found := _name_problems(slug, entry)):
            entries[str(slug)] = dict(shape.validated_data)
        else:
            wrong += [f"{slug}, {line}" for line in _lines(shape.errors)] or found
    owners: dict[str, str] = {}
    for slug, entry in entries.items():
        for alias in entry["aliases"]:
            if owners.setdefault(alias, slug) != slug or alias in models:
                wrong.append(f"{slug}, aliases: {alias} is the name of another model.")
    if wrong:
        raise BadFile("\n".join(wrong))
    return entries


def _name_problems(slug: Any, entry: Mapping[str, Any]) -> list[str]:
    found = []
    if not isinstance(slug, str) or not SLUG.fullmatch(slug):
        found.append(f"{slug!r} is not a slug: small letters, digits, dots and hyphens.")
    found += [f"{slug}: there is no field {name!r}." for name in entry if name not in _EntrySerializer().fields]
    for values in (entry["version"], (entry.get("canary") or {}).get("version", {})):
        found += [f"{slug}: a version has no field {name!r}." for name in values if name not in FIELDS]
    needed = [name for name in FIELDS if _default(name) is NOT_PROVIDED]
    return found + [f"{slug}, {name}: is missing." for name in needed if name not in entry["version"]]


def _lines(errors: Any, at: str = "") -> list[str]:
    """DRF's nested errors, one line for each."""
    if isinstance(errors, dict):
        return [line for name, value in errors.items() for line in _lines(value, f"{at} {name}".strip())]
    return [f"{at}: {error}" for error in errors]


def _drafts(model: Model, entry: Mapping[str, Any]) -> list[ModelVersion]:
    """The current version and, where there is one, the canary."""
    states = [entry["version"]] + ([entry["canary"]["version"]] if "canary" in entry else [])
    return [versions.draft(model, state) for state in states]


def _apply(
    model: Model,
    entry: Mapping[str, Any],
    drafts: list[ModelVersion],
    aliases: list[str],
    *,
    by: User | None,
    note: str,
) -> list[Change]:
    changes = []
    is_new = model.pk is None
    wanted = {name: entry[name] for name in MODEL_FIELDS}
    moved = [name for name, value in wanted.items() if is_new or getattr(model, name) != value]
    if is_new:
        Model.objects.bulk_create([model])  # as a draft: it is enabled below, once it has a version
    current, canary = drafts[0], drafts[1] if len(drafts) > 1 else None
    if model.current is None or versions.differences(model.current, current):
        versions.write(current, by=by, note=note)
        changes.append(Change(model.slug, "added" if is_new else f"version {current.number}"))
    if canary is not None and (model.canary is None or versions.differences(model.canary, canary)):
        versions.write(canary, by=by, note=note, is_canary=True)
        changes.append(Change(model.slug, f"canary {canary.number}"))
    percent = entry["canary"]["percent"] if canary is not None else 0
    if canary is None and model.canary is not None:
        versions.drop_canary(model)
        changes.append(Change(model.slug, "canary dropped"))
    if moved or percent != model.canary_percent:
        Model.objects.filter(pk=model.pk).update(**wanted, canary_percent=percent)
        if not is_new:
            changes.append(Change(model.slug, ", ".join(moved) or "canary share"))
    if aliases != [alias.name for alias in model.aliases.all()]:
        versions.point_aliases(model, aliases)
        if not is_new:
            changes.append(Change(model.slug, "aliases"))
    return changes
