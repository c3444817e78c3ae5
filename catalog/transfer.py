"""The catalogue as one YAML file: what ``catalog dump`` writes, ``catalog load`` turns back into the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from django.db import transaction
from django.db.models import NOT_PROVIDED

from accounts.models import User
from catalog import versions
from catalog.models import Alias, Model, ModelVersion
from catalog.validation import problems

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
    wrong: list[str] = []
    changes: list[Change] = []
    for slug, entry in entries.items():
        model = present.get(slug) or Model(slug=slug)
        drafts = _drafts(model, entry)
        wrong += [f"{slug}, {field}: {text}" for d in drafts for field, texts in problems(d).items() for text in texts]
        if not wrong:
            aliases = [name for name in entry.get("aliases", []) if name not in taken]
            changes += _apply(model, entry, drafts, aliases, by=by, note=note)
    if wrong:
        raise BadFile("\n".join(wrong))
    return changes


def _parse(text: str) -> dict[str, dict[str, Any]]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadFile(f"This is not YAML: {error}") from error
    entries = document.get("models") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise BadFile("The file has no `models:` with an entry for each slug.")
    wrong = [line for slug, entry in entries.items() for line in _shape_problems(slug, entry)]
    if wrong:
        raise BadFile("\n".join(wrong))
    return entries


def _shape_problems(slug: Any, entry: Any) -> list[str]:
    if not isinstance(entry, dict) or not isinstance(entry.get("version"), dict):
        return [f"{slug}: an entry has name, summary, status and a version."]
    known = {*MODEL_FIELDS, "aliases", "version", "canary"}
    found = [f"{slug}: there is no field {name!r}." for name in entry if name not in known]
    found += [f"{slug}: {name} is missing." for name in ("name", "summary") if name not in entry]
    if entry.get("status", "draft") not in Model.Status.values:
        found.append(f"{slug}, status: one of {', '.join(Model.Status.values)}.")
    for values in (entry["version"], entry.get("canary", {}).get("version", {})):
        found += [f"{slug}: a version has no field {name!r}." for name in values if name not in versions.FIELDS]
    needed = [name for name in versions.FIELDS if _default(name) is NOT_PROVIDED]
    found += [f"{slug}, {name}: is missing." for name in needed if name not in entry["version"]]
    return found


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
    wanted = {"status": "draft", "status_reason": "", "position": 100} | {
        n: entry[n] for n in MODEL_FIELDS if n in entry
    }
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
