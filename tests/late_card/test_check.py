"""``python -m gpu_worker check``, on the simulated card, on the processor, and on a CUDA card where there is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from gpu_worker.__main__ import main
from gpu_worker.check import arithmetic
from gpu_worker.check.command import check
from gpu_worker.check.memory import Amounts
from gpu_worker.engine import Cpu, Cuda
from gpu_worker.engine.sizes import show_bytes
from gpu_worker.engine.weights import quantisation
from tests.late_card.card import KIND, Card

MIB = 2**20
SMALL = Amounts(pinned_bytes=(MIB,), copied_bytes=MIB)


def outcomes(report: Path) -> dict[str, str]:
    return {name: how for how, name in re.findall(r"^(ok|failed|skipped) +([^:]+):", report.read_text(), re.M)}


def check_card(report: Path) -> int:
    return check(Cuda(kind=KIND, host_bytes=2**30, pinned_bytes=2**29), ["ltx"], report, SMALL)


def test_a_good_card_is_ready(card: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.txt"
    assert check_card(report) == 0, report.read_text()
    found = outcomes(report)
    of_memory = ("context", f"pin {show_bytes(MIB)}", "copies", "out of memory")
    for name in (*of_memory, "layer, int8", "products, int8", "products, fp8", "attention, native", "block swap"):
        assert found[name] == "ok", report.read_text()
    assert found["clip, LTX-Video"] == "ok"
    assert "READY (" in capsys.readouterr().out.splitlines()[-2]


def test_a_card_that_refuses_to_pin_is_not_ready(
    card: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card.limit_pinned(MIB // 2)
    report = tmp_path / "report.txt"
    assert check_card(report) == 1
    assert outcomes(report)[f"pin {show_bytes(MIB)}"] == "failed"
    assert "Raise the limit of locked memory" in report.read_text()
    assert "Traceback" in report.read_text()
    assert capsys.readouterr().out.splitlines()[-2].startswith("NOT READY")


def test_a_budget_that_does_not_bind_is_found(card: Card, tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    device = Cuda(kind=KIND, budget_bytes=64 * MIB, host_bytes=2**30, pinned_bytes=2**29)
    card.limit(2**40)  # as where a driver spills into main memory
    assert check(device, [], report, SMALL) == 1
    assert "were given, beyond the budget" in report.read_text()


def test_the_processor_skips_what_only_a_card_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"GPU_WORKER_DEVICE": "cpu", "GPU_WORKER_RAM": "1GiB", "PYTORCH_ALLOC_CONF": "x"}.items():
        monkeypatch.setenv(name, value)
    report = tmp_path / "report.txt"
    assert main(["check", "--family", "ltx", "--report", str(report)]) == 0, report.read_text()
    found = outcomes(report)
    assert {found[name] for name in ("context", "copies", "out of memory")} == {"skipped"}
    assert found["layer, none"] == found["clip, LTX-Video"] == "ok"


def test_a_wrong_answer_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(arithmetic.LEAST_COSINES, "int8", 1.1)
    report = tmp_path / "report.txt"
    assert check(Cpu(2**30, 2**30), [], report, SMALL) == 1
    assert outcomes(report)["layer, int8"] == "failed"


def test_layers_are_quantised_on_the_card_as_a_worker_does_it(
    card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def watched(weight: torch.Tensor, name: str) -> torch.Tensor:
        seen.append(weight.device.type)
        return quantised(weight, name)

    quantised = quantisation._quantised
    monkeypatch.setattr(quantisation, "_quantised", watched)
    assert arithmetic._layer(Cuda(kind=KIND, host_bytes=2**30, pinned_bytes=0), "int8").startswith("cosine")
    assert seen == [KIND]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA card")
def test_this_machine_s_card_is_ready(tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    assert main(["check", "--report", str(report)]) == 0, report.read_text()
