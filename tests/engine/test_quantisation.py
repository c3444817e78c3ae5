"""Eight bits instead of sixteen or more: half the memory, nearly the same picture, made once."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
from collections.abc import Callable
from pathlib import Path

import bitsandbytes
import numpy as np
import pytest
import torch
from torch._inductor import config as inductor

from gpu_worker.contract import ModelSpec
from gpu_worker.engine import Engine, UnsupportedRequest
from gpu_worker.engine.memory.open_models import Library
from gpu_worker.engine.weights import quantisation
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader, load_meta_module
from gpu_worker.engine.weights.module_weights import Weights
from gpu_worker.engine.weights.nf4 import Nf4Tensor
from gpu_worker.engine.weights.quantisation import QuantisedStore, quantise
from gpu_worker.engine.weights.storages import module_bytes
from tests.engine.jobs import frames_of, render
from tests.engine.simulation import fake_component
from tests.engine.tight_engines import engine_on, job, on_device, sizes_of, spec

pytestmark = pytest.mark.usefixtures("convolutions_in_single_precision")


def component_of(repos: Path, cache: Path, name: str, source: str = "one", **changes: object) -> Component:
    model: ModelSpec = spec(source, **{"dtype": "bfloat16", "quantisation": "int8", **changes})
    return Library(repos, cache).open(model).components[name]


def loaded(component: Component, cache: Path) -> torch.nn.Module:
    return Loader(QuantisedStore(cache / "quantised")).load(component)


def written(cache: Path) -> list[Path]:
    return sorted((cache / "quantised").glob("*.safetensors"))


def transformer_output(module: torch.nn.Module) -> torch.Tensor:
    """What the LTX transformer says to fixed inputs."""
    generator = torch.Generator().manual_seed(0)
    tokens, text = torch.randn(1, 8, 8, generator=generator), torch.randn(1, 16, 32, generator=generator)
    with torch.no_grad():
        (output,) = module(
            hidden_states=tokens.bfloat16(),
            encoder_hidden_states=text.bfloat16(),
            timestep=torch.tensor([500]),
            encoder_attention_mask=torch.ones(1, 16, dtype=torch.bool),
            num_frames=2,
            height=2,
            width=2,
            return_dict=False,
        )
    return torch.Tensor(output).float().flatten()


@pytest.mark.parametrize(
    ("quantisation", "left", "least_cosine"), [("int8", 0.55, 0.995), ("fp8", 0.55, 0.995), ("nf4", 0.30, 0.98)]
)
def test_it_takes_a_part_of_the_bytes_and_says_nearly_the_same(
    repos: Path, tmp_path: Path, quantisation: str, left: float, least_cosine: float
) -> None:
    plain = loaded(component_of(repos, tmp_path, "transformer", quantisation="none"), tmp_path)
    small = loaded(component_of(repos, tmp_path, "transformer", quantisation=quantisation), tmp_path)
    assert left - 0.05 < module_bytes(small) / module_bytes(plain) < left + 0.05
    similarity = torch.nn.functional.cosine_similarity(transformer_output(plain), transformer_output(small), dim=0)
    assert least_cosine < similarity < 0.999999


def test_bytes_are_counted_right_where_diffusers_counts_twice(repos: Path, tmp_path: Path) -> None:
    plain = loaded(component_of(repos, tmp_path, "transformer", quantisation="none"), tmp_path)
    small = loaded(component_of(repos, tmp_path, "transformer"), tmp_path)
    quantised = [t for t in small.parameters() if type(t).__name__ == "Int8Tensor"]
    by_hand = sum(t.qdata.nbytes + t.scale.nbytes + t.zero_point.nbytes for t in quantised)  # type: ignore[attr-defined]
    by_hand += sum(t.nbytes for t in (*small.parameters(), *small.buffers()) if type(t).__name__ != "Int8Tensor")
    assert module_bytes(small) == by_hand
    claimed = small.get_memory_footprint()  # type: ignore[operator]
    assert claimed == plain.get_memory_footprint()  # type: ignore[operator]
    assert claimed / module_bytes(small) > 1.75


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(64, 128), (64, 96), (48, 32), (32, 16), (7, 24), (5, 13), (3, 200)])
def test_four_bits_come_back_as_the_scaled_values_of_the_format(shape: tuple[int, int], dtype: torch.dtype) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(3)).to(dtype)
    small, values = Nf4Tensor.of(weight), bitsandbytes.functional.quantize_4bit(weight, quant_type="nf4")[1].code
    pairs = small.packed.flatten()
    picked = torch.stack([pairs >> 4, pairs & 15], dim=1).flatten()[: math.prod(shape)].long()
    scales = small.absmax.repeat_interleave(64)[: math.prod(shape)]
    assert torch.equal(small.dequantize(), (values[picked] * scales).reshape(shape).to(dtype))


def test_four_bits_are_counted_with_their_scales(repos: Path, tmp_path: Path) -> None:
    module = loaded(component_of(repos, tmp_path, "transformer", quantisation="nf4"), tmp_path)
    packed = [p for p in module.parameters() if isinstance(p, Nf4Tensor)]
    by_hand = sum(p.numel() // 2 + 4 * p.numel() // 64 for p in packed)
    by_hand += sum(t.nbytes for t in (*module.parameters(), *module.buffers()) if not isinstance(t, Nf4Tensor))
    assert len(packed) > 10
    assert module_bytes(module) == by_hand


@pytest.mark.parametrize("quantisation", ["int8", "nf4"])
@pytest.mark.parametrize(("source", "name"), [("one", "transformer"), ("cog", "transformer"), ("one", "text_encoder")])
def test_it_is_quantised_once_and_read_back_the_same(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str, quantisation: str
) -> None:
    component = component_of(repos, tmp_path, name, source, quantisation=quantisation)
    first = loaded(component, tmp_path)
    assert len(written(tmp_path)) == 1
    monkeypatch.setattr(Loader, "_make", None)  # a second time would fail
    again = loaded(component, tmp_path)
    assert module_bytes(again) == module_bytes(first)
    state = again.state_dict()
    assert state.keys() == first.state_dict().keys()
    for place, tensor in first.state_dict().items():
        assert type(state[place]) is type(tensor)
        assert torch.equal(dequantised(state[place]), dequantised(tensor)), place
    assert [b.shape for b in again.buffers()] == [b.shape for b in first.buffers()]
    assert not any(t.is_meta for t in Weights(again).tensors)


def dequantised(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.dequantize() if type(tensor) is not torch.Tensor else tensor


@pytest.mark.parametrize("quantisation", ["int8", "nf4"])
def test_frames_are_the_same_when_the_weights_come_from_the_store(
    repos: Path, tmp_path: Path, quantisation: str
) -> None:
    changes = {"dtype": "bfloat16", "quantisation": quantisation}
    engines = [engine_on(repos, tmp_path / "cache") for _ in range(2)]
    clips = [render(e, job("one", spec_changes=changes), tmp_path / str(i)) for i, e in enumerate(engines)]
    assert np.array_equal(frames_of(clips[0].clip), frames_of(clips[1].clip))


@pytest.mark.parametrize("quantisation", ["int8", "nf4"])
def test_frames_are_the_same_after_eviction_to_main_memory(repos: Path, tmp_path: Path, quantisation: str) -> None:
    changes = {"dtype": "bfloat16", "quantisation": quantisation}
    engine = engine_on(repos, tmp_path / "cache", host_bytes=2**30)
    first = render(engine, job("one", spec_changes=changes), tmp_path / "1")
    assert engine.evict_all() == 3
    assert engine.status().used_bytes == 0
    again = render(engine, job("one", spec_changes=changes), tmp_path / "2")
    assert np.array_equal(frames_of(first.clip), frames_of(again.clip))


def test_only_what_bears_it_is_quantised(repos: Path, tmp_path: Path) -> None:
    whole = sizes_of(repos, tmp_path / "a", "cog", dtype="bfloat16")
    small = sizes_of(repos, tmp_path / "b", "cog", dtype="bfloat16", quantisation="int8")
    assert small["vae"] == whole["vae"]
    assert small["text_encoder"] < whole["text_encoder"]
    module = loaded(component_of(repos, tmp_path, "transformer", "cog"), tmp_path)
    kinds = {name: type(p).__name__ for name, p in module.named_parameters()}
    assert kinds["transformer_blocks.0.attn1.to_q.weight"] == "Int8Tensor"
    assert kinds["transformer_blocks.0.norm1.linear.weight"] == "Parameter"


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def restamp(file: Path) -> None:
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["stamp"] = header["__metadata__"]["stamp"][:-5] + "9.9.9"
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


@pytest.mark.parametrize("damage", [cut, restamp, Path.unlink])
def test_a_kept_file_that_cannot_be_used_is_made_again(
    repos: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    component = component_of(repos, tmp_path, "transformer")
    first = loaded(component, tmp_path)
    (file,) = written(tmp_path)
    damage(file)
    store = QuantisedStore(tmp_path / "quantised")
    assert not store.fill(component, load_meta_module(component))
    again = loaded(component, tmp_path)
    assert torch.equal(transformer_output(first), transformer_output(again))
    assert store.fill(component, load_meta_module(component))


def test_without_room_for_the_file_the_render_goes_on(repos: Path, tmp_path: Path) -> None:
    (tmp_path / "quantised").write_text("no folder")
    component = component_of(repos, tmp_path, "transformer")
    assert module_bytes(loaded(component, tmp_path)) > 0


def test_a_disk_that_is_full_half_way_keeps_nothing_of_the_file(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, *_: object) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(quantisation, "write_tensors", full)
    component = component_of(repos, tmp_path, "transformer")
    assert module_bytes(loaded(component, tmp_path)) > 0
    assert list((tmp_path / "quantised").glob("*.unfinished")) == []


def test_what_a_process_that_was_killed_left_of_the_file_goes_when_it_is_made(repos: Path, tmp_path: Path) -> None:
    own, other = (component_of(repos, tmp_path, name) for name in ("transformer", "text_encoder"))
    store = QuantisedStore(tmp_path / "quantised")
    (tmp_path / "quantised").mkdir()
    left, being_made = (store.file(c).with_suffix(".99999.unfinished") for c in (own, other))
    for path in (left, being_made):
        path.write_bytes(b"half")
    loaded(own, tmp_path)
    assert (left.exists(), being_made.exists()) == (False, True)


def test_narrow_layers_stay_as_they_are(repos: Path, tmp_path: Path) -> None:
    narrow = torch.nn.Sequential(torch.nn.Linear(24, 64), torch.nn.Linear(64, 24)).bfloat16()
    quantise(narrow, component_of(repos, tmp_path, "transformer"))
    assert all(type(p) is torch.nn.Parameter for p in narrow.parameters())


def test_an_unknown_quantisation_is_refused(repos: Path, tmp_path: Path) -> None:
    engine: Engine = engine_on(repos, tmp_path / "cache")
    with pytest.raises(UnsupportedRequest, match="No quantisation 'int3'; there are: none, int8, fp8, nf4, gguf"):
        render(engine, job("one", spec_changes={"quantisation": "int3"}), tmp_path)
    assert on_device(engine) == {}


def test_blocks_of_four_bit_weights_can_be_swapped(repos: Path, tmp_path: Path) -> None:
    changes = {"dtype": "bfloat16", "quantisation": "nf4"}
    engine = engine_on(repos, tmp_path / "cache", host_bytes=2**30)
    first = frames_of(render(engine, job("one", spec_changes=changes), tmp_path / "1").clip)
    swapped = job("one", spec_changes={**changes, "placement": "block_swap"})
    assert np.array_equal(frames_of(render(engine, swapped, tmp_path / "2").clip), first)


@pytest.mark.parametrize("quantisation", ["int8", "fp8", "nf4"])
def test_what_is_declared_before_the_first_load_is_what_it_takes(
    repos: Path, tmp_path: Path, quantisation: str
) -> None:
    component = component_of(repos, tmp_path, "transformer", quantisation=quantisation)
    assert component.declared_bytes == pytest.approx(module_bytes(loaded(component, tmp_path)), rel=0.01)


def test_without_its_library_four_bits_are_refused_before_the_job_is_taken(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    four_bits = job("one", spec_changes={"dtype": "bfloat16", "quantisation": "nf4"})
    assert engine.can_hold(four_bits) is None
    monkeypatch.setattr("gpu_worker.engine.weights.quantisation.importlib.util.find_spec", lambda name: None)
    reason = engine.can_hold(four_bits)
    assert reason is not None
    assert "nf4 needs the package 'bitsandbytes', which is not installed on this worker; use int8" in reason
    with pytest.raises(UnsupportedRequest, match="bitsandbytes"):
        render(engine, four_bits, tmp_path)


@pytest.mark.parametrize("name", ["int8", "fp8"])
def test_quantising_leaves_how_the_process_compiles_alone(name: str) -> None:
    before = inductor.get_config_copy()
    module = torch.nn.Sequential(torch.nn.Linear(64, 64, dtype=torch.bfloat16))
    quantise(module, dataclasses.replace(fake_component("transformer"), dtype="bfloat16", quantisation=name))
    assert inductor.get_config_copy() == before
