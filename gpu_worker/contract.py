"""What crosses the wire between the website and the GPU fleet.

Four messages (``RenderJob``, ``RenderReport``, ``Progress``, ``WorkerStatus``) and the names of the places in
Valkey where they travel. Standard library only: the web imports this module and nothing else that renders,
the worker imports it and nothing of the web. Every message is a frozen dataclass that turns into plain JSON
(``to_wire``) and back (``from_wire``); unknown keys are ignored, so that either side can be upgraded first.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import math
import types
import typing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

logger = logging.getLogger(__name__)

CONTRACT_VERSION = 1
"""Of the messages below, named by each heartbeat, so that what cannot be read says whose fault it may be."""

# RQ. Jobs are dotted names with JSON arguments, so neither side imports the other.
RENDER_QUEUE = "render"
REPORTS_QUEUE = "reports"
RENDER_FUNCTION = "gpu_worker.render_job.run"
STARTED_FUNCTION = "generation.reports.started"
FINISHED_FUNCTION = "generation.reports.finished"
WORKER_LOST_FUNCTION = "generation.reports.worker_lost"

LATE_SECONDS = 60.0
"""How long after its time limit a render may stay silent: then it is stuck between two safe points."""

UPLOAD_FAILED = "upload_failed"
DISK_FULL = "disk_full"
STORAGE_ERRORS = frozenset({UPLOAD_FAILED, DISK_FULL})
"""Codes of errors of attempts whose clip could not be put anywhere: no fault of the clip's, and the next one's too."""
NOT_STORED = "The finished clip could not be stored."
"""All that people are told of it: what the worker says besides names servers, folders and signed addresses."""
DOES_NOT_FIT = "does_not_fit"
"""Code of the error of a render that needs more memory than any machine that is on has."""

_GPU_WORKER = "gpu:"

# Valkey keys beside RQ's own.
WORKERS_KEY = "gpu:workers"  # sorted set: worker name → epoch second of its last heartbeat; see gpu_worker.liveness
DRAINING = "draining"  # state of a worker that finishes what it has and takes nothing more
HEARTBEAT_SECONDS = 3
WORKER_DEAD_AFTER_SECONDS = 15
CLOCK_MAY_DIFFER_SECONDS = 5.0
"""From the store's. Who is alive does not depend on it, but times in reports and logs do."""
PROGRESS_MAXLEN = 1_000  # entries kept in one progress stream
PROGRESS_TTL_SECONDS = 24 * 3600
CANCEL_TTL_SECONDS = 24 * 3600


# RQ keeps the jobs of all queues side by side. The ids of those that GPU hosts have to do with begin with their queue,
# so that Valkey itself can keep a GPU host from all others: see gpu_worker.rq_seams.valkey_rights.
def job_id(generation_id: str, attempt: int) -> str:
    """RQ's id of one attempt. Enqueueing the same attempt twice is one job."""
    return f"{RENDER_QUEUE}-{generation_id}-{attempt}"


def former_job_id(generation_id: str, attempt: int) -> str:
    """The id that the release before gave to an attempt. What it left in RQ is still found, for one release."""
    return f"{generation_id}-{attempt}"


def attempt_of(job_id: str) -> tuple[str, int]:
    """``(generation_id, attempt)`` from RQ's id of one attempt, of this release or the one before.

    Raises:
        ValueError: the id is not one of an attempt.
    """
    generation_id, _, attempt = job_id.removeprefix(f"{RENDER_QUEUE}-").rpartition("-")
    if not generation_id or not attempt.isdecimal():
        raise ValueError(f"{job_id!r} is not the id of an attempt: 'render-<generation>-<attempt>' is expected")
    return generation_id, int(attempt)


REPORT_KINDS = ("started", "finished", "lost")


def report_id(kind: str, generation_id: str, attempt: int, secret: str) -> str:
    """RQ's id of a report of one attempt. Said twice, it is one job.

    Who does not know the attempt's secret cannot make the id either, so a forged report stands in no true one's place.
    """
    digest = hashlib.sha256(secret.encode()).hexdigest()[:32]
    return f"{REPORTS_QUEUE}-{kind}-{generation_id}-{attempt}-{digest}"


def progress_key(generation_id: str) -> str:
    """The Valkey Stream that a browser follows; its entry ids are the SSE ids."""
    return f"generation:{generation_id}"


def cancel_key(generation_id: str) -> str:
    """Set while a generation is to be stopped. Survives a stop command that nobody heard."""
    return f"generation:{generation_id}:cancel"


def rq_worker(name: str) -> str:
    """RQ's name of a GPU worker, which no worker of the website's has."""
    return f"{_GPU_WORKER}{name}"


def worker_of(rq_name: str) -> str:
    """The name of a GPU worker, from RQ's; of one of the release before it is the same."""
    return rq_name.removeprefix(_GPU_WORKER)


def worker_key(name: str) -> str:
    """Where a worker publishes its ``WorkerStatus`` as JSON, expiring with its heartbeat."""
    return f"gpu:worker:{name}"


def holding_key(name: str) -> str:
    """RQ's id of the job in a worker's hands, written together with the pop: what a dead worker leaves behind."""
    return f"gpu:worker:{name}:holding"


def drain_key(name: str) -> str:
    """Set while a worker is to take no new jobs. Survives its restarts. GPU hosts may look at it, and not set it."""
    return f"gpu:drain:{name}"


def former_drain_key(name: str) -> str:
    """What the release before set. Read for one release more, so that an upgrade wakes no card that was taken out."""
    return f"gpu:worker:{name}:drain"


_LEAST_INT, _MOST_INT = -(2**63), 2**63 - 1  # what databases and their like count with


class Wire:
    """JSON in and out for the frozen dataclasses below."""

    def to_wire(self) -> dict[str, Any]:
        """Plain JSON types only (dict, list, str, int, float, bool, None)."""
        return typing.cast(dict[str, Any], _plain(dataclasses.asdict(typing.cast(Any, self))))

    @classmethod
    def from_wire(cls, data: typing.Mapping[str, Any]) -> Self:
        """Rebuild from ``to_wire``'s output.

        Raises:
            KeyError: a field without a default is missing; the message names it.
            TypeError, ValueError: a value is not of its field's type, or not a number that can be counted with.
        """
        if not isinstance(data, dict):
            raise TypeError(f"{cls.__name__} is an object, not {type(data).__name__}")
        hints = _hints(typing.cast(Any, cls))
        values: dict[str, Any] = {}
        for f in dataclasses.fields(typing.cast(Any, cls)):
            if f.name in data:
                values[f.name] = _typed(hints[f.name], data[f.name], f"{cls.__name__}.{f.name}")
            elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
                raise KeyError(f"{cls.__name__}.{f.name} is missing from the message")
        return cls(**values)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _typed(hint: Any, value: Any, place: str) -> Any:
    """Turn JSON back into the nested dataclasses, tuples, enums and plain values that ``hint`` names."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is types.UnionType or origin is typing.Union:
        return None if value is None else _typed(next(a for a in args if a is not types.NoneType), value, place)
    if origin is dict and isinstance(value, dict):
        return {k: _typed(args[1], v, f"{place}[{k}]") for k, v in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_typed(args[0], v, place) for v in value)
    if isinstance(hint, type) and issubclass(hint, Wire):
        return hint.from_wire(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return _plain_value(hint, value, place)


def _plain_value(hint: Any, value: Any, place: str) -> Any:
    if hint is float and type(value) is int:
        hint, value = float, _as_float(value, place)
    if type(value) is not hint:
        raise TypeError(f"{place} is not {getattr(hint, '__name__', hint)} but {type(value).__name__}")
    is_countable = math.isfinite(value) if hint is float else hint is not int or _LEAST_INT <= value <= _MOST_INT
    if not is_countable:
        raise ValueError(f"{place} is out of range")
    return value


def _as_float(value: int, place: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{place} is out of range") from None


# --- the job -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSpec(Wire):
    """Weights patched onto a component; the patched component is a component of its own."""

    source: str
    weight_name: str = ""
    scale: float = 1.0
    component: str = "transformer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSource(Wire):
    """Where one component comes from, when that is not the model's own checkpoint.

    Models that name the same source for a component share it in memory, also where their own copies of it differ.
    """

    source: str = ""
    """Hub repository or folder, as ``ModelSpec.source``; empty: the model's own."""
    revision: str | None = None
    subfolder: str = ""
    """Empty: named like the component."""
    file: str = ""
    """A single GGUF file in ``source``. The configuration is then still the model's own."""
    quantisation: str = ""
    """Another than the model's, so that models quantised differently can share it. Empty: the model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec(Wire):
    """A catalogue row, frozen into the job: editing the row never changes what is already queued."""

    slug: str
    version: int
    family: str
    """Name of a module in ``gpu_worker.families``."""
    source: str
    """Hub repository (``Lightricks/LTX-Video``), or a folder: absolute, or relative to ``GPU_WORKER_MODELS``."""
    revision: str | None = None
    dtype: str = "bfloat16"
    quantisation: str = "none"
    """``none``, ``int8``, ``fp8``, ``nf4``, or ``gguf`` for nothing but what ``components`` name as GGUF files."""
    placement: str = "auto"
    components: dict[str, ComponentSource] = field(default_factory=dict)
    """Components by name that come from elsewhere."""
    loras: tuple[LoraSpec, ...] = ()
    speed: dict[str, Any] = field(default_factory=dict)
    """Optional step-speed settings (attention backend, caches, compile), off unless named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderJob(Wire):
    """One attempt at one generation, complete: the worker asks nobody anything."""

    generation_id: str
    attempt: int
    model: ModelSpec
    mode: str
    """A mode that the family declares: ``text``, ``image``, ``frames``, ``extend`` …"""
    prompt: str
    negative_prompt: str = ""
    seed: int
    width: int
    height: int
    num_frames: int
    fps: float
    steps: int
    upscale: int = 1
    """Whole factor by which each pixel of the finished frames is repeated, for models smaller than a thumbnail."""
    watermark: str = ""
    """Words for the corner of the clip and its poster; none if empty."""
    call: dict[str, Any] = field(default_factory=dict)
    """The preset's own arguments for the pipeline call (``guidance_scale``, ``sigmas`` …)."""
    inputs: dict[str, str] = field(default_factory=dict)
    """Role (``image``, ``last_image``, ``video``, ``audio`` …) → ``file:``, ``http:`` or ``https:`` address."""
    outputs: dict[str, str]
    """``clip`` and ``poster`` → where to put the file. Deterministic, so a second attempt overwrites the first."""
    timeout_seconds: int
    reference_gpu_seconds: float = 0.0
    """What such a clip takes by the row's reference speed, on whichever card that names; 0: the row has none."""
    secret: str = field(default="", repr=False)
    """Of this attempt; comes back in every report on it. Empty in jobs of the release before there were secrets."""
    is_compared: bool = False
    """Whether what quantisation changes is measured after the clip is made; costs a load of the whole weights."""
    request_id: str = ""
    """Of the HTTP request that asked for the clip; said in the log and in the report, and nothing hangs on it."""

    @property
    def job_id(self) -> str:
        return job_id(self.generation_id, self.attempt)


# --- the answer ----------------------------------------------------------------------------------------------


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"


class Stage(StrEnum):
    """The stages of a render in their order; ``QUEUED`` and the end are the web's."""

    LOADING = "loading"
    ENCODING_PROMPT = "encoding_prompt"
    DENOISING = "denoising"
    DECODING = "decoding"
    ENCODING_VIDEO = "encoding_video"
    UPLOADING = "uploading"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts(Wire):
    """Measured on the finished MP4, not copied from the request."""

    width: int
    height: int
    num_frames: int
    fps: float
    duration_seconds: float
    size_bytes: int
    sha256: str
    has_audio: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderError(Wire):
    """Why a render failed. ``code`` is stable; ``message`` names cause and figure; prose for people is the web's."""

    code: str
    message: str
    is_retryable: bool = False
    """True when another attempt may succeed (a lost worker, a failed upload), false when it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderReport(Wire):
    """How one attempt ended. Also the RQ job's result, so a lost report can be read again."""

    generation_id: str
    attempt: int
    worker: str
    outcome: Outcome
    secret: str = field(default="", repr=False)
    """The job's: whoever cannot say it was not given the attempt."""
    clip: ClipFacts | None = None
    error: RenderError | None = None
    steps_done: int = 0
    steps_total: int = 0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    """Stage → seconds spent in it."""
    peak_bytes: int = 0
    """Most device memory held at once during this render."""
    similarity: float | None = None
    """Cosine of the quantised transformer's first output against that of the whole weights; None: not measured."""
    request_id: str = ""
    """The job's."""

    @property
    def gpu_seconds(self) -> float:
        """Seconds that the attempt kept its card from others, whatever it did with it."""
        return sum(self.stage_seconds.values())


# --- while it runs -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Wire):
    """One entry of a progress stream: field ``event`` = ``kind``, field ``data`` = this as JSON."""

    kind: str
    """From the worker: ``stage``, ``step``, ``preview``. From the web: ``queue``, ``done``."""
    stage: str = ""
    step: int = 0
    steps_total: int = 0
    percent: int = 0
    """Of the time that the whole attempt is expected to take: see gpu_worker.completion."""
    seconds_per_step: float | None = None
    preview: str = ""
    """A small JPEG as a ``data:`` address."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentComponent(Wire):
    """One component as the fleet page shows it."""

    key: str = ""
    name: str = ""
    size_bytes: int = 0
    tier: str = ""
    """``device``, ``pinned`` or ``ram``."""
    last_used: float = 0.0
    leases: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus(Wire):
    """What a worker says of itself with every heartbeat. No field is required: workers of any release are seen."""

    name: str = ""
    version: int = 0
    """``CONTRACT_VERSION`` of the worker's release; 0: of one before there were versions."""
    host: str = ""
    pid: int = 0
    device: str = ""
    budget_bytes: int = 0
    """0: not said."""
    driver: str = ""
    """Its version, and what PyTorch was built for; empty on a processor."""
    used_bytes: int = 0
    state: str = "idle"
    """``starting``, ``idle``, ``busy`` or ``draining``."""
    generation_id: str | None = None
    attempt: int = 0
    stage: str = ""
    started_at: float = 0.0
    beat_at: float = 0.0
    clock_ahead_seconds: float = 0.0
    """Of the store's clock; negative: behind."""
    residents: tuple[ResidentComponent, ...] = ()
    counters: dict[str, float] = field(default_factory=dict)

    @property
    def clock_fault(self) -> str:
        """What is wrong with the host's clock, in words; empty if nothing is."""
        if abs(self.clock_ahead_seconds) <= CLOCK_MAY_DIFFER_SECONDS:
            return ""
        direction = "ahead of" if self.clock_ahead_seconds > 0 else "behind"
        return (
            f"The clock of {self.host} is {abs(self.clock_ahead_seconds):.0f} s {direction} the store's: set it by NTP."
        )


def read_status(name: str, said: bytes | None) -> WorkerStatus | None:
    """What the worker of this name says of itself; None where it says nothing, or nothing that can be read.

    One odd heartbeat hides one worker and nobody else. The log says once which, and why.
    """
    if said is None:
        return None
    version: Any = None
    try:
        message = json.loads(said)
        version = message.get("version") if isinstance(message, dict) else None
        return dataclasses.replace(WorkerStatus.from_wire(message), name=name)
    except (KeyError, TypeError, ValueError, RecursionError) as problem:
        _warn_once(name, f"{type(problem).__name__}: {problem}"[:200], repr(version)[:20])
        return None


@functools.lru_cache(maxsize=256)
def _warn_once(name: str, problem: str, version: str) -> None:
    logger.warning(
        "The heartbeat of %r cannot be read, so it counts as away (version %s, this is %s): %s",
        name[:200],
        version,
        CONTRACT_VERSION,
        problem,
    )
