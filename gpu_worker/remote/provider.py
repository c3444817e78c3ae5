"""What a provider's module does: start a job, look at it, find it again, stop it, fetch its clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from gpu_worker.contract import RenderJob


class Status(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A clip, as a provider is asked for it."""

    model: str
    """The provider's own name."""
    prompt: str
    negative_prompt: str
    seed: int
    width: int
    height: int
    num_frames: int
    fps: float
    image_png: bytes | None = None
    """The first frame."""

    @classmethod
    def of(cls, job: RenderJob, *, model: str, image_png: bytes | None) -> Ask:
        return cls(
            model=model,
            prompt=job.prompt,
            negative_prompt=job.negative_prompt,
            seed=job.seed,
            width=job.width,
            height=job.height,
            num_frames=job.num_frames,
            fps=job.fps,
            image_png=image_png,
        )

    @property
    def seconds(self) -> float:
        return self.num_frames / self.fps

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def aspect(self) -> str:
        """``16:9``, ``9:16`` or ``1:1``, whichever is nearest."""
        ratio = self.width / self.height
        return "16:9" if ratio > 1.3 else "9:16" if ratio < 1 / 1.3 else "1:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a job stands."""

    status: Status
    fraction: float | None = None
    """Done so far, 0 to 1; None where the provider does not say."""
    address: str = ""
    """Of the clip, once it is done."""
    problem: str = ""
    """Why it failed, in the provider's words."""


class Provider(Protocol):
    """One account with one provider. Every method raises as ``transport.Api.call``."""

    @property
    def title(self) -> str: ...

    @property
    def is_idempotent(self) -> bool:
        """Whether a start that is sent again under the same reference begins nothing new."""
        ...

    @property
    def charges_for_begun(self) -> bool:
        """Whether a job costs its whole price once it has begun, since it cannot be stopped."""
        ...

    def start(self, ask: Ask, reference: str) -> str:
        """Begin the job, and return the provider's name of it."""
        ...

    def find(self, ask: Ask, reference: str) -> str | None:
        """Return the provider's name of the job that was begun under our reference, if it knows one.

        Raises:
            NotFindable: it keeps no references of ours.
        """
        ...

    def look(self, remote_id: str) -> Seen: ...

    def cancel(self, remote_id: str) -> None:
        """Stop it, as far as the provider can."""
        ...

    def look_around(self) -> str:
        """Ask for something that costs nothing, and return what came, in words that finish "takes the key: …"."""
        ...

    def download(self, remote_id: str, seen: Seen, path: Path, on_chunk: Callable[[], None]) -> None: ...


class NotFindable(Exception):
    """This provider cannot be asked for a job by a name of ours."""
