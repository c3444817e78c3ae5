"""What has to be the same for a snapshot to be of this very render: everything that decides a bit of its frames."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from gpu_worker.contract import RenderJob
from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.memory.open_models import OpenModel
from gpu_worker.engine.snapshots.release import software
from gpu_worker.families import FAMILIES
from gpu_worker.families.memory import Placement
from gpu_worker.sounds import Audio

FORMAT = 1
"""Of snapshots. One more whenever a render of the same job takes another way, or its state is written otherwise."""

_OF_THE_ATTEMPT = {
    "attempt",
    "secret",
    "inputs",
    "outputs",
    "timeout_seconds",
    "reference_gpu_seconds",
    "is_compared",
    "is_judged",
    "is_sampled",
    "invisible_id_key",
    "request_id",
    "yields",
    "may_overlap",
    "times_aside",
    "kept_by",
    "snapshot_to",
    "snapshot_from",
}
"""Fields of a job that say nothing of its frames: addresses, for one, are signed anew for each attempt, and only the
first may overlap."""


def identity_of(
    job: RenderJob, inputs: Mapping[str, Any], model: OpenModel, device: Device, placement: Placement
) -> dict[str, Any]:
    """Plain JSON that is equal for two renders whose steps are equal bit by bit.

    How much is swapped is no part of it: it depends on the bytes that happen to be free, and changes no number.
    Of the job it holds a digest: a prompt is nobody's business on the host's disk.

    Raises:
        TypeError: an input is of a kind that it does not know.
    """
    is_decoded_within = FAMILIES[job.model.family].passes(job.num_frames) > 1  # or tiles come after the last step
    on_processor = {"threads": torch.get_num_threads()} if device.torch_device.type == "cpu" else {}
    asked = {name: value for name, value in job.to_wire().items() if name not in _OF_THE_ATTEMPT}
    said = {
        "format": FORMAT,
        "job": hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest(),
        "inputs": {role: _digest(value) for role, value in sorted(inputs.items())},
        "weights": {name: component.key for name, component in model.components.items()},
        "tools": _tools(model),
        "software": software(),
        "device": {"name": device.name, "driver": device.driver_version, **on_processor},
        "is_decoding_tiled": is_decoded_within and placement.is_decoding_tiled,
    }
    return dict(json.loads(json.dumps(said)))


def _tools(model: OpenModel) -> dict[str, Any]:
    """Scheduler, tokenizers and the pipeline's own settings, by what is in their files: another host has them from
    another day."""
    parts = [part for part in model.checkpoint.parts.values() if not part.has_weights]
    files = {
        f"{part.name}/{file.name}": _digest_of_file(file.resolve(), file.stat().st_size, file.stat().st_mtime_ns)
        for part in parts
        for file in sorted(part.folder.iterdir())
        if file.is_file()
    }
    return {"files": files, "settings": repr(sorted(model.checkpoint.settings.items()))}


@functools.lru_cache(maxsize=1024)
def _digest_of_file(path: Path, size_bytes: int, modified_at_ns: int) -> str:
    """The SHA-256 of a small file, which is read again when its size or time has changed."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(value: Any) -> str:
    digest = hashlib.sha256()
    if isinstance(value, Image.Image):
        digest.update(f"{value.mode} {value.size}".encode() + value.tobytes())
    elif isinstance(value, list):
        digest.update(" ".join(map(_digest, value)).encode())
    elif isinstance(value, Audio):
        digest.update(f"{value.rate_hertz} {value.samples.shape} {value.samples.dtype}".encode())
        digest.update(value.samples.tobytes())
    else:
        raise TypeError(f"inputs of the kind {type(value).__name__} are unknown")
    return digest.hexdigest()
