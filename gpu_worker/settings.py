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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, get_type_hints

from environs import Env, EnvValidationError, ValidationError, validate

from gpu_worker.valkey import checked_address
from gpu_worker.variables import (
    MappingEnv,
    Variable,
    card_numbers,
    file,
    file_if_any,
    folder,
    listening_address,
    number,
    one_of,
    text,
    whole_number,
)


class SettingsRefused(Exception):
    """A variable has a value that cannot work. The message names it and says what would."""


def _worker_name(env: Env, name: str, default: str) -> str:
    only = validate.Regexp(r"[A-Za-z0-9._-]{1,100}\Z", error="use letters, digits, dots, dashes and underscores only")
    worker_name: str = env.str(name, default or _own_name(), validate=only)
    return worker_name


def _may_be_valkey(url: str) -> None:
    try:
        checked_address(url)
    except ValueError as problem:
        raise ValidationError(str(problem)) from None


def _own_name() -> str:
    """Return a name that outlives restarts, so that a worker finds what its predecessor left behind."""
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
            text(_may_be_valkey),
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
        Variable("GPU_WORKER_MODELS", "var/models", folder, "Folder that a relative model source is looked up in."),
    ]
    cache: Annotated[
        Path,
        Variable(
            "GPU_WORKER_CACHE",
            "var/cache",
            folder,
            "Folder for quantised weights, measurements and files of the running job.",
        ),
    ]
    cards: Annotated[
        tuple[int, ...],
        Variable(
            "GPU_WORKER_CARDS",
            "",
            card_numbers,
            "Cards that make each clip together, as `0,1,2,3`; with GPU_WORKER_DEVICE=cpu, so many processes. Empty: "
            "the one of GPU_WORKER_DEVICE.",
        ),
    ]
    policy: Annotated[
        str,
        Variable("GPU_WORKER_POLICY", "lru", one_of("lru", "gdsf"), "What is evicted first: `lru` or `gdsf`."),
    ]
    window: Annotated[
        int,
        Variable(
            "GPU_WORKER_WINDOW",
            "16",
            whole_number(1, 256),
            "Waiting jobs that the worker looks at when it chooses the next one.",
        ),
    ]
    max_skips: Annotated[
        int,
        Variable(
            "GPU_WORKER_MAX_SKIPS",
            "16",
            whole_number(0, 1_000),
            "Times that one job may be overtaken for the sake of resident models.",
        ),
    ]
    max_wait_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_MAX_WAIT_SECONDS",
            "120",
            number(0, 86_400),
            "A job that has waited longer, and four times what the line takes, is not overtaken.",
        ),
    ]
    affinity_fraction: Annotated[
        float,
        Variable(
            "GPU_WORKER_AFFINITY_FRACTION",
            "0.05",
            number(0, 100),
            "A job overtakes if that saves more loading than this part of its own seconds.",
        ),
    ]
    start_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_START_SECONDS",
            "300",
            number(1, 86_400),
            "Longest start of the worker process before it counts as stalled.",
        ),
    ]
    stall_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_STALL_SECONDS",
            "300",
            number(1, 86_400),
            "Longest silence between two steps before the worker process is replaced, or what five such steps take.",
        ),
    ]
    grace_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_GRACE_SECONDS",
            "60",
            number(0, 86_400),
            "What a running render may still take after SIGTERM; one that would take longer is handed back at its next "
            "step, and goes on from there on this host.",
        ),
    ]
    preview_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_PREVIEW_SECONDS",
            "0.5",
            number(0, 3_600),
            "Shortest time between two preview pictures of one render.",
        ),
    ]
    snapshot_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_SNAPSHOT_SECONDS",
            "2",
            number(0, 86_400),
            "Shortest time between two snapshots of one render, from which it goes on after a crash.",
        ),
    ]
    classifier: Annotated[
        str,
        Variable(
            "GPU_WORKER_CLASSIFIER",
            "open_nsfw",
            text(validate.Regexp(r"(open_nsfw|[\w.]+:\w+)?\Z", error="write open_nsfw, module:function, or nothing")),
            "What looks at pictures of finished clips: `open_nsfw`, where `requirements/pictures.txt` is installed; "
            "`module:function` that makes another; empty: nobody does.",
        ),
    ]
    yield_times: Annotated[
        int,
        Variable(
            "GPU_WORKER_YIELD_TIMES",
            "10",
            whole_number(0, 20),
            "Times that one render steps aside at a step for short ones, and goes on from there; 0: never.",
        ),
    ]
    yield_seconds: Annotated[
        float,
        Variable("GPU_WORKER_YIELD_SECONDS", "120", number(0, 86_400), "Each time, short ones are taken for so long."),
    ]
    yield_left_seconds: Annotated[
        float,
        Variable(
            "GPU_WORKER_YIELD_LEFT_SECONDS",
            "600",
            number(0, 86_400),
            "A render that is done sooner steps aside for none.",
        ),
    ]
    yield_gain: Annotated[
        float,
        Variable(
            "GPU_WORKER_YIELD_GAIN",
            "10",
            number(1, 10_000),
            "A render steps aside if what is left of it takes so many times what goes first, loading there and back "
            "included.",
        ),
    ]
    yield_share: Annotated[
        float,
        Variable(
            "GPU_WORKER_YIELD_SHARE",
            "0.2",
            number(0, 1_000),
            "Of what is left of a render, the share that it may be aside in all, loading there and back included.",
        ),
    ]
    transfer_attempts: Annotated[
        int,
        Variable(
            "GPU_WORKER_TRANSFER_ATTEMPTS",
            "5",
            whole_number(1, 100),
            "Tries for each download of an input and each upload of a result.",
        ),
    ]
    input_bytes: Annotated[
        int,
        Variable(
            "GPU_WORKER_INPUT_BYTES",
            str(512 * 1024**2),
            whole_number(1, 1024**4),
            "Largest input file that is fetched.",
        ),
    ]
    accounts: Annotated[
        Path,
        Variable(
            "GPU_WORKER_ACCOUNTS",
            "var/accounts.toml",
            file,
            "With `--remote`: the file that names accounts with providers, and where their keys are.",
        ),
    ]
    private_keys: Annotated[
        Path | None,
        Variable(
            "REMOTE_KEYS_PRIVATE",
            "",
            file_if_any,
            "With `--remote`: the file of the private keys that open what workspaces brought for providers, made by "
            "`python -m gpu_worker keys FILE`. Empty: clips with such keys are left to others.",
        ),
    ]
    remote_jobs: Annotated[
        int,
        Variable(
            "GPU_WORKER_REMOTE_JOBS",
            "4",
            whole_number(1, 64),
            "With `--remote`: clips at once, each in a process of its own.",
        ),
    ]
    metrics: Annotated[
        tuple[str, int] | None,
        Variable(
            "GPU_WORKER_METRICS",
            "",
            listening_address,
            "host:port that serves figures to Prometheus; empty serves none.",
        ),
    ]
    log_level: Annotated[
        str,
        Variable(
            "GPU_WORKER_LOG_LEVEL",
            "INFO",
            one_of("DEBUG", "INFO", "WARNING", "ERROR"),
            "Least weight of what is logged.",
        ),
    ]
    log_format: Annotated[
        str,
        Variable("LOG_FORMAT", "line", one_of("line", "json"), "Lines for people, or a JSON object a line."),
    ]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read and check every variable.

        Raises:
            SettingsRefused: naming the first variable whose value cannot work.
        """
        env = MappingEnv(os.environ if environment is None else environment)
        values: dict[str, Any] = {}
        for field, variable in _variables().items():
            try:
                values[field] = variable.read(env, variable.name, variable.default)
            except EnvValidationError as problem:
                raise SettingsRefused(f"{variable.name}: {' '.join(problem.error_messages)}.") from None
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

    @property
    def snapshots(self) -> Path:
        """Snapshots of unfinished renders, which outlive the process and serve all workers of the host."""
        return self.cache / "snapshots"


def _variables() -> dict[str, Variable]:
    hints = get_type_hints(Settings, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in dataclasses.fields(Settings)}


def documented() -> list[Variable]:
    """Return the variables in the order of the README's table."""
    return list(_variables().values())
