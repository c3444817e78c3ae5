"""What a checkpoint holds and no render uses is not read, counted or fetched; the rest answers as with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import LTX2Pipeline

from gpu_worker.engine import Cpu, Engine
from gpu_worker.engine.memory.open_models import Library
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.engine.weights.storages import module_bytes
from gpu_worker.weigh import weigh
from tests.engine.jobs import Listener, model_spec, render_job
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
    ltx2.build(folder / "ltx2.5", is_2_5=True)
    return folder


def text_encoder(models: Path, cache: Path, source: str, quantisation: str) -> Component:
    row = model_spec("ltx2", source=source, dtype="bfloat16", quantisation=quantisation)
    return Library(models, cache).open(row).components["text_encoder"]


@pytest.mark.parametrize("quantisation", ["none", "int8"])
@pytest.mark.parametrize("source", ["ltx2", "ltx2.5"])
def test_a_language_model_without_eyes_and_mouth_takes_what_it_declares(
    models: Path, tmp_path: Path, source: str, quantisation: str
) -> None:
    component = text_encoder(models, tmp_path, source, quantisation)
    module = Loader(QuantisedStore(tmp_path)).load(component)
    unused = ("vision", "audio", "projector", "lm_head")
    assert not [name for name, _ in module.named_parameters() if any(part in name for part in unused)]
    assert component.declared_bytes == pytest.approx(module_bytes(module), rel=0.01)


@pytest.mark.parametrize("source", ["ltx2", "ltx2.5"])
def test_it_says_of_a_text_what_the_whole_model_says(models: Path, tmp_path: Path, source: str) -> None:
    component = text_encoder(models, tmp_path, source, "none")
    bare = Loader(QuantisedStore(tmp_path)).load(component)
    whole = component.part.cls.from_pretrained(str(component.part.folder), dtype=torch.bfloat16)
    asked = {"input_ids": torch.tensor([[2, 5, 6, 7]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    with torch.no_grad():
        expected, made = (m(**asked, output_hidden_states=True).hidden_states for m in (whole, bare))
    assert len(made) == 3
    assert all(torch.equal(one, other) for one, other in zip(made, expected, strict=True))


@pytest.mark.usefixtures("convolutions_in_single_precision")
def test_a_clip_of_ltx_2_5_is_that_of_its_whole_encoder(models: Path, tmp_path: Path) -> None:
    """Its Gemma 4 goes a way of its own through the engine: other classes, and heads of two widths."""
    call = {"guidance_scale": 3.0, "spatio_temporal_guidance_blocks": [1], "max_sequence_length": 64}
    wanted = render_job("ltx2", model=model_spec("ltx2", source="ltx2.5"), call=call, steps=2)
    engine = Engine(device=Cpu(2**30), models=models, cache=tmp_path / "cache")
    listener = Listener()
    made = engine.render_frames(
        wanted, inputs={}, folder=tmp_path, on_progress=listener, should_stop=listener.should_stop
    )
    made.discard()
    pipeline = LTX2Pipeline.from_pretrained(models / "ltx2.5")
    pipeline.set_progress_bar_config(disable=True)
    output = pipeline(
        prompt=wanted.prompt,
        negative_prompt=wanted.negative_prompt,
        width=wanted.width,
        height=wanted.height,
        num_frames=wanted.num_frames,
        frame_rate=wanted.fps,
        num_inference_steps=wanted.steps,
        generator=torch.Generator().manual_seed(wanted.seed),
        output_type="np",
        **call,
    )
    assert np.abs(made.raw.frames - 255 * output.frames[0]).max() <= 1


def test_what_no_family_uses_is_no_component_and_weighs_nothing(models: Path, tmp_path: Path) -> None:
    opened = Library(models, tmp_path).open(model_spec("ltx2", source="ltx2"))
    assert "prompt_enhancer" not in opened.checkpoint.parts
    assert {"text_encoder", "connectors", "transformer", "vae"} <= opened.components.keys()
    found = weigh("ltx2", models=models)
    assert found.keys() == opened.components.keys()


def test_files_and_configuration_weigh_the_same(models: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(models / "ltx2", tmp_path / "ltx2", ignore=shutil.ignore_patterns("*.safetensors"))
    assert weigh(str(bare), models=tmp_path)["text_encoder"] == weigh("ltx2", models=models)["text_encoder"]
