"""Reading weights: the same module as the libraries read, from files that are only trusted when they are whole."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from gpu_worker.engine import CheckpointBroken, ModelMissing
from gpu_worker.engine.weights.checkpoint import open_checkpoint
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.engine.weights.tensor_files import stored_tensors, weight_files, write_tensors
from gpu_worker.engine.weights.unused_parts import is_unused
from gpu_worker.families.preview import SHIPPED, SOURCE
from tests.engine.jobs import model_spec

TINY = sorted(
    path.stem
    for path in (Path(__file__).parents[1] / "tiny").glob("*.py")
    if "\ndef build(" in path.read_text() and path.stem != "preview"
)


def everything(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Also what is not part of a checkpoint: tables that a model computes for itself."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", TINY)
def test_what_is_loaded_is_what_the_libraries_load(tmp_path: Path, name: str, dtype: str) -> None:
    importlib.import_module(f"tests.tiny.{name}").build(tmp_path / name)
    checkpoint = open_checkpoint(model_spec(source=name), tmp_path)
    for part in checkpoint.parts.values():
        if not part.has_weights:
            continue
        argument = "dtype" if part.library == "transformers" else "torch_dtype"
        expected = part.cls.from_pretrained(str(part.folder), **{argument: getattr(torch, dtype)})
        loaded = Loader(QuantisedStore(tmp_path)).load(Component(f"{name}/{part.name}", part, dtype))
        wanted = {k: v for k, v in everything(expected).items() if not is_unused(part.class_name, k)}
        found = everything(loaded)
        assert wanted.keys() == found.keys()
        for place, tensor in wanted.items():
            assert found[place].dtype == tensor.dtype, place
            assert torch.equal(found[place], tensor), place
        assert not loaded.training
        assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_every_tensor_has_memory_of_its_own(repos: Path, tmp_path: Path) -> None:
    part = open_checkpoint(model_spec(source="one"), repos).parts["transformer"]
    module = Loader(QuantisedStore(tmp_path)).load(Component("one", part, "float32"))
    assert all(parameter.untyped_storage().nbytes() == parameter.nbytes for parameter in module.parameters())


def test_weights_that_a_checkpoint_lacks_are_named(repos: Path, tmp_path: Path) -> None:
    part = open_checkpoint(model_spec(source="one"), repos).parts["transformer"]
    with stored_tensors(weight_files(part.folder, "diffusion_pytorch_model")) as stored:
        tensors = {name: tensor.read() for name, tensor in stored.items() if name != "proj_out.weight"}
    poor = tmp_path / "poor"
    poor.mkdir()
    (poor / "config.json").write_text((part.folder / "config.json").read_text())
    save_file(tensors, poor / "diffusion_pytorch_model.safetensors")
    with pytest.raises(CheckpointBroken, match=r"proj_out\.weight"):
        Loader(QuantisedStore(tmp_path)).load(Component("poor", replace(part, folder=poor), "float32"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int8, torch.bool, torch.int64])
def test_tensors_come_back_as_they_were_stored(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {
        "empty": torch.empty(0, 3, dtype=dtype),
        "scalar": torch.ones((), dtype=dtype),
        "matrix": torch.randint(0, 2, (5, 7)).to(dtype),
    }
    save_file(tensors, tmp_path / "t.safetensors", {"some": "metadata"})
    with stored_tensors([tmp_path / "t.safetensors"]) as stored:
        assert stored.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert torch.equal(stored[name].read(), tensor)
            assert stored[name].read(torch.float16).dtype == (torch.float16 if dtype.is_floating_point else dtype)


def test_a_file_with_bytes_too_many_or_too_few_is_no_safetensors_file(tmp_path: Path) -> None:
    file = tmp_path / "t.safetensors"
    save_file({"a": torch.zeros(100)}, file)
    whole = file.read_bytes()
    for content in (whole[:-1], whole + b"x", whole[:5], b""):
        file.write_bytes(content)
        with pytest.raises((SafetensorError, OSError)), stored_tensors([file]):
            pass


def test_a_file_that_is_cut_short_while_it_is_read_says_so(tmp_path: Path) -> None:
    file = tmp_path / "t.safetensors"
    save_file({"a": torch.zeros(100)}, file)
    with stored_tensors([file]) as stored:
        file.write_bytes(file.read_bytes()[:-50])
        with pytest.raises(OSError, match="in the middle"):
            stored["a"].read()


def test_shards_are_those_of_the_index_and_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-2.safetensors", "b": "../../model-1.safetensors", "c": "model-2.safetensors"}}'
    )
    assert weight_files(tmp_path, "model") == [tmp_path / "model-1.safetensors", tmp_path / "model-2.safetensors"]
    assert weight_files(tmp_path, "other") == [tmp_path / "other.safetensors"]


def test_what_is_written_the_library_reads(tmp_path: Path) -> None:
    tensors = {
        "scalar": torch.tensor(3.5, dtype=torch.bfloat16),
        "turned": torch.arange(12, dtype=torch.int8).reshape(3, 4).t(),
        "empty": torch.empty(0, 4),
        "odd": torch.ones(3, dtype=torch.uint8),
        "eight bits": torch.ones(2, 2).to(torch.float8_e4m3fn),
    }
    write_tensors(tmp_path / "file", tensors.items, {"stamp": "made by “hand”"})
    found = load_file(tmp_path / "file")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name].float(), tensor.float()), name
    with safe_open(tmp_path / "file", "pt") as opened:
        assert opened.metadata() == {"stamp": "made by “hand”"}


def test_the_preview_model_is_there_without_being_put_into_the_folder_of_models(tmp_path: Path) -> None:
    assert open_checkpoint(model_spec(source=SOURCE), tmp_path).folder == SHIPPED
    (tmp_path / SOURCE).mkdir()
    with pytest.raises(ModelMissing, match=str(tmp_path)):  # one of one's own that is no checkpoint
        open_checkpoint(model_spec(source=SOURCE), tmp_path)
