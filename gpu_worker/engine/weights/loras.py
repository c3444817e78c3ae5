"""LoRA weights, added into a component's own when it is loaded: what comes out is a component like any other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError

from gpu_worker.contract import LoraSpec
from gpu_worker.engine.errors import CheckpointBroken, ModelMissing


@dataclass(frozen=True, slots=True)
class Patch:
    """One file of LoRA weights, how strongly it counts, and the pipeline class that knows its dialect."""

    file: Path
    scale: float
    pipeline: str


def find_patch(lora: LoraSpec, models: Path, pipeline: str, *, is_fetched: bool) -> Patch:
    """The file that ``lora`` names: in a folder (absolute, or under ``models``), or in a repository of the Hub.

    What is missing of a repository is downloaded when ``is_fetched``; otherwise the network is left alone.

    Raises:
        ModelMissing: there is no such file, or it may not or cannot be downloaded.
    """
    folder = models / lora.source
    if folder.is_file():
        return Patch(folder, lora.scale, pipeline)
    if folder.is_dir() and (folder / lora.weight_name).is_file():
        return Patch(folder / lora.weight_name, lora.scale, pipeline)
    if folder.is_dir() or Path(lora.source).is_absolute() or not lora.weight_name:
        raise ModelMissing(f"No LoRA weights {lora.weight_name!r} at {folder}; name the file with weight_name")
    revision = lora.revision or None
    if isinstance(downloaded := try_to_load_from_cache(lora.source, lora.weight_name, revision=revision), str):
        return Patch(Path(downloaded), lora.scale, pipeline)
    if not is_fetched:
        raise ModelMissing(f"LoRA {lora.source} {lora.weight_name} is not downloaded yet")
    try:
        return Patch(Path(hf_hub_download(lora.source, lora.weight_name, revision=revision)), lora.scale, pipeline)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as problem:
        raise ModelMissing(f"LoRA {lora.source} {lora.weight_name} could not be downloaded: {problem}") from problem


def fuse(module: Any, patches: Iterable[Patch]) -> None:
    """Add each of ``patches`` to the weights of ``module``.

    Raises:
        CheckpointBroken: a file cannot be read, or has nothing that belongs to this module.
    """
    for patch in patches:
        try:
            weights = _read(patch)
            module.load_lora_adapter(weights, prefix="transformer", adapter_name="patch")
        except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as problem:
            raise CheckpointBroken(f"LoRA {patch.file.name} cannot be used: {problem}") from problem
        if not getattr(module, "peft_config", None):
            raise CheckpointBroken(f"LoRA {patch.file.name} has nothing that belongs to {type(module).__name__}")
        with torch.no_grad():
            module.fuse_lora(lora_scale=patch.scale)
        module.unload_lora()


def _read(patch: Patch) -> dict[str, torch.Tensor]:
    """The weights in diffusers' names. Files are written in several dialects, and the pipeline classes know them."""
    reader = getattr(getattr(diffusers, patch.pipeline), "lora_state_dict", None)
    if reader is None:
        raise ValueError(f"{patch.pipeline} takes no LoRA")
    weights = reader(str(patch.file.parent), weight_name=patch.file.name, use_safetensors=True, local_files_only=True)
    return dict(weights[0] if isinstance(weights, tuple) else weights)
