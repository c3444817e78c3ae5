"""Checkpoints in diffusers' folder layout: where they lie and which components they name.

Only classes of diffusers and transformers are ever made, and weights only read from safetensors and GGUF files: a
checkpoint is data, and cannot bring code.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from gpu_worker.contract import ModelSpec
from gpu_worker.engine.errors import CheckpointBroken, ModelMissing
from gpu_worker.families.preview import SHIPPED, SOURCE

INDEX = "model_index.json"
_NEVER_FETCHED = ["*.bin", "*.ckpt", "*.pt", "*.pth", "*.msgpack", "*.onnx"]


@dataclass(frozen=True)
class Part:
    """One entry of a checkpoint's index: a component and the class that reads it."""

    name: str
    folder: Path
    library: str
    class_name: str
    file: Path | None = None
    """A GGUF file that has the weights instead of ``folder``, which has the configuration."""

    @cached_property
    def cls(self) -> type[Any]:
        """The class of the component.

        Raises:
            CheckpointBroken: the installed libraries have no such class.
        """
        module_name = (
            self.library if self.library in ("diffusers", "transformers") else f"diffusers.pipelines.{self.library}"
        )
        try:
            return getattr(importlib.import_module(module_name), self.class_name)  # type: ignore[no-any-return]
        except (ImportError, AttributeError):
            raise CheckpointBroken(
                f"{self.folder.parent.name}: component {self.name!r} is a {self.library}.{self.class_name}, "
                "which the installed diffusers and transformers do not have"
            ) from None

    @property
    def has_weights(self) -> bool:
        return issubclass(self.cls, torch.nn.Module)


@dataclass(frozen=True)
class Checkpoint:
    """A folder with a ``model_index.json``: the parts by name, and the pipeline's own settings."""

    folder: Path
    parts: Mapping[str, Part]
    settings: Mapping[str, Any]


def open_checkpoint(
    model: ModelSpec, models: Path, *, is_fetched: bool = True, unused: Collection[str] = ()
) -> Checkpoint:
    """Find the checkpoint of ``model``: a folder (absolute, or under ``models``), or a repository of the Hub.

    What is missing of a repository is downloaded when ``is_fetched``; otherwise the network is left alone. Weights of
    ``unused`` components are left out.

    Raises:
        ModelMissing: it is not on this machine, and may not or cannot be downloaded.
        CheckpointBroken: there is no readable index.
    """
    folder = local_folder(model.source, models)
    is_from_hub = folder is None
    if folder is None:
        folder = cached_snapshot(model.source, model.revision, INDEX)
    if folder is None:
        if not is_fetched:
            raise ModelMissing(f"{model.source} is not downloaded yet")
        folder = download(model.source, model.revision, [INDEX])
    try:
        index = json.loads((folder / INDEX).read_text())
        entries = {name: value for name, value in index.items() if not name.startswith("_")}
    except (OSError, ValueError, AttributeError) as problem:
        raise CheckpointBroken(f"{model.source}: no readable {INDEX}: {problem}") from None
    named, settings = _sorted_out(entries, folder)
    parts = {name: part for name, part in named.items() if not (name in unused and part.has_weights)}
    own = {name: part for name, part in parts.items() if name not in model.components}
    missing = [name for name, part in own.items() if is_from_hub and not part.folder.is_dir()]
    if missing and not is_fetched:
        raise ModelMissing(f"{model.source} is not downloaded yet: {', '.join(missing)} are missing")
    if missing:
        download(model.source, model.revision, [INDEX, *(f"{name}/*" for name in missing)])
    return Checkpoint(folder, parts, settings)


def _sorted_out(entries: Mapping[str, Any], folder: Path) -> tuple[dict[str, Part], dict[str, Any]]:
    """The parts that an index names, and the pipeline's own settings."""
    parts, settings = {}, {}
    for name, value in entries.items():
        if isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value):
            parts[name] = Part(name, folder / name, *value)
        elif not isinstance(value, list):
            settings[name] = value
    return parts, settings


def local_folder(source: str, models: Path) -> Path | None:
    """The folder that ``source`` names, or None where it can only be a repository of the Hub.

    Raises:
        ModelMissing: ``source`` is a path and nothing is there.
    """
    folder = models / source  # an absolute source stands for itself
    if source == SOURCE and not folder.exists():
        folder = SHIPPED  # it comes with the worker, whatever is in its folder of models
    if (folder / INDEX).is_file():
        return folder
    if folder.is_dir() or not is_repository(source):
        raise ModelMissing(f"No checkpoint at {folder}: a folder with a {INDEX} is expected there")
    return None


def is_repository(source: str) -> bool:
    """Whether ``source`` is written like a repository of the Hub."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", source) is not None


def cached_snapshot(repository: str, revision: str | None, file: str) -> Path | None:
    """The snapshot with ``file`` of a repository that was downloaded before: a pinned revision never changes."""
    found = try_to_load_from_cache(repository, file, revision=revision)
    return Path(found.removesuffix(file)) if isinstance(found, str) else None


def download(repository: str, revision: str | None, patterns: list[str]) -> Path:
    """The snapshot of a repository, with the files that match ``patterns``.

    Raises:
        ModelMissing: the Hub does not give them.
    """
    try:
        return Path(
            snapshot_download(repository, revision=revision, allow_patterns=patterns, ignore_patterns=_NEVER_FETCHED)
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as problem:
        first_line = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise ModelMissing(f"{repository} could not be downloaded: {first_line}") from problem
