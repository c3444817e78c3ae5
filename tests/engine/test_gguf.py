"""A transformer out of a single GGUF file, its other components out of the model's own checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader

from gpu_worker.contract import ComponentSource, LoraSpec, ModelSpec, RenderJob
from gpu_worker.engine import CheckpointBroken, Engine, ModelMissing, UnsupportedRequest
from gpu_worker.engine.memory.open_models import Library
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.engine.weights.storages import module_bytes
from tests.engine.jobs import frames_of, render
from tests.engine.test_quantisation import transformer_output
from tests.engine.tight_engines import engine_on, job, on_device, sizes_of, spec
from tests.tiny import gguf

pytestmark = pytest.mark.usefixtures("convolutions_in_single_precision")


@pytest.fixture(scope="module")
def folder(repos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    for packing in ("Q8_0", "Q4_0"):
        gguf.write(folder / f"one-{packing}.gguf", repos / "one/transformer", packing)
    return folder


def changes(folder: Path, packing: str = "Q8_0", **others: object) -> dict[str, object]:
    source = ComponentSource(source=str(folder), file=f"one-{packing}.gguf")
    return {"dtype": "bfloat16", "quantisation": "gguf", "components": {"transformer": source}, **others}


def packed_job(folder: Path, packing: str = "Q8_0", **others: object) -> RenderJob:
    return job("one", spec_changes=changes(folder, packing, **others))


def transformer(repos: Path, cache: Path, **row: object) -> torch.nn.Module:
    model: ModelSpec = spec("one", **row)
    return Loader(QuantisedStore(cache)).load(Library(repos, cache).open(model).components["transformer"])


@pytest.mark.parametrize(("packing", "least_cosine"), [("Q8_0", 0.999), ("Q4_0", 0.98)])
def test_it_says_nearly_the_same_as_the_whole_weights(
    repos: Path, tmp_path: Path, folder: Path, packing: str, least_cosine: float
) -> None:
    whole = transformer_output(transformer(repos, tmp_path, dtype="bfloat16"))
    packed = transformer_output(transformer(repos, tmp_path, **changes(folder, packing)))
    assert least_cosine < torch.nn.functional.cosine_similarity(whole, packed, dim=0) < 0.999999


@pytest.mark.parametrize("packing", ["Q8_0", "Q4_0"])
def test_bytes_on_the_device_are_those_of_the_file(repos: Path, tmp_path: Path, folder: Path, packing: str) -> None:
    engine = engine_on(repos, tmp_path)
    engine.preload(spec("one", **changes(folder, packing)))
    tensors = GGUFReader(folder / f"one-{packing}.gguf").tensors
    packed = sum(int(t.n_bytes) for t in tensors if t.tensor_type.name == packing)
    module = transformer(repos, tmp_path, **changes(folder, packing))
    others = sum(p.nbytes for p in (*module.parameters(), *module.buffers()) if not hasattr(p, "quant_type"))
    assert on_device(engine)["transformer"] == packed + others == module_bytes(module)
    assert engine.status().used_bytes == sum(on_device(engine).values())
    assert on_device(engine)["text_encoder"] == sizes_of(repos, tmp_path / "b", "one", dtype="bfloat16")["text_encoder"]


@pytest.mark.parametrize("host_bytes", [0, 2**30])
def test_frames_are_the_same_after_eviction_and_return(
    repos: Path, tmp_path: Path, folder: Path, host_bytes: int
) -> None:
    engine = engine_on(repos, tmp_path / "cache", host_bytes=host_bytes)
    first = frames_of(render(engine, packed_job(folder), tmp_path / "1").clip)
    assert engine.evict_all() == 3
    assert engine.status().used_bytes == 0
    assert np.array_equal(frames_of(render(engine, packed_job(folder), tmp_path / "2").clip), first)


def test_its_blocks_can_be_swapped(repos: Path, tmp_path: Path, folder: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache", host_bytes=2**30)
    first = frames_of(render(engine, packed_job(folder), tmp_path / "1").clip)
    swapped = packed_job(folder, placement="block_swap")
    assert np.array_equal(frames_of(render(engine, swapped, tmp_path / "2").clip), first)
    assert "transformer" not in on_device(engine)


def test_the_encoder_beside_it_can_be_quantised_otherwise(repos: Path, tmp_path: Path, folder: Path) -> None:
    whole = sizes_of(repos, tmp_path / "a", "one", **changes(folder))
    small = sizes_of(repos, tmp_path / "b", "one", **changes(folder, quantisation="int8"))
    assert small["transformer"] == whole["transformer"]
    assert small["text_encoder"] < whole["text_encoder"]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def garble(file: Path) -> None:
    file.write_bytes(b"\xff" * 5_000)


@pytest.mark.parametrize("damage", [cut, garble])
def test_a_damaged_file_says_so(repos: Path, tmp_path: Path, folder: Path, damage: Callable[[Path], None]) -> None:
    shutil.copy(folder / "one-Q8_0.gguf", tmp_path)
    damage(tmp_path / "one-Q8_0.gguf")
    engine = engine_on(repos, tmp_path / "cache")
    with pytest.raises(CheckpointBroken, match=r"one-Q8_0\.gguf cannot be read"):
        render(engine, packed_job(tmp_path), tmp_path / "1")
    render(engine, job("one"), tmp_path / "2")


def test_a_file_of_another_model_says_so(repos: Path, tmp_path: Path, models: Path) -> None:
    gguf.write(tmp_path / "one-Q8_0.gguf", models / "ltx/transformer")
    with pytest.raises(CheckpointBroken, match=r"one-Q8_0\.gguf"):
        render(engine_on(repos, tmp_path / "cache"), packed_job(tmp_path), tmp_path)


def test_what_a_row_cannot_mean_is_refused(repos: Path, tmp_path: Path, folder: Path) -> None:
    engine: Engine = engine_on(repos, tmp_path / "cache")
    refused: list[tuple[RenderJob, type[Exception], str]] = [
        (job("one", spec_changes={"quantisation": "gguf"}), UnsupportedRequest, "names its file"),
        (packed_job(folder, "Q5_1"), ModelMissing, "No one-Q5_1.gguf"),
        (packed_job(folder, loras=(LoraSpec(source=str(folder / "one-Q8_0.gguf")),)), UnsupportedRequest, "LoRA"),
        (
            job("cog", spec_changes={**changes(folder)}),
            UnsupportedRequest,
            "diffusers reads no GGUF files of CogVideoXTransformer3DModel",
        ),
    ]
    for wrong, error, reason in refused:
        with pytest.raises(error, match=reason):
            render(engine, wrong, tmp_path)
    assert engine.status().used_bytes == sum(r.size_bytes for r in engine.status().residents)


def test_without_the_library_it_is_refused_before_it_is_taken(
    repos: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    assert engine.can_hold(packed_job(folder)) is None
    monkeypatch.setattr("gpu_worker.engine.weights.quantisation.importlib.util.find_spec", lambda name: None)
    reason = engine.can_hold(packed_job(folder))
    assert reason is not None
    assert "gguf needs the package 'gguf', which is not installed" in reason
