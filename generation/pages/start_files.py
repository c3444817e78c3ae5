"""The files that the prompt box is sent with: what a clip begins with, or several with a start frame each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from generation.pages.forms import START_FRAME
from generation.provenance import carried

CHOOSE_FRAMES_AGAIN: Final = gettext_noop(
    "%(count)s start frames make a clip each. The price below is for all of them: choose them again to go on."
)
CHOOSE_AGAIN: Final = gettext_noop(
    "The file that you chose has Content Credentials. Choose it again, and say below whether they go into the clip."
)


@dataclass(frozen=True, slots=True)
class SentFiles:
    """Files by role, and all the start frames that came, of which a clip each is made."""

    by_role: Mapping[str, UploadedFile[Any]] = field(default_factory=dict)
    frames: Sequence[UploadedFile[Any]] = ()

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        by_role = {role: file for role, file in request.FILES.items() if isinstance(file, UploadedFile)}
        frames = [file for file in request.FILES.getlist(START_FRAME) if isinstance(file, UploadedFile)]
        return cls(by_role, frames)

    def those(self, is_taken: Callable[[str], bool]) -> SentFiles:
        """Those in roles with which the clip begins."""
        by_role = {role: file for role, file in self.by_role.items() if is_taken(role)}
        return SentFiles(by_role, self.frames if START_FRAME in by_role else ())

    def of_each_clip(self) -> list[dict[str, UploadedFile[Any]]]:
        """What each clip begins with: one clip, or as many as there are start frames."""
        return [{**self.by_role, START_FRAME: frame} for frame in self.frames] or [dict(self.by_role)]

    def bring_credentials(self) -> bool:
        """Whether it is for whoever sends them to say what becomes of their Content Credentials."""
        return carried.is_offered() and any(map(carried.brings_some, (*self.by_role.values(), *self.frames)))


NOTHING_SENT: Final = SentFiles()


def to_choose_again(frames: int, *, has_credentials: bool) -> Iterator[str]:
    """What is said of files that are yet to be decided on: no browser keeps them."""
    if frames > 1:
        yield _(CHOOSE_FRAMES_AGAIN) % {"count": frames}
    if has_credentials:
        yield _(CHOOSE_AGAIN)
