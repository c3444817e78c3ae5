"""Components that a catalogue row takes from elsewhere than its own checkpoint, so that models share them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from gpu_worker.contract import ComponentSource, ModelSpec
from gpu_worker.engine.errors import CheckpointBroken, ModelMissing
from gpu_worker.engine.weights.checkpoint import Checkpoint, Part, cached_snapshot, download, is_repository


def with_components_from_elsewhere(
    checkpoint: Checkpoint, model: ModelSpec, models: Path, *, is_fetched: bool = True
) -> Checkpoint:
    """``checkpoint`` with the parts that ``model.components`` names taken from where they say.

    The class of a part stays the one that the model's own index names: that is what its pipeline works with.

    Raises:
        CheckpointBroken: the model has no such component.
        ModelMissing: a source is not on this machine, and may not or cannot be downloaded.
    """

    def root(source: ComponentSource, file: str, pattern: str) -> Path:
        place, revision = (source.source, source.revision) if source.source else (model.source, model.revision)
        return _root(place, revision, models, file, pattern, is_fetched=is_fetched)

    def taken(part: Part, source: ComponentSource) -> Part:
        if not source.file:
            subfolder = source.subfolder or part.name
            folder = root(source, f"{subfolder}/config.json", f"{subfolder}/*") / subfolder
            return dataclasses.replace(part, folder=folder)
        config = f"{part.name}/config.json"  # of its own repository it needs no more
        folder = root(ComponentSource(), config, config) / part.name
        return dataclasses.replace(part, folder=folder, file=root(source, source.file, source.file) / source.file)

    if unknown := model.components.keys() - checkpoint.parts.keys():
        raise CheckpointBroken(
            f"{model.slug} has no {', '.join(sorted(unknown))}; it has: {', '.join(checkpoint.parts)}"
        )
    elsewhere = {name: taken(checkpoint.parts[name], source) for name, source in model.components.items()}
    return dataclasses.replace(checkpoint, parts={**checkpoint.parts, **elsewhere})


def _root(place: str, revision: str | None, models: Path, file: str, pattern: str, *, is_fetched: bool) -> Path:
    """The folder or snapshot of ``place`` in which ``file`` lies, fetched with what matches ``pattern``."""
    folder = models / place  # an absolute source stands for itself
    if (folder / file).is_file():
        return folder
    if folder.is_dir() or not is_repository(place):
        raise ModelMissing(f"No {file} at {folder}")
    found = cached_snapshot(place, revision, file)
    if found is None and not is_fetched:
        raise ModelMissing(f"{place} is not downloaded yet: {file} is missing")
    return found or download(place, revision, [pattern])
