"""The stages of a clip in the four words that people wait by; the API and a tooltip keep the technical ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext, gettext_lazy

from generation.api.presentation import STAGES
from gpu_worker.contract import Stage

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class PlainStage:
    """One stop of the rail on the page of a clip that is being made."""

    title: StrOrPromise
    names: tuple[str, ...]
    """Of the worker's stages that it stands for."""

    @property
    def titles(self) -> list[str]:
        return [gettext(STAGES[name]) for name in self.names]


PLAIN_STAGES: Final = (
    PlainStage(gettext_lazy("In line"), ("queued",)),
    PlainStage(gettext_lazy("Warming up"), (Stage.LOADING, Stage.ENCODING_PROMPT)),
    PlainStage(gettext_lazy("Rendering"), (Stage.DENOISING,)),
    PlainStage(gettext_lazy("Finishing"), (Stage.DECODING, Stage.ENCODING_VIDEO, Stage.UPLOADING)),
)


def plain_title(stage: str) -> str:
    """The stop at which a clip in this stage of the worker's is: rendering, where another release knows the stage."""
    return str(next((plain.title for plain in PLAIN_STAGES if stage in plain.names), gettext_lazy("Rendering")))
