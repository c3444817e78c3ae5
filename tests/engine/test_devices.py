"""The device that the environment names, and sizes as people write them."""

from __future__ import annotations

import psutil
import pytest
import torch

from gpu_worker.engine import Cpu, Cuda, device_from_environment
from gpu_worker.engine.sizes import parse_bytes, show_bytes


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("6GiB", 6 * 2**30), ("512 MB", 512_000_000), ("1048576", 2**20), ("1.5gib", 3 * 2**29), (" 2 KiB ", 2048)],
)
def test_sizes_are_read_as_they_are_written(text: str, size_bytes: int) -> None:
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "six", "-1", "6 GiBi", "1e9", "6GiB extra", "٦"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size; write for example 6GiB"):
        parse_bytes(text)


def test_sizes_are_shown_in_fitting_units() -> None:
    assert [show_bytes(n) for n in (0, 1023, 1536, 5 * 2**20, 6 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 MiB",
        "6.0 GiB",
    ]


def test_the_environment_names_the_device() -> None:
    device = device_from_environment(
        {"GPU_WORKER_DEVICE": "cpu", "GPU_WORKER_BUDGET": "2GiB", "GPU_WORKER_RAM": "512MiB"}
    )
    assert isinstance(device, Cpu)
    assert (device.name, device.budget_bytes, device.host_bytes) == ("cpu", 2**31, 2**29)


def test_without_a_budget_the_cpu_takes_half_of_what_is_free() -> None:
    device = device_from_environment({"GPU_WORKER_DEVICE": "cpu"})
    assert 0 < device.budget_bytes <= psutil.virtual_memory().total / 2
    assert device.host_bytes == 0


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"GPU_WORKER_DEVICE": "tpu"}, "GPU_WORKER_DEVICE='tpu': write auto, cpu, cuda or cuda:1"),
        ({"GPU_WORKER_BUDGET": "lots"}, "GPU_WORKER_BUDGET: 'lots' is not a size"),
        ({"GPU_WORKER_RAM": "lots"}, "GPU_WORKER_RAM: 'lots' is not a size"),
    ],
)
def test_values_that_cannot_work_name_their_variable(environment: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        device_from_environment(environment)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_a_card_that_is_not_there_is_refused() -> None:
    with pytest.raises(RuntimeError, match="set GPU_WORKER_DEVICE=cpu"):
        Cuda()
