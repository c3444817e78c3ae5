"""What a machine's driver says, and what becomes of a worker where PyTorch cannot use the card."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.utils import collect_env

from gpu_worker.engine import Cpu, device_from_environment
from gpu_worker.engine.memory import driver

ROOT = Path(__file__).parents[2]
OPEN_MODULE = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder)\nGCC 13"
CLOSED_MODULE = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version:  12.3"
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without a card: files put into the folder are what ``/dev`` and ``/proc`` hold."""
    monkeypatch.setattr(driver, "DEVICES", tmp_path)
    monkeypatch.setattr(driver, "LOADED", tmp_path / "version")
    monkeypatch.setattr(collect_env, "get_nvidia_driver_version", lambda run: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return tmp_path


@pytest.mark.parametrize(("loaded", "version"), [(OPEN_MODULE, "580.95.05"), (CLOSED_MODULE, "535.183.01")])
def test_the_driver_that_is_loaded_says_its_version(machine: Path, loaded: str, version: str) -> None:
    (machine / "version").write_text(loaded)
    assert driver.driver_version() == version


def test_where_the_kernel_does_not_say_it_the_driver_s_own_tool_is_asked(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect_env, "get_nvidia_driver_version", lambda run: "581.29")
    assert driver.driver_version() == "581.29"


def test_a_version_that_cannot_be_found_stops_nobody(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(run: object) -> str:
        raise AttributeError("module 'torch' has no attribute 'anything'")

    monkeypatch.setattr(collect_env, "get_nvidia_driver_version", fails)
    (machine / "version").write_bytes(b"\xff\xfe")
    assert driver.driver_version() == ""


def test_without_a_card_the_processor_renders(machine: Path) -> None:
    (machine / "nvidiactl").touch()
    assert isinstance(device_from_environment({}), Cpu)


@pytest.mark.parametrize("name", ["nvidia0", "nvidia3", "dxg"])
def test_with_a_card_that_pytorch_cannot_use_the_processor_is_not_taken_unasked(
    machine: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (machine / name).touch()
    (machine / "version").write_text(CLOSED_MODULE)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    reason = rf"{name}\).* for CUDA 13.0, which needs NVIDIA's driver 580 or newer; the driver is 535.183.01"
    with pytest.raises(RuntimeError, match=reason):
        device_from_environment({})
    assert isinstance(device_from_environment({"GPU_WORKER_DEVICE": "cpu"}), Cpu)


def test_the_reason_is_told_in_each_case(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert driver.why_cuda_is_missing().endswith("is built without CUDA; install its build for CUDA")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert driver.why_cuda_is_missing().endswith("no driver is loaded")
    (machine / "version").write_text(OPEN_MODULE)

    def refuses() -> None:
        raise RuntimeError("No CUDA GPUs are available\nand more")

    monkeypatch.setattr(torch.cuda, "init", refuses)
    assert driver.why_cuda_is_missing().endswith("CUDA says: No CUDA GPUs are available")


def test_every_name_of_torch_that_only_a_card_reaches_is_in_its_stubs() -> None:
    declared = declared_in_stub(Path(torch._C.__file__).parent / "_C" / "__init__.pyi")
    assert "_cuda_init" in declared
    used = {
        name
        for folder in ("gpu_worker", "benchmarks")
        for file in (ROOT / folder).rglob("*.py")
        for name in names(file)
    }
    assert "torch.cuda.is_available" in used
    assert [name for name in sorted(used) if not is_there(name, declared)] == []
    assert not is_there("torch._C._cuda_getDriverVersion", declared)
    assert not is_there("torch.cuda.driver_version", declared)


def declared_in_stub(stub: Path) -> set[str]:
    return {
        node.name for node in ast.walk(ast.parse(stub.read_text())) if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def names(file: Path) -> Iterator[str]:
    """Each ``torch.cuda.…``, ``torch.accelerator.…`` and ``torch._C.…`` of a file, one name deep."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if owner in ("torch.cuda", "torch.accelerator", "torch._C"):
                yield f"{owner}.{node.attr}"


def is_there(name: str, declared: set[str]) -> bool:
    owner, _, attribute = name.rpartition(".")
    if owner == "torch._C":
        return attribute in declared
    return hasattr(getattr(torch, owner.removeprefix("torch.")), attribute)


def test_the_cards_of_a_machine_share_its_main_memory(machine: Path) -> None:
    assert driver.card_count() == 1
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (machine / name).touch()
    assert driver.card_count() == 2


@pytest.mark.parametrize(
    ("release", "is_wsl"), [("5.15.167.4-microsoft-standard-WSL2", True), ("6.1.0-9-amd64", False)]
)
def test_windows_below_is_seen(machine: Path, monkeypatch: pytest.MonkeyPatch, release: str, is_wsl: bool) -> None:
    monkeypatch.setattr(driver, "KERNEL", machine / "osrelease")
    assert not driver.is_wsl()
    (machine / "osrelease").write_text(release)
    assert driver.is_wsl() is is_wsl


@pytest.mark.parametrize(
    ("version", "said"),
    [(None, "finds no cuDNN"), (91_002, "cuDNN 9.10.2 .* Install nvidia-cudnn 9.15.0"), (91_500, "^$"), (91_801, "^$")],
)
def test_a_library_without_kernels_for_video_decoders_is_said(version: int | None, said: str) -> None:
    assert re.search(said, driver.cudnn_problem(version))
