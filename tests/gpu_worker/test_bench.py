"""The command that measures a host: it runs anywhere, and says what it measured."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gpu_worker.__main__ import main
from gpu_worker.bench import speed
from gpu_worker.bench.speed import PLAIN, Measured, SpeedBench, psnr
from gpu_worker.bench.subjects import SUBJECTS
from gpu_worker.engine.memory.devices import Cpu
from gpu_worker.families.speed import SETTINGS
from tests.single_precision import convolutions_in_single_precision

__all__ = ["convolutions_in_single_precision"]

pytestmark = pytest.mark.usefixtures("convolutions_in_single_precision")


@pytest.fixture(autouse=True, scope="module")
def single_thread() -> Iterator[None]:
    """Two threads make tiny models ten times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_it_measures_every_way_of_holding_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--only", "weights", "--size", "small", "--steps", "1", "--folder", str(tmp_path)]
    assert main(["bench", "ltx-2b", *options]) == 0

    said = capsys.readouterr().out
    assert "small models" in said
    rows = [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("| ")]
    assert rows == ["weights", "plain diffusers", "none", "int8", "fp8", "none, block swap"]
    assert "of a plain read; swap from main memory" in said
    assert list(tmp_path.iterdir()) == []


def test_each_speed_setting_is_measured_beside_the_same_render_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, rounds = 6, 1
    every = speed.settings
    # Blocks are compiled up to the machine code: a minute of g++, which test_speed spends on the engine's own renders.
    compiled_here = {"compile_repeated_blocks": {"compile_repeated_blocks": {"backend": "aot_eager"}}}
    monkeypatch.setattr(speed, "settings", lambda mag_ratios: every(mag_ratios) | compiled_here)
    ticks = itertools.count()

    def clock() -> float:
        """One more each time that it is read, and a thousand for each graph that was compiled."""
        return next(ticks) + 1000 * torch._dynamo.utils.counters["stats"]["unique_graphs"]

    subject = replace(SUBJECTS["wan-1.3b"], prompt=lambda width: {"prompt_embeds": torch.randn(1, 32, width)})
    speed_bench = SpeedBench(subject, "small", Cpu(2**30, 2**30), tmp_path, steps=steps, clock=clock)
    rows = {row.name: row for row in speed_bench.measured(rounds)}

    assert {name.partition(":")[0] for name in rows} == {PLAIN, *SETTINGS}
    measured = {name: row for name, row in rows.items() if isinstance(row, Measured)}
    assert {name.partition(":")[0] for name in measured} == {PLAIN, *SETTINGS}
    for row in measured.values():
        assert len(row.step_ratios) == len(row.decoding_ratios) == rounds
        assert row.peak_bytes > 0
        assert row.cosine > 0.5
    assert measured[PLAIN].cosine == pytest.approx(1)
    assert measured[PLAIN].psnr == math.inf
    assert measured["channels_last_vae"].cosine == pytest.approx(1)  # the denoiser's answers are before it
    for cache in ("mag_cache", "sea_cache: 0.5", "taylorseer_cache"):
        assert measured[cache].cosine < 1 - 1e-6
        assert measured[cache].psnr < math.inf
    compiled = measured["compile_repeated_blocks"]
    assert (
        compiled.first_seconds > 1000
    )  # the steps after it may hold a recompilation: caches leave their hooks' forward


def test_a_row_that_only_names_sea_cache_loses_next_to_nothing(tmp_path: Path) -> None:
    speed_bench = SpeedBench(SUBJECTS["ltx-2b"], "small", Cpu(2**30), tmp_path, steps=30)
    plain, skipping = speed_bench._take({}), speed_bench._take({"sea_cache": {}})
    assert 0.995 <= Measured.of("sea_cache", skipping, plain).cosine < 1 - 1e-6


def test_what_cannot_run_here_is_printed_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each setting once: every backend is measured above.
    monkeypatch.setattr(speed, "ATTENTIONS", ("_native_math", "flash"))
    options = ["--only", "speed", "--size", "small", "--steps", "4", "--rounds", "1", "--folder", str(tmp_path)]
    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}):
        assert main(["bench", "ltx-2b", *options]) == 0

    table, refused = capsys.readouterr().out.split("Not here:")
    measured = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert measured[:2] == ["setting", PLAIN]
    reasons = dict(re.findall(r"^- `(.*)`: (.*)$", refused, re.MULTILINE))
    assert "compile" in reasons["compile_repeated_blocks"].lower()
    assert "LTX-Video does not use fused projections" in reasons["fused_qkv"]
    assert "flash-attn" in reasons["attention_backend: flash"]
    assert {name.partition(":")[0] for name in (*measured[2:], *reasons)} == set(SETTINGS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("of", "decibels"), [(0, math.inf), (1, 40.0), (10, 20.0)])
def test_the_distance_of_two_clips_is_over_the_range_of_the_first(of: int, decibels: float) -> None:
    plain = np.array([50, 150] * 8, dtype=np.uint8).reshape(1, 4, 4, 1)
    assert psnr(plain + np.uint8(of), plain) == pytest.approx(decibels)


def test_an_unknown_model_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "sora"])
    assert "no model sora; there are: ltx-2b, wan-1.3b" in capsys.readouterr().err
