"""LoRA weights of a catalogue row."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gpu_worker.contract import LoraSpec
from gpu_worker.engine import CheckpointBroken, ModelMissing
from gpu_worker.engine.memory.open_models import Library
from gpu_worker.engine.weights import loras
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from tests.engine.jobs import frames_of, render
from tests.engine.tight_engines import engine_on, job, spec

LAYER = "transformer_blocks.0.attn1.to_q"


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    """Rank 4 for one layer of the LTX among ``repos``."""
    generator = torch.Generator().manual_seed(0)
    weights = {
        f"transformer.{LAYER}.lora_A.weight": torch.randn(4, 192, generator=generator) * 0.3,
        f"transformer.{LAYER}.lora_B.weight": torch.randn(192, 4, generator=generator) * 0.3,
    }
    save_file(weights, tmp_path / "style.safetensors")
    return tmp_path / "style.safetensors"


def transformer_with(repos: Path, cache: Path, *loras: LoraSpec, **changes: object) -> torch.nn.Module:
    component = Library(repos, cache).open(spec("one", loras=loras, **changes)).components["transformer"]
    return Loader(QuantisedStore(cache)).load(component)


def test_lora_weights_are_added_at_their_strength(repos: Path, tmp_path: Path, lora: Path) -> None:
    from safetensors.torch import load_file

    patch = load_file(lora)
    low, high = (patch[f"transformer.{LAYER}.lora_{side}.weight"] for side in "AB")
    plain = transformer_with(repos, tmp_path).get_parameter(f"{LAYER}.weight")
    patched = transformer_with(repos, tmp_path, LoraSpec(source=str(lora), scale=0.5))
    assert torch.allclose(patched.get_parameter(f"{LAYER}.weight"), plain + 0.5 * (high @ low), atol=1e-5)
    names = {name for name, _ in patched.named_parameters()}
    assert names == {name for name, _ in transformer_with(repos, tmp_path).named_parameters()}


def test_a_patched_transformer_is_a_component_of_its_own_beside_shared_ones(
    repos: Path, tmp_path: Path, lora: Path
) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    loras = (LoraSpec(source=str(lora.parent), weight_name=lora.name),)
    plain = frames_of(render(engine, job("one"), tmp_path / "1").clip)
    styled = frames_of(render(engine, job("one", spec_changes={"loras": loras}), tmp_path / "2").clip)
    again = frames_of(render(engine, job("one"), tmp_path / "3").clip)
    assert not np.array_equal(plain, styled)
    assert np.array_equal(plain, again)
    names = sorted(r.name for r in engine.status().residents)
    assert names == ["text_encoder", "transformer", "transformer", "vae"]


def test_patched_weights_can_be_quantised(repos: Path, tmp_path: Path, lora: Path) -> None:
    changes = {"dtype": "bfloat16", "quantisation": "int8"}
    weight = transformer_with(repos, tmp_path, LoraSpec(source=str(lora)), **changes).get_parameter(f"{LAYER}.weight")
    whole = transformer_with(repos, tmp_path, LoraSpec(source=str(lora))).get_parameter(f"{LAYER}.weight")
    assert type(weight).__name__ == "Int8Tensor"
    assert torch.nn.functional.cosine_similarity(weight.dequantize().float().flatten(), whole.flatten(), dim=0) > 0.999


def test_a_lora_is_read_once_for_its_name_and_again_when_it_has_changed(
    repos: Path, tmp_path: Path, lora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    digest = hashlib.file_digest

    def counted(content: Any, name: str) -> Any:
        read.append(Path(content.name).name)
        return digest(content, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    library = Library(repos, tmp_path / "cache")
    row = spec("one", loras=(LoraSpec(source=str(lora)),))
    keys = {model.components["transformer"].key for model in (library.open(row), library.look_at(row))}
    assert read.count(lora.name) == len(keys) == 1
    save_file({"other": torch.zeros(3)}, lora)
    assert library.look_at(row).components["transformer"].key not in keys


def test_a_look_at_the_line_leaves_the_network_alone(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(loras, "hf_hub_download", lambda source, name, **more: asked.append(name))
    row = spec("one", loras=(LoraSpec(source="studio/style", weight_name="style.safetensors"),))
    with pytest.raises(ModelMissing, match="not downloaded yet"):
        Library(repos, tmp_path / "cache").look_at(row)
    assert asked == []


@pytest.mark.parametrize(("said", "asked_for"), [({"revision": "abc"}, "abc"), ({}, None)])
def test_a_lora_comes_from_the_revision_that_its_row_names(
    tmp_path: Path, lora: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, str], asked_for: str | None
) -> None:
    asked: list[tuple[str, str, object]] = []

    def looked_for(source: str, name: str, *, revision: object) -> None:
        asked.append((source, name, revision))

    def downloaded(source: str, name: str, *, revision: object) -> str:
        asked.append((source, name, revision))
        return str(lora)

    monkeypatch.setattr(loras, "try_to_load_from_cache", looked_for)
    monkeypatch.setattr(loras, "hf_hub_download", downloaded)
    wanted = LoraSpec.from_wire({"source": "studio/style", "weight_name": "style.safetensors", **said})
    assert loras.find_patch(wanted, tmp_path, "LTXPipeline", is_fetched=True).file == lora
    assert asked == [("studio/style", "style.safetensors", asked_for)] * 2


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"source": "/nowhere"}, ModelMissing, "No LoRA weights"),
        ({"component": "transformer_2"}, CheckpointBroken, "no component transformer_2"),
    ],
)
def test_a_lora_that_cannot_be_applied_is_named(
    repos: Path, tmp_path: Path, lora: Path, changes: dict[str, str], error: type[Exception], reason: str
) -> None:
    loras = (LoraSpec(**{"source": str(lora), **changes}),)  # type: ignore[arg-type]
    with pytest.raises(error, match=reason):
        render(engine_on(repos, tmp_path / "cache"), job("one", spec_changes={"loras": loras}), tmp_path)


def test_a_lora_of_another_model_is_refused(repos: Path, tmp_path: Path) -> None:
    save_file({"unet.down.lora_A.weight": torch.zeros(4, 8)}, tmp_path / "other.safetensors")
    loras = (LoraSpec(source=str(tmp_path / "other.safetensors")),)
    with pytest.raises(CheckpointBroken, match=r"other\.safetensors"):
        render(engine_on(repos, tmp_path / "cache"), job("one", spec_changes={"loras": loras}), tmp_path)
