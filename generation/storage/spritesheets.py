"""A clip as one picture of small stills, for whoever shows what is in it, and when each is on the screen (WebVTT).

How the stills lie follows from the clip's facts, so the track is written without looking at the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from generation.models import Clip

SUFFIX: Final = "jpg"
"""Of the file that ``conversions`` makes."""
MOST_STILLS: Final = 25
COLUMNS: Final = 5
LONGER_SIDE: Final = 192
"""Of a still, in pixels."""


@dataclass(frozen=True, slots=True)
class Layout:
    """``stills`` of ``width`` by ``height`` pixels in rows of ``columns``, spread evenly over ``seconds``."""

    stills: int
    columns: int
    width: int
    height: int
    seconds: float

    @classmethod
    def of(cls, clip: Clip) -> Layout:
        factor = min(1.0, LONGER_SIDE / max(clip.width, clip.height))
        width, height = (max(2, 2 * round(side * factor / 2)) for side in (clip.width, clip.height))
        stills = max(1, min(MOST_STILLS, clip.num_frames))
        return cls(stills, min(COLUMNS, stills), width, height, clip.duration_seconds)

    @property
    def rows(self) -> int:
        return -(-self.stills // self.columns)

    def said(self) -> dict[str, Any]:
        """What the program that makes the picture is told."""
        return {
            "stills": self.stills,
            "columns": self.columns,
            "rows": self.rows,
            "width": self.width,
            "height": self.height,
            "seconds": self.seconds,
        }


def track(clip: Clip, *, picture: str) -> str:
    """The WebVTT track whose cues are parts of the picture at the address ``picture``, as Media Fragments name them."""
    layout = Layout.of(clip)
    cues = ["WEBVTT"]
    for number in range(layout.stills):
        begins, ends = (layout.seconds * moment / layout.stills for moment in (number, number + 1))
        row, column = divmod(number, layout.columns)
        place = f"{column * layout.width},{row * layout.height},{layout.width},{layout.height}"
        cues.append(f"{_time(begins)} --> {_time(ends)}\n{picture}#xywh={place}")
    return "\n\n".join(cues) + "\n"


def _time(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
