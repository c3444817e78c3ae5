"""What crosses the wire between the website and the GPU fleet.

Three messages: ``RenderJob``, ``RenderReport`` and ``Progress``. Under which names they travel is in
``gpu_worker.valkey_names``, by which codes an attempt fails in ``gpu_worker.error_codes``, what a worker says of itself
in ``gpu_worker.worker_status``. Standard library only: the web imports these and nothing that renders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from gpu_worker.valkey_names import job_id
from gpu_worker.wire import Wire

REMOTE_BYTES = -1
"""What stands for memory where none is needed: of a remote worker, and of a clip that one makes."""

LATE_SECONDS = 60.0
"""How long after its time limit a render may stay silent: then it is stuck between two safe points."""


SNAPSHOT_MOST_BYTES = 2 * 2**30
"""Of a snapshot that goes to the store. What is larger stays on its host."""

OWN_ACCOUNT = "own:"
"""Before the account in the source of a clip that is made with a workspace's own key. No account of a remote worker is
called that, so none that does not know of such keys makes the clip with its own."""


ANNOUNCE_QUERY = "announce"
"""Query of an address for an output that takes no file itself. A host POSTs there what it has: ``content_type``,
``size_bytes`` and ``sha256`` as JSON. The answer is 204 once the file is there; until then ``url`` and ``headers``, by
which the host PUTs it, and announces it again."""


# --- the job -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSpec(Wire):
    """Weights patched onto a component; the patched component is a component of its own."""

    source: str
    revision: str = ""
    """Of a repository: a commit never changes, a branch does. Empty: its main branch."""
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


FORMER_PLACEMENTS = {"streamed": "block_swap"}
"""Names in rows, files and jobs of the release before, and what they are called now. Read for one release more."""


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "placement", FORMER_PLACEMENTS.get(self.placement, self.placement))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKey(Wire):
    """A key that a workspace brought for a provider, sealed: see ``gpu_worker.sealed_keys``."""

    id: str
    pair: str
    """The pair of keys under which it is sealed."""
    sealed: str = field(repr=False)
    """Empty: it is gone, and nothing is made in its place."""


class KeyTest(StrEnum):
    """What came of asking a provider whether it takes a key."""

    WORKS = "works"
    REFUSED = "refused"
    UNTOLD = "untold"
    """The provider did not say."""


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
    yields: bool = False
    """Whether clips that are paid for go before it: see generation.tiers."""
    may_overlap: bool = False
    """Whether its clip may be written and delivered while the worker's card is at the next job. The site of the release
    before there was ``WorkerStatus.delivering_id`` does not say so, and would take it for lost."""
    is_judged: bool = False
    """Whether a clip that came out broken is no clip. The site of the release before would not try another seed."""
    is_sampled: bool = False
    """Whether a few pictures of the finished clip are classified; see gpu_worker.picture_classifier."""

    invisible_id_key: str = field(default="", repr=False)
    """With which the clip's id is written into its pictures, see gpu_worker.media.invisible_id; empty: it is not."""
    times_aside: int = 0
    """How often it has let a short one go first. Nobody overtakes it while it waits to go on."""
    kept_by: str = ""
    """The worker that has its snapshot: as long as that one takes jobs, no other takes this. Empty: any may."""
    snapshot_to: str = field(default="", repr=False)
    """Where its snapshots go, so that any host may go on from them. Empty: they stay on the host that makes them."""
    snapshot_from: str = field(default="", repr=False)
    """Where a former attempt may have put one. Empty: none has."""

    own_key: OwnKey | None = None
    """The workspace's own, with which a remote worker makes the clip; ``model.source`` begins with ``OWN_ACCOUNT``
    then. None: the host's."""

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


def in_order(stage_seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    """Stages with their seconds as they followed each other; a database's JSON has them in an order of its own."""
    places = {stage.value: place for place, stage in enumerate(Stage)}
    return sorted(stage_seconds.items(), key=lambda each: places.get(each[0], len(places)))


OFF_THE_CARD: Final = frozenset({Stage.ENCODING_VIDEO.value, Stage.UPLOADING.value})
"""The stages after the frames have left the card, which may take place beside the next job."""


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
    remark: str = ""
    """``frozen``, ``flicker`` or nothing: what may have been asked for, and may not."""
    perceptual_hash: str = ""
    """Of the picture in the middle, by which copies are found: see gpu_worker.media.perceptual_hash."""
    invisible_id: int | None = None
    """What its pictures carry: see gpu_worker.media.invisible_id; None: nothing."""


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
    resumed_from_step: int = 0
    """Of ``steps_done``, those that an earlier attempt made; 0: none."""
    stage_seconds: dict[str, float] = field(default_factory=dict)
    """Stage → seconds spent in it."""
    peak_bytes: int = 0
    """Most device memory held at once during this render."""
    similarity: float | None = None
    """Cosine of the quantised transformer's first output against that of the whole weights; None: not measured."""
    picture_score: float | None = None
    """How explicit the worst of the pictures that were looked at is, from 0 to 1; None: nobody has looked."""
    cards: int = 1
    """How many the worker has."""
    request_id: str = ""
    """The job's."""

    @property
    def gpu_seconds(self) -> float:
        """Seconds that the attempt kept cards from others, whatever it did with them: of several, those of each."""
        return self.cards * sum(seconds for stage, seconds in self.stage_seconds.items() if stage not in OFF_THE_CARD)


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
