"""Products in eight bits: close to those of whole weights, for one row's renders only, refused where they cannot be."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gpu_worker.contract import RenderJob
from gpu_worker.engine import UnsupportedRequest
from gpu_worker.engine.errors import UnsupportedHere
from gpu_worker.engine.requests import check_row
from gpu_worker.engine.video import eight_bit_products
from gpu_worker.engine.weights.quantisation import quantise_weight
from tests.engine.jobs import frames_of, render
from tests.engine.tight_engines import engine_on, job, spec

CPU = torch.device("cpu")
LEAST_COSINES = {"int8": 0.9995, "fp8": 0.998}


def quantised_layer(quantisation: str) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    """A layer, and the same with weights in eight bits."""
    generator = torch.Generator().manual_seed(0)
    whole = torch.nn.Linear(128, 96, dtype=torch.bfloat16).requires_grad_(False)
    whole.weight.copy_(torch.randn(96, 128, generator=generator) / 11)
    quantised = torch.nn.Linear(128, 96, dtype=torch.bfloat16).requires_grad_(False)
    quantised.weight = torch.nn.Parameter(quantise_weight(whole.weight, quantisation), requires_grad=False)
    quantised.bias.copy_(whole.bias)
    return whole, quantised


@pytest.mark.parametrize("quantisation", LEAST_COSINES)
@pytest.mark.parametrize("shape", [(2, 50, 128), (100, 128), (3, 128)])
def test_products_are_close_to_those_of_whole_weights(
    monkeypatch: pytest.MonkeyPatch, quantisation: str, shape: tuple[int, ...]
) -> None:
    monkeypatch.setattr(eight_bit_products, "TOKENS_AT_ONCE", 40)  # so that there are several parts, not all as long
    whole, quantised = quantised_layer(quantisation)
    given = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.bfloat16)
    widened = quantised(given)
    with ExitStack() as undo:
        eight_bit_products.switch_on(quantised, undo)
        made = quantised(given)
    assert made.shape == (*shape[:-1], 96)
    assert made.dtype == given.dtype
    cosine = torch.nn.functional.cosine_similarity(made.float().flatten(), whole(given).float().flatten(), dim=0)
    assert cosine >= LEAST_COSINES[quantisation]
    is_narrow = given[..., 0].numel() >= eight_bit_products.LEAST_TOKENS
    assert torch.equal(made, widened) is not is_narrow
    assert torch.equal(quantised(given), widened)


def test_a_token_of_zeros_stays_one() -> None:
    _, quantised = quantised_layer("int8")
    with ExitStack() as undo:
        eight_bit_products.switch_on(quantised, undo)
        made = quantised(torch.zeros(64, 128, dtype=torch.bfloat16))
    assert torch.equal(made, quantised.bias.expand(64, 96))


def narrow_job(speed: dict[str, Any], quantisation: str = "int8", **changes: Any) -> RenderJob:
    return job("one", spec_changes={"quantisation": quantisation, "speed": speed}, **changes)


@pytest.mark.parametrize("quantisation", LEAST_COSINES)
def test_a_row_has_them_for_its_own_renders_and_its_similarity_says_what_they_cost(
    repos: Path, tmp_path: Path, quantisation: str
) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    plain = frames_of(render(engine, narrow_job({}, quantisation), tmp_path / "1").clip)
    narrow = {"eight_bit_products": True}
    compared = render(engine, narrow_job(narrow, quantisation, is_compared=True), tmp_path / "2")
    assert compared.similarity is not None
    assert compared.similarity >= 0.995
    assert not np.array_equal(frames_of(compared.clip), plain)
    assert np.array_equal(frames_of(render(engine, narrow_job({}, quantisation), tmp_path / "3").clip), plain)
    quantised = [e for e in engine._residency.entries.values() if f":{quantisation}" in e.component.key]
    assert [e.component.name for e in quantised].count("transformer") == 1


def test_compiled_blocks_multiply_so_too(repos: Path, tmp_path: Path) -> None:
    torch._dynamo.reset()
    engine, narrow = engine_on(repos, tmp_path / "cache"), {"eight_bit_products": True}
    expected = frames_of(render(engine, narrow_job(narrow), tmp_path / "1").clip).astype(int)
    compiled = {"compile_repeated_blocks": {"backend": "eager", "fullgraph": True}, **narrow}
    made = frames_of(render(engine, narrow_job(compiled), tmp_path / "2").clip)
    assert np.abs(made - expected).max() <= 1


def test_whoever_cannot_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = {"eight_bit_products": True}
    with pytest.raises(UnsupportedRequest, match="quantisation is none; it has to be int8 or fp8"):
        check_row(spec("one", speed=narrow), CPU)
    check_row(spec("one", speed=narrow, quantisation="int8"), CPU)

    def refuse(*_: Any, **__: Any) -> torch.Tensor:
        raise RuntimeError("_int_mm_out_cuda not compiled for this platform.\nMore words")

    eight_bit_products.try_on.cache_clear()
    monkeypatch.setattr(torch, "_int_mm", refuse)
    with pytest.raises(
        UnsupportedHere, match="cannot multiply in int8: _int_mm_out_cuda not compiled for this platform"
    ):
        check_row(spec("one", speed=narrow, quantisation="int8"), CPU)
    monkeypatch.setattr(torch, "_int_mm", lambda narrow, matrix: torch.zeros(len(narrow), matrix.shape[1]))
    with pytest.raises(UnsupportedHere, match="multiplies wrongly in int8"):
        check_row(spec("one", speed=narrow, quantisation="int8"), CPU)
    eight_bit_products.try_on.cache_clear()
