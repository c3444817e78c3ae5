"""What a checkpoint holds and no render uses is not read, counted or fetched; the rest answers as with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from gpu_worker.engine.memory.open_models import Library
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.engine.weights.storages import module_bytes
from gpu_worker.weigh import weigh
from tests.engine.jobs import model_spec
from tests.tiny import ltx2


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LTX-2 as it is published: with a model beside that rewrites prompts."""
    folder = tmp_path_factory.mktemp("models")
    ltx2.build(folder / "ltx2")
    shutil.copytree(folder / "ltx2" / "text_encoder", folder / "ltx2" / "prompt_enhancer")
    index = folder / "ltx2" / "model_index.json"
    values = json.loads(index.read_text())
    index.write_text(json.dumps({**values, "prompt_enhancer": values["text_encoder"]}))
    return folder


def text_encoder(models: Path, cache: Path, quantisation: str) -> Component:
    row = model_spec("ltx2", source="ltx2", dtype="bfloat16", quantisation=quantisation)
    return Library(models, cache).open(row).components["text_encoder"]


@pytest.mark.parametrize("quantisation", ["none", "int8"])
def test_a_language_model_without_eyes_and_mouth_takes_what_it_declares(
    models: Path, tmp_path: Path, quantisation: str
) -> None:
    component = text_encoder(models, tmp_path, quantisation)
    module = Loader(QuantisedStore(tmp_path)).load(component)
    assert not [n for n, _ in module.named_parameters() if "vision" in n or "projector" in n or "lm_head" in n]
    assert component.declared_bytes == pytest.approx(module_bytes(module), rel=0.01)


def test_it_says_of_a_text_what_the_whole_model_says(models: Path, tmp_path: Path) -> None:
    component = text_encoder(models, tmp_path, "none")
    bare = Loader(QuantisedStore(tmp_path)).load(component)
    whole = component.part.cls.from_pretrained(str(component.part.folder), dtype=torch.bfloat16)
    asked = {"input_ids": torch.tensor([[2, 5, 6, 7]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    with torch.no_grad():
        expected, made = (m(**asked, output_hidden_states=True).hidden_states for m in (whole, bare))
    assert len(made) == 3
    assert all(torch.equal(one, other) for one, other in zip(made, expected, strict=True))


def test_what_no_family_uses_is_no_component_and_weighs_nothing(models: Path, tmp_path: Path) -> None:
    opened = Library(models, tmp_path).open(model_spec("ltx2", source="ltx2"))
    assert "prompt_enhancer" not in opened.checkpoint.parts
    assert {"text_encoder", "connectors", "transformer", "vae"} <= opened.components.keys()
    found = weigh("ltx2", models=models)
    assert found.keys() == opened.components.keys()


def test_files_and_configuration_weigh_the_same(models: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(models / "ltx2", tmp_path / "ltx2", ignore=shutil.ignore_patterns("*.safetensors"))
    assert weigh(str(bare), models=tmp_path)["text_encoder"] == weigh("ltx2", models=models)["text_encoder"]
