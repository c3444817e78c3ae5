"""What an error says of the device: memory ran out, no kernel for this shape, or nothing can be trusted any more."""

from __future__ import annotations

import re
from enum import StrEnum

import torch

_OUT_OF_MEMORY = re.compile(
    r"out of memory|(CUBLAS|CUDNN|CUSPARSE|CUSOLVER)_STATUS_ALLOC_FAILED|DefaultCPUAllocator: can't allocate memory"
)
"""Beside ``OutOfMemoryError``: libraries that find no room for themselves, and pages that the driver will not pin."""
_NO_KERNEL = re.compile(r"CUDNN_STATUS_NOT_SUPPORTED|No valid execution plans|unable to find an engine")
_DEVICE = re.compile(r"CUDA (driver )?error|Triton Error \[CUDA\]|cuDNN error|CU(BLAS|DNN|SPARSE|SOLVER)_STATUS")


class DeviceFault(StrEnum):
    """What has to be done after an error."""

    NONE = "none"
    """It says nothing of the device."""
    OUT_OF_MEMORY = "out of memory"
    """Free some and try again."""
    NO_KERNEL = "no kernel"
    """Try again with smaller tensors: the library has nothing for these."""
    LOST = "lost"
    """End the process: every later call of the driver fails as this one did."""


def fault_of(error: BaseException) -> DeviceFault:
    """What ``error`` says of the device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return DeviceFault.OUT_OF_MEMORY
    if not isinstance(error, RuntimeError):
        return DeviceFault.NONE
    text = str(error)
    if _OUT_OF_MEMORY.search(text):
        return DeviceFault.OUT_OF_MEMORY
    if _NO_KERNEL.search(text):
        return DeviceFault.NO_KERNEL
    return DeviceFault.LOST if isinstance(error, torch.AcceleratorError) or _DEVICE.search(text) else DeviceFault.NONE
