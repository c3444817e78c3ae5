"""Clips that the built-in model made, for a front page on which nobody has anything to show yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from generation.pages.choices import EXAMPLE


@dataclass(frozen=True, slots=True)
class Sample:
    """A clip of two seconds as two files of ``static/samples/``: moving, and still for whoever wants it calm."""

    name: str
    prompt: str

    @property
    def moving(self) -> str:
        return f"samples/{self.name}.webp"

    @property
    def still(self) -> str:
        return f"samples/{self.name}-still.webp"


SAMPLES: Final = (
    Sample("circle", EXAMPLE),
    Sample("triangle", "a yellow triangle growing on a blue background"),
    Sample("star", "a purple star moving left on a black background"),
    Sample("square", "a white square growing on a black background"),
    Sample("falling", "a green triangle moving down on a white background"),
    Sample("rising", "a pink circle moving up on a blue background"),
)
