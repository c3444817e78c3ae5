"""A video that a clip goes on from, as its worker has it: the end in memory, the rest where it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from PIL import Image

from gpu_worker.sounds import Audio


class Ending(list[Image.Image]):
    """The last frames of a video, and how to get all of it once the new clip is there to be put behind it.

    A pipeline reads seconds of it and the finished clip holds up to a minute, which as frames would fill the memory.
    """

    def __init__(
        self,
        frames: Sequence[Image.Image],
        *,
        pictures: Callable[[int, int], Iterator[Image.Image]],
        sound: Callable[[int], Audio | None],
    ) -> None:
        """
        Args:
            pictures: ``(width, height)`` → every frame, at the clip's rate, no smaller than that covers it.
            sound: rate → all of its sound; None where it has none.
        """
        super().__init__(frames)
        self.pictures = pictures
        self.sound = sound
