"""Settings of a GPU worker, from environment variables, checked before anything else starts.

Each field carries its variable and one line of explanation; ``documented()`` lists them for the README. What the engine
reads for itself (``GPU_WORKER_DEVICE``, ``GPU_WORKER_BUDGET`` …) is documented there.
"""

from __future__ import annotations

import dataclasses
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, get_type_hints


class SettingsRefused(Exception):
    """A variable has a value that cannot work. The message names it and says what would."""


def _redis_address(raw: str) -> str:
    if not raw.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("write an address that begins with redis://, rediss:// or unix://")
    return raw


def _worker_name(raw: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", raw):
        raise ValueError("use letters, digits, dots, dashes and underscores only")
    return raw


def _folder(raw: str) -> Path:
    path = Path(raw).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise ValueError("name a folder, this is a file")
    return path


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not re.fullmatch(r"\d+", raw) or not least <= int(raw) <= most:
            raise ValueError(f"write a whole number from {least} to {most}")
        return int(raw)

    return parse


def _number(least: float, most: float) -> Callable[[str], float]:
    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise ValueError(f"write a number from {least:g} to {most:g}")
        return value

    return parse


def _listening_address(raw: str) -> tuple[str, int] | None:
    if raw == "":
        return None
    host, _, port = raw.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError("write host:port, for example 127.0.0.1:9109")
    return host.strip("[]"), int(port)


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in choices:
            raise ValueError(f"write {', '.join(choices[:-1])} or {choices[-1]}")
        return raw

    return parse


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: how its text becomes a value, and its line in the README."""

    name: str
    default: str
    parse: Callable[[str], Any]
    meaning: str


def _own_name() -> str:
    """Stable over restarts, so that a worker finds what its predecessor left behind."""
    card = os.environ.get("CUDA_VISIBLE_DEVICES", "").strip()
    name = f"{socket.gethostname()}-gpu{card}" if card else socket.gethostname()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that the shell around the engine can be told."""

    redis_url: Annotated[
        str,
        Variable(
            "REDIS_URL",
            "redis://127.0.0.1:6379/0",
            _redis_address,
            "Valkey or Redis that carries jobs, progress and reports.",
        ),
    ]
    name: Annotated[
        str,
        Variable(
            "GPU_WORKER_NAME",
            "",
            _worker_name,
            "Name of this worker, unique in the fleet. Default: the host, with the card if one is set.",
        ),
    ]
    models: Annotated[
        Path,
        Variable("GPU_WORKER_MODELS", "var/models", _folder, "Folder that a relative model source is looked up in."),
    ]
    cache: Annotated[
        Path,
        Variable(
            "GPU_WORKER_CACHE",
            "var/cache",
            _folder,
            "Folder for quantised weights, measurements and files of the running job.",
        ),
    ]
    policy: Annotated[
        str,
        Variable("GPU_WORKER_POLICY", "lru", _one_of("lru", "gdsf"), "What is evicted first: `lru` or `gdsf`."),
    ]
    window: Annotated[
        int,
        Variable(
            "GPU_WORKER_WINDOW",
            "16",
            _whole(1, 256),
            "Waiting jobs that the worker looks at when it chooses the next one.",
        ),
    ]
    max_skips: Annotated[
        int,
        Variable(
            "GPU_WORKER_MAX_SKIPS",
            "16",
            _whole(0, 1_000),
            "Times that one job may be overtaken for the sake of resident models.",
        ),
    ]
    max_wait_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_MAX_WAIT_SECONDS",
            "120",
            _number(0, 86_400),
            "A job that has waited longer, and four times what the line takes, is not overtaken.",
        ),
    ]
    affinity_fraction: Annotated[
        float,
        Variable(
            "GPU_WORKER_AFFINITY_FRACTION",
            "0.05",
            _number(0, 100),
            "A job overtakes if that saves more loading than this part of its own seconds.",
        ),
    ]
    start_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_START_SECONDS",
            "300",
            _number(1, 86_400),
            "Longest start of the worker process before it counts as stalled.",
        ),
    ]
    stall_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_STALL_SECONDS",
            "300",
            _number(1, 86_400),
            "Longest silence between two steps before the worker process is replaced, or what five such steps take.",
        ),
    ]
    grace_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_GRACE_SECONDS",
            "600",
            _number(0, 86_400),
            "Time that a running render gets to finish after SIGTERM before it is handed to another worker.",
        ),
    ]
    preview_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_PREVIEW_SECONDS",
            "0.5",
            _number(0, 3_600),
            "Shortest time between two preview pictures of one render.",
        ),
    ]
    transfer_attempts: Annotated[
        int,
        Variable(
            "GPU_WORKER_TRANSFER_ATTEMPTS",
            "5",
            _whole(1, 100),
            "Tries for each download of an input and each upload of a result.",
        ),
    ]
    input_bytes: Annotated[
        int,
        Variable(
            "GPU_WORKER_INPUT_BYTES", str(512 * 1024**2), _whole(1, 1024**4), "Largest input file that is fetched."
        ),
    ]
    metrics: Annotated[
        tuple[str, int] | None,
        Variable(
            "GPU_WORKER_METRICS",
            "",
            _listening_address,
            "host:port that serves figures to Prometheus; empty serves none.",
        ),
    ]
    log_level: Annotated[
        str,
        Variable(
            "GPU_WORKER_LOG_LEVEL",
            "INFO",
            _one_of("DEBUG", "INFO", "WARNING", "ERROR"),
            "Least weight of what is logged.",
        ),
    ]
    log_format: Annotated[
        str,
        Variable("LOG_FORMAT", "line", _one_of("line", "json"), "Lines for people, or a JSON object a line."),
    ]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read and check every variable.

        Raises:
            SettingsRefused: naming the first variable whose value cannot work.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for field, variable in _variables().items():
            raw = environment.get(variable.name, "").strip() or variable.default
            if variable.name == "GPU_WORKER_NAME" and not raw:
                raw = _own_name()
            try:
                values[field] = variable.parse(raw)
            except ValueError as problem:
                raise SettingsRefused(f"{variable.name}={raw!r}: {problem}.") from None
        return cls(**values)

    @classmethod
    def from_supervisor(cls) -> Self:
        """Read and check every variable; the address of Valkey is the first line of standard input.

        Raises:
            SettingsRefused: as ``from_environment``.
        """
        return cls.from_environment({**os.environ, "REDIS_URL": sys.stdin.readline().strip()})

    @property
    def scratch(self) -> Path:
        """Files of the running job; emptied at every start, so that a killed render leaves nothing for long."""
        return self.cache / "scratch" / self.name


def _variables() -> dict[str, Variable]:
    hints = get_type_hints(Settings, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in dataclasses.fields(Settings)}


def documented() -> list[Variable]:
    """The variables in the order of the README's table."""
    return list(_variables().values())
