"""NVIDIA's driver as the system tells of it, whether PyTorch can use it or not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch.utils import collect_env

DEVICES = Path("/dev")
LOADED = Path("/proc/driver/nvidia/version")
KERNEL = Path("/proc/sys/kernel/osrelease")
_LEAST_VERSION = {11: 450, 12: 525, 13: 580}
"""The oldest driver that runs programs made for a major version of CUDA, as NVIDIA's release notes list it."""

_LEAST_CUDNN = 91_500


def driver_version() -> str:
    """The version of the driver that is loaded, such as ``580.65.06``; empty where it cannot be told.

    It is a label on a page: nothing that goes wrong in finding it may stop a worker.
    """
    try:
        if match := re.search(r"\b\d{3,}\.\d+(?:\.\d+)?\b", LOADED.read_text()):
            return match[0]
    except (OSError, ValueError):
        pass  # under WSL the driver is the Windows host's, and nvidia-smi alone knows it
    try:
        ask: Any = collect_env.get_nvidia_driver_version
        return str(ask(collect_env.run) or "")
    except Exception:
        return ""


def cudnn_version() -> int | None:
    """The version of cuDNN as PyTorch numbers it: 91501 is 9.15.1."""
    ask: Any = torch.backends.cudnn.version
    found: int | None = ask()
    return found


def cudnn_problem(version: int | None) -> str:
    """What is wrong with cuDNN of ``version``, and what to do; or empty."""
    if version is None:
        return "PyTorch finds no cuDNN: convolutions are slow and take many times their memory. Install its CUDA build."
    if version < _LEAST_CUDNN:
        return (
            f"cuDNN {shown_cudnn(version)} has no kernels for the 3D convolutions of video decoders in 16 bits, which "
            f"take many times their memory then. Install nvidia-cudnn {shown_cudnn(_LEAST_CUDNN)} or newer."
        )
    return ""


def shown_cudnn(version: int) -> str:
    return f"{version // 10_000}.{version // 100 % 100}.{version % 100}"


def visible_card() -> Path | None:
    """The device file of a card on this machine, or None. Under WSL there is one for any card that Windows shares."""
    return next(iter([*sorted(DEVICES.glob("nvidia[0-9]*")), *DEVICES.glob("dxg")]), None)


def card_count() -> int:
    """Cards of this machine, at least one: as many workers may share its main memory."""
    return max(1, len(list(DEVICES.glob("nvidia[0-9]*"))))


def is_wsl() -> bool:
    """Whether Windows is below this Linux. Its driver pins a small part of main memory and fails beyond."""
    try:
        return "microsoft" in KERNEL.read_text().lower()
    except OSError:
        return False


def why_cuda_is_missing() -> str:
    """Why PyTorch finds no CUDA device on this machine, and what would change that."""
    wanted = torch.version.cuda
    if wanted is None:
        return f"PyTorch {torch.__version__} is built without CUDA; install its build for CUDA"
    least, version = _LEAST_VERSION.get(int(wanted.partition(".")[0])), driver_version()
    found = f"the driver is {version}" if version else "no driver is loaded"
    if least and version and int(version.partition(".")[0]) >= least:
        return f"PyTorch is built for CUDA {wanted}, {found}, and CUDA says: {_first_line_of_refusal()}"
    needed = f"driver {least} or newer" if least else "a newer driver"
    return f"PyTorch is built for CUDA {wanted}, which needs NVIDIA's {needed}; {found}"


def _first_line_of_refusal() -> str:
    init: Any = torch.cuda.init
    try:
        init()
    except Exception as refusal:
        return str(refusal).strip().partition("\n")[0]
    return "nothing"
