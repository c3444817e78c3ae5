"""The unit of residency: one set of weights, in one dtype and quantisation, addressed by what it contains.

Two models whose checkpoints hold the same text encoder get the same key for it, so it is loaded once and serves both,
wherever the copies lie on disk.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_worker.contract import ModelSpec
from gpu_worker.engine.errors import CheckpointBroken
from gpu_worker.engine.memory.measurements import read_json, write_json
from gpu_worker.engine.weights.checkpoint import Checkpoint, Part
from gpu_worker.engine.weights.footprint import declared_bytes, whole_bytes
from gpu_worker.engine.weights.loras import Patch, find_patch
from gpu_worker.families import Family
from gpu_worker.families.memory import quantisation_of


@dataclass(frozen=True, slots=True)
class Component:
    """One resident-to-be: where its weights come from and what is done to them. Equal keys mean equal weights."""

    key: str
    part: Part = field(compare=False)
    dtype: str
    quantisation: str = "none"
    patches: tuple[Patch, ...] = ()
    layout: str = ""
    """``fused_qkv`` or ``channels_last_vae``, when the row wants the same weights laid out otherwise."""

    @property
    def name(self) -> str:
        return self.part.name

    @property
    def declared_bytes(self) -> int:
        """What it will take by what its files say of themselves, as long as nothing better is known."""
        if self.part.file is not None:
            return self.part.file.stat().st_size
        return declared_bytes(self.key, self.part, self.dtype, self.quantisation)

    @property
    def whole_bytes(self) -> int:
        """What its weights are at 16 bits each."""
        return whole_bytes(self.key, self.part)

    @property
    def is_read_whole(self) -> bool:
        """Whether all weights have to be there before the first is quantised: LoRA and fusing put several together."""
        return bool(self.patches) or self.layout == "fused_qkv"


def components_of(
    model: ModelSpec,
    family: Family,
    checkpoint: Checkpoint,
    digests: ContentDigests,
    models: Path,
    *,
    is_fetched: bool = True,
) -> dict[str, Component]:
    """The weight-carrying components of ``model`` by name, in the order in which a render uses them.

    Raises:
        CheckpointBroken: files of a component are missing, or the installed libraries lack its class.
        ModelMissing: LoRA weights are not where the row says.
    """
    pipeline = next(iter(family.modes.values())).pipeline
    patches: dict[str, tuple[Patch, ...]] = {}
    for lora in model.loras:
        patches[lora.component] = (
            *patches.get(lora.component, ()),
            find_patch(lora, models, pipeline, is_fetched=is_fetched),
        )
    unknown = patches.keys() - checkpoint.parts.keys()
    if unknown:
        raise CheckpointBroken(f"{model.slug} has no component {', '.join(sorted(unknown))} for its LoRA")
    known = [name for name in family.components if name in checkpoint.parts]
    others = [name for name in checkpoint.parts if name not in known]
    components = {}
    for name in (*known, *others):
        part = checkpoint.parts[name]
        if part.has_weights:
            components[name] = _component(model, part, digests, patches.get(name, ()))
    return components


def _component(model: ModelSpec, part: Part, digests: ContentDigests, patches: tuple[Patch, ...]) -> Component:
    quantisation = quantisation_of(part.name, model.quantisation, model.components.get(part.name))
    content = digests.of(part.folder, part.file)
    key = f"{part.class_name}:{content}:{model.dtype}:{quantisation}"
    key += "".join(f":{digests.of_file(patch.file)[:16]}*{patch.scale:g}" for patch in patches)
    wanted_by_name = {"transformer": "fused_qkv", "vae": "channels_last_vae"}
    layout = next((x for name, x in wanted_by_name.items() if part.name.startswith(name) and x in model.speed), "")
    return Component(f"{key}:{layout}" if layout else key, part, model.dtype, quantisation, patches, layout)


class ContentDigests:
    """Digests of components and LoRA files, remembered in a file so that gigabytes are read for it once per host."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, str] = read_json(memory)
        self._folders: dict[tuple[Any, ...], str] = {}

    def of(self, folder: Path, single_file: Path | None = None) -> str:
        """A digest of configuration and weights in ``folder``, or in ``single_file``, the same wherever they lie.

        Raises:
            CheckpointBroken: there is no configuration, or no safetensors file.
        """
        files = sorted(folder.glob("*.safetensors")) if single_file is None else [single_file]
        config = folder / "config.json"
        if not files or not config.is_file():
            raise CheckpointBroken(f"{folder}: a config.json and *.safetensors are expected there")
        stamp = (folder, *(_stamp(file) for file in (config, *files)))
        if stamp not in self._folders:
            digest = hashlib.sha256(_plain_config(config).encode())
            for file in files:
                digest.update(f"{file.name}:{self.of_file(file)}".encode())
            self._folders[stamp] = digest.hexdigest()[:16]
        return self._folders[stamp]

    def of_file(self, file: Path) -> str:
        """The SHA-256 of what is in ``file``, read again only when its size or time has changed."""
        blob = file.resolve().name
        if re.fullmatch(r"[0-9a-f]{64}", blob):  # the Hub's cache names large files by their SHA-256
            return blob
        stamp = _stamp(file)
        if stamp not in self._known:
            with file.open("rb") as content:
                self._known[stamp] = hashlib.file_digest(content, "sha256").hexdigest()
            write_json(self._memory, self._known)
        return self._known[stamp]


def _stamp(file: Path) -> str:
    real = file.resolve()
    facts = real.stat()
    return f"{real}:{facts.st_size}:{facts.st_mtime_ns}"


def _plain_config(config: Path) -> str:
    """The configuration without what says nothing about the weights: paths and library versions."""
    try:
        values = json.loads(config.read_text())
        kept = {k: v for k, v in values.items() if not k.startswith("_") and k not in ("transformers_version",)}
    except (ValueError, AttributeError) as problem:
        raise CheckpointBroken(f"{config} cannot be read: {problem}") from None
    return json.dumps(kept, sort_keys=True)
