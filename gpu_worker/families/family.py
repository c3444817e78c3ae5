"""What a model family is: the facts that diffusers leaves to its caller, as data.

A family knows pipeline classes by name, how a request becomes a pipeline call, and the sizes and frame counts that
the pipeline really makes. diffusers rounds frame counts silently; we validate, so that what is billed is what is
rendered. No torch here: the website imports families to draw its forms and to check requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families.builds import UNTRACED, Build
from gpu_worker.families.speed import CACHES


class Kind(StrEnum):
    """What somebody has to give for a role."""

    PICTURE = "picture"
    CLIP = "clip"
    SOUND = "sound"

    @property
    def file_types(self) -> str:
        """As a browser's file dialogue wants them."""
        return _FILE_TYPES[self]


_FILE_TYPES = {
    Kind.PICTURE: "image/jpeg,image/png,image/webp,image/heic,image/heif,image/avif",
    Kind.CLIP: "video/mp4,video/quicktime,video/webm",
    Kind.SOUND: "audio/*",
}


@dataclass(frozen=True, slots=True)
class Role:
    """One thing that a clip can start from, in people's words."""

    title: str
    kind: Kind


ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "image": Role("Start frame", Kind.PICTURE),
        "last_image": Role("End frame", Kind.PICTURE),
        "video": Role("Source video", Kind.CLIP),
        "mask": Role("Mask (white = replace)", Kind.PICTURE),
        "control_video": Role("Motion reference (pose, depth or edges)", Kind.CLIP),
        "reference_image": Role("Reference image", Kind.PICTURE),
        "reference_image_2": Role("Reference image 2", Kind.PICTURE),
        "reference_image_3": Role("Reference image 3", Kind.PICTURE),
        "audio": Role("Sound", Kind.SOUND),
    }
)
"""Every role that a mode may name."""


def context_count(given: int, num_frames: int, *, most: int, step: int) -> int:
    """With how many of ``given`` frames a new clip of ``num_frames`` begins: ``k · step + 1``, as many as there are,
    ``most``, and at least one ``step`` fewer than the new clip has."""
    room = max(1, min(given, most, num_frames - step))
    return (room - 1) // step * step + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way of making a clip."""

    title: str
    pipeline: str
    """Name of the diffusers class."""
    scheduled_pipeline: str = ""
    """That of the one for presets with ``timesteps`` of their own, where ``pipeline`` takes none."""
    needs: tuple[str, ...] = ()
    """Roles that ``RenderJob.inputs`` must hold: names of ``ROLES``."""
    accepts: tuple[str, ...] = ()
    """Roles that it may hold."""
    arguments: Callable[[RenderJob, Mapping[str, Any]], dict[str, Any]]
    """``(job, loaded inputs by role) → pipeline call arguments``, without prompt, generator and callback.

    Loaded inputs are ``PIL.Image`` for pictures, lists of them for video, and ``Audio`` for sound."""
    call: tuple[str, ...] = ()
    """Arguments that presets may set in this mode, beside the family's."""
    first_frame: Callable[[RenderJob, Mapping[str, Any]], Any] | None = None
    """``(job, loaded inputs) → PIL.Image`` of the clip's size, for pipelines of pixels that take no picture: the engine
    holds it as the first frame."""
    context_frames: int = 0
    """Most frames of the given video with which the new clip begins, for modes that continue one."""
    context_step: int = 1
    """They are so many, or a multiple of it and one more: what its VAE makes one latent frame of."""
    encodes_whole_clip: bool = False
    """Whether the VAE reads as many frames as the clip has before the first step, given ones or blank."""
    reads_last_frames: int = 0
    """Frames that it reads from the end of a given video; 0: from its beginning, as many as the clip has."""
    caches: tuple[str, ...] | None = None
    """Those of ``Family.caches`` that work in this mode, where its pipeline does not say which of its calls of the
    transformer is which; None: all of them."""

    @property
    def is_continuation(self) -> bool:
        """Whether its clip comes behind the video that it is given, and holds that one too."""
        return self.reads_last_frames > 0

    def repeated_frames(self, *, given: int, num_frames: int) -> int:
        """How many of its ``num_frames`` are the last of the ``given`` ones again."""
        if not self.context_frames:
            return 0
        return context_count(given, num_frames, most=self.context_frames, step=self.context_step)

    def pipeline_for(self, call: Mapping[str, Any]) -> str:
        """Name of the diffusers class that takes ``call``."""
        return self.scheduled_pipeline if self.scheduled_pipeline and "timesteps" in call else self.pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameList:
    """Frame counts a pipeline makes where no simple rule says so: those of ``counts``, ascending."""

    counts: tuple[int, ...]

    @property
    def least(self) -> int:
        return self.counts[0]

    @property
    def most(self) -> int:
        return self.counts[-1]

    @property
    def step(self) -> int:
        """The widest gap between neighbours."""
        return max((b - a for a, b in pairwise(self.counts)), default=1)

    def allows(self, num_frames: int) -> bool:
        return num_frames in self.counts

    def nearest(self, num_frames: int) -> int:
        """The allowed count closest to ``num_frames``; the larger one on a tie."""
        return min(self.counts, key=lambda n: (abs(n - num_frames), -n))


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRule:
    """Frame counts a pipeline makes without rounding: ``n % step == offset``, ``least ≤ n ≤ most``."""

    step: int
    offset: int = 1
    least: int = 1
    most: int = 10_000

    def allows(self, num_frames: int) -> bool:
        return self.least <= num_frames <= self.most and num_frames % self.step == self.offset % self.step

    def nearest(self, num_frames: int) -> int:
        """The allowed count closest to ``num_frames``; the larger one on a tie."""
        bounded = min(max(num_frames, self.least), self.most)
        down = bounded - (bounded - self.offset) % self.step
        candidates = [n for n in (down, down + self.step) if self.allows(n)]
        if not candidates:
            candidates = [n for n in (down - self.step, down + 2 * self.step) if self.allows(n)]
        return min(candidates, key=lambda n: (abs(n - num_frames), -n))


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of checkpoints that one set of pipeline classes serves."""

    name: str
    title: str
    modes: Mapping[str, Mode]
    size_multiple: int
    frames: FrameRule | FrameList
    fps: float
    """The rate its clips are made for."""
    components: tuple[str, ...]
    """Names of the pipeline's weight-carrying parts, in the order in which a render uses them."""
    shared: Mapping[str, str] = field(default_factory=dict)
    """Component → what it is, where other families have the same one and it need not be loaded twice."""
    frames_per_pass: int | None = None
    """Frames that one run of the denoising loop makes, where a clip takes several; None: all in one."""
    window_frames: int | None = None
    """Frames that the transformer sees at once, where that is more than a pass adds; None: those of a pass."""
    is_decoded_by_pass: bool = False
    """Whether the frames of each pass are decoded before the next begins; otherwise all at the end."""
    builds: tuple[Build, ...] = ()
    """What its checkpoints take in memory, as traced at full size."""
    quantised_text_fraction: float = 0.9
    """Part of its text encoder that quantisation applies to: all but the table of words."""
    batched_guidance: tuple[str, ...] = ()
    """Arguments that double what the transformer computes at once where one is above 1; without any it runs twice."""
    repeated_guidance: tuple[str, ...] = ()
    """Arguments that each run the transformer once more in a step, unless they are 1 or less."""
    steps_total: Callable[[RenderJob], int] | None = None
    """Steps of a whole render, where the pipeline's own figure times the passes is not all of them."""
    sharing: str = ""
    """How several cards share a step: by ``sequence`` or ``guidance`` (``gpu_worker.engine.cards``); empty: they do
    not."""
    has_audio: bool = False
    fuses_qkv: bool = False
    """Whether its attention uses fused projections; the others would have them beside the rest, unused."""
    caches: tuple[str, ...] = tuple(CACHES)
    """Step caches that its transformer takes: the first two only know blocks that diffusers has registered for them."""
    has_step_callback: bool = True
    """False where the pipeline takes no ``callback_on_step_end``: progress then comes from the scheduler."""
    max_seconds: float = 10.0
    max_prompt_characters: int = 2_000
    prompt_tokens: int = 512
    """Most tokens that its text encoder is given: the pipeline's ``max_sequence_length``, where no preset says less."""
    prompt_marks: int = 1
    """Those among them that are not the prompt's own: where it begins and ends, and what a template puts after it."""
    whole_texts: tuple[str, ...] = ("tokenizer",)
    """Tokenizers that may cut nothing off. CLIP beside another encoder only sums up what it sees of the text."""
    call: tuple[str, ...] = ()
    """Arguments of the pipeline call that presets may set in every mode."""
    sizes: tuple[str, ...] = ()
    """``WIDTHxHEIGHT`` that all of its checkpoints were made for, the default first: where a new row begins."""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """``draft``, ``standard``, ``final`` … → ``{"steps": n, **call arguments}``."""
    provider: str = ""
    """Whose API makes its clips: a module of ``gpu_worker.remote.providers``. Empty: a GPU worker's own engine."""

    @property
    def is_remote(self) -> bool:
        return bool(self.provider)

    def size_problem(self, width: int, height: int) -> str | None:
        """Why the pipeline cannot make this size, or None. Says which size to ask for instead."""
        m = self.size_multiple
        if width >= m and height >= m and width % m == 0 and height % m == 0:
            return None
        better = f"{max(m, round(width / m) * m)}x{max(m, round(height / m) * m)}"
        return f"{self.title} makes widths and heights that are multiples of {m}: {better} instead of {width}x{height}."

    def most_prompt_tokens(self, call: Mapping[str, Any]) -> int:
        """How many tokens of its own a prompt may have in a preset with these call arguments."""
        return int(call.get("max_sequence_length", self.prompt_tokens)) - self.prompt_marks

    def passes(self, num_frames: int) -> int:
        """How many times the denoising loop, with all its steps, runs for a clip of ``num_frames``."""
        return 1 if self.frames_per_pass is None else max(1, round(num_frames / self.frames_per_pass))

    def frames_at_once(self, num_frames: int) -> int:
        """Frames of one forward of the transformer, those it is reminded of left out."""
        window = self.window_frames or self.frames_per_pass
        return min(num_frames, window) if window else num_frames

    def frames_decoded_at_once(self, num_frames: int) -> int:
        return self.frames_at_once(num_frames) if self.is_decoded_by_pass else num_frames

    def build(self, transformer_bytes: int) -> Build:
        """What the checkpoint takes whose transformer has these bytes at 16 bits; of an unknown one, the most."""
        if not self.builds:
            return UNTRACED
        if not transformer_bytes:
            return self.builds[-1]
        return min(self.builds, key=lambda build: abs(build.transformer_bytes - transformer_bytes))

    def frames_for(self, seconds: float, fps: float | None = None) -> int:
        """The frame count that a clip of about ``seconds`` really gets."""
        return self.frames.nearest(round(seconds * (fps or self.fps)))
