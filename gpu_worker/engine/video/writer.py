"""Writing a clip while its frames still come: encoding takes a processor, and the card does not wait for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from gpu_worker.engine.video.clip import Before, ClipFile, Frame, Frames, show_frame, write_clip
from gpu_worker.engine.video.provenance import Provenance
from gpu_worker.media.invisible_id import Label
from gpu_worker.sounds import Audio

LOOKS_PER_SECOND = 10
"""How often somebody who waits for the encoder asks whether the clip is still wanted."""


class ClipWriter:
    """Encodes the frames of one clip on a thread of its own, in the order in which they leave the decoder.

    What waits are views of the clip in main memory, which is whole there in the end, so the line takes no bytes and the
    card never waits for the encoder. The thread knows no torch and asks nobody anything: whoever gives it frames asks
    whether to go on, and hears what became of those before. A context: at its end no thread is left, however it ends.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        *,
        upscale: int = 1,
        watermark: str = "",
        label: Label | None = None,
        stop_if_asked: Callable[[], None] = lambda: None,
    ) -> None:
        self._path, self._fps = path, fps
        self._upscale, self._watermark, self._label = upscale, watermark, label
        self._stop_if_asked = stop_if_asked
        self._encoding: _Encoding | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread, if there still is one, and leave the file as it is."""
        self._give_up()

    def put(self, index: int, frame: Frame) -> None:
        """Give it frame ``index``, which must not change any more. With frame 0 the clip begins, or begins anew.

        Raises:
            EncodingFailed: a frame before could not be encoded.
            RenderStopped: the clip is not wanted any more.
        """
        self._stop_if_asked()
        if index == 0:
            self._give_up()
            self._encoding = _Encoding(ClipFile(self._path, self._fps, self._label), self._shown)
        if self._encoding is not None:
            self._encoding.put(index, frame)

    def finish(
        self,
        frames: Frames,
        *,
        audio: Audio | None = None,
        before: Before | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        """Wait for the encoder and write the file of ``frames``, those that were put or, where they are others, these.

        What comes ``before`` is read and encoded now, frame by frame, and so are then the others.

        Raises:
            EncodingFailed: the file could not be written; the message says why.
            RenderStopped: the clip is not wanted any more.
        """
        if before is not None:
            self._give_up()
            write_clip(
                self._path,
                frames,
                self._fps,
                upscale=self._upscale,
                audio=audio,
                before=before,
                watermark=self._watermark,
                provenance=provenance,
                label=self._label,
                stop_if_asked=self._stop_if_asked,
            )
            return
        if self._encoding is None or not self._encoding.has(frames):
            for index, frame in enumerate(frames):
                self.put(index, frame)
        encoding = self._encoding
        assert encoding is not None  # a clip has a frame
        encoding.end()
        while not encoding.wait(1 / LOOKS_PER_SECOND):
            self._stop_if_asked()
        encoding.file.finish(audio, provenance)
        self._encoding = None

    def _shown(self, frame: Frame) -> Frame:
        return show_frame(frame, self._upscale, self._watermark)

    def _give_up(self) -> None:
        if self._encoding is not None:
            self._encoding.give_up()
            self._encoding = None


class _Encoding:
    """One beginning of the clip: a file, and the thread that encodes into it."""

    def __init__(self, file: ClipFile, shown: Callable[[Frame], Frame]) -> None:
        self.file = file
        self._shown = shown
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._given: list[Frame] = []
        self._error: BaseException | None = None
        self._is_given_up = False
        self._thread = threading.Thread(target=self._encode, name="clip writer", daemon=True)
        self._thread.start()

    def put(self, index: int, frame: Frame) -> None:
        self._raise_error()
        assert index == len(self._given), "frames come in their order"
        self._given.append(frame)
        self._frames.put(frame)

    def has(self, frames: Frames) -> bool:
        """Whether exactly these were put: the same places of main memory."""
        return len(self._given) == len(frames) and all(
            given.ctypes.data == frame.ctypes.data for given, frame in zip(self._given, frames, strict=True)
        )

    def end(self) -> None:
        """No more frames come."""
        self._frames.put(None)

    def wait(self, seconds: float) -> bool:
        """Whether all is encoded, after ``seconds`` at most.

        Raises:
            EncodingFailed: it could not be.
        """
        self._thread.join(seconds)
        self._raise_error()
        return not self._thread.is_alive()

    def give_up(self) -> None:
        """End the thread, after the frame that it is at, and leave the file as it is."""
        self._is_given_up = True
        self._frames.put(None)
        self._thread.join()
        self.file.close()

    def _encode(self) -> None:
        try:
            while (frame := self._frames.get()) is not None and not self._is_given_up:
                self.file.add(self._shown(frame))
        except BaseException as error:  # it belongs to the render, which hears of it with its next frame
            self._error = error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
