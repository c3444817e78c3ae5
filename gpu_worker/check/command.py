"""The command: every check in turn, a line for each, a verdict, and a file for a report of a fault."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import diffusers

from gpu_worker.check.arithmetic import arithmetic_checks
from gpu_worker.check.clips import clip_checks
from gpu_worker.check.memory import Amounts, memory_checks
from gpu_worker.check.report import Check, Outcome, Result, result_of, verdict, whole_report
from gpu_worker.engine.memory import driver
from gpu_worker.engine.memory.devices import Device, device_from_environment
from gpu_worker.engine.sizes import show_bytes
from gpu_worker.families import FAMILIES

PACKAGES = ("torch", "diffusers", "transformers", "torchao", "bitsandbytes", "accelerate", "safetensors", "av")
REPORT = Path("gpu-check.txt")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m gpu_worker check",
        description="Asks a card for everything that a worker needs of it. Ends with 1 when something failed.",
    )
    parser.add_argument("--family", action="append", choices=FAMILIES, help="make only this one's clip; repeatable")
    parser.add_argument("--report", type=Path, default=REPORT, help=f"the file to write; {REPORT} by default")
    asked = parser.parse_args(arguments)
    try:
        device = device_from_environment()
    except (ValueError, RuntimeError) as refusal:
        sys.stderr.write(f"NOT READY: {refusal}\n")
        return os.EX_CONFIG
    return check(device, asked.family or list(FAMILIES), asked.report)


def check(device: Device, families: Sequence[str], report: Path, amounts: Amounts | None = None) -> int:
    """Make all checks on ``device`` and write ``report``. Returns the exit status."""
    diffusers.utils.logging.set_verbosity_error()
    heading = list(_heading(device))
    sys.stdout.writelines(f"{line}\n" for line in heading)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        for one in _checks(device, families, Path(folder), amounts or Amounts()):
            results.append(result_of(one))
            sys.stdout.write(f"{results[-1].line}\n")
            sys.stdout.flush()
            report.write_text(whole_report(heading, results))  # each time: a card that dies takes the process with it
    sys.stdout.write(f"{verdict(results)}\nWritten to {report}; attach it when you report a fault.\n")
    return int(any(result.outcome is Outcome.FAILED for result in results))


def _checks(device: Device, families: Sequence[str], folder: Path, amounts: Amounts) -> Iterator[Check]:
    yield Check("cuDNN", lambda: _cudnn(device), "Until then decoding is slow and takes many times its memory.")
    yield from memory_checks(device, amounts)
    yield from arithmetic_checks(device, folder)
    yield from clip_checks(device, folder, families)


def _heading(device: Device) -> Iterator[str]:
    """What a reader of the report has to know of this host. No address, no name, no password."""
    yield f"{device.name}, budget {show_bytes(device.budget_bytes)}, driver {device.driver_version or 'none'}"
    yield f"Python {platform.python_version()}, {platform.platform()}"
    yield ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    settings = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "GPU_WORKER_DEVICE", "GPU_WORKER_BUDGET")
    yield ", ".join(f"{name}={os.environ.get(name, '')}" for name in settings)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _cudnn(device: Device) -> str:
    found = driver.cudnn_version()
    if device.torch_device.type != "cuda":
        return "not used here"
    if problem := driver.cudnn_problem(found):
        raise RuntimeError(problem)
    return driver.shown_cudnn(found or 0)
