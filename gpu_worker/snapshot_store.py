"""Snapshots in the site's store, where a row wants them there: put beside the render, found by the next attempt
wherever that runs.

A file there is a snapshot with its SHA-256 behind it, so that it can be checked by whoever fetches it. Nothing of this
is a reason to fail: what cannot be put or fetched is logged, and the next attempt starts anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import httpx

from gpu_worker.addresses import CHUNK_BYTES, TransferFailed
from gpu_worker.contract import SNAPSHOT_MOST_BYTES, RenderJob
from gpu_worker.inputs import Fetcher, Most
from gpu_worker.snapshot_files import SnapshotFiles, digest_of, is_undamaged, standing_of
from gpu_worker.upload import Uploader

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/octet-stream"
EVERY_SECONDS: Final = 30.0
"""Shortest time between the ends of two uploads of one render, and so what the loss of a host costs at most …"""
MOST_OF_THE_LINE: Final = 0.1
"""… unless an upload takes longer: they take this share of the time at most."""
LAST_SECONDS: Final = 20.0
"""So long a worker that hands a render back goes on sending its last snapshot."""
_MOST: Final = Most("The snapshot", SNAPSHOT_MOST_BYTES)
_DIGEST_BYTES: Final = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class SnapshotStore:
    """The store as a worker reaches it: by the addresses in its jobs."""

    uploader: Uploader
    fetcher: Fetcher
    every_seconds: float = EVERY_SECONDS

    def fetch(self, job: RenderJob, folder: Path, files: SnapshotFiles, on_chunk: Callable[[], None]) -> None:
        """Have the snapshot of a former attempt among the host's own, unless the host has one that is as new: that of
        an attempt before may lie there still, while another host came further since.

        Raises:
            what ``on_chunk`` does.
        """
        if not job.snapshot_from:
            return
        try:
            own = max((standing_of(path) for path in files.of(job.generation_id) if is_undamaged(path)), default=None)
            if own is not None and own[0] >= job.attempt - 1:  # nobody was at it since
                return
            fetched = self.fetcher.get(job.snapshot_from, folder / "snapshot", on_chunk, _MOST)
            if own is None or standing_of(fetched) > own:
                _take_over(fetched, job.generation_id, files, on_chunk)
        except (TransferFailed, httpx.HTTPError, OSError) as problem:
            logger.info("No snapshot of %s comes from the store: %s", job.generation_id, problem)

    @contextmanager
    def beside(
        self,
        job: RenderJob,
        folder: Path,
        files: SnapshotFiles,
        *,
        may_go_elsewhere: Callable[[Exception], bool],
        while_waiting: Callable[[], None],
    ) -> Iterator[Callable[[], None]]:
        """Put snapshots into the store on a thread of its own, the newest whenever it is time. Yields what is called
        when one was written.

        Args:
            may_go_elsewhere: whether a render that ended so may go on at another host: then the newest goes out first,
                within ``LAST_SECONDS``.
            while_waiting: called meanwhile, every second.
        """
        if not job.snapshot_to:
            yield lambda: None
            return
        copies = _Copies(self.uploader, job, folder, files, self.every_seconds)
        try:
            yield copies.note_written
        except Exception as error:
            if may_go_elsewhere(error):
                copies.finish(LAST_SECONDS, while_waiting)
            raise
        finally:
            copies.break_off()


class _Copies:
    """The snapshots of one render on their way. One is, at most, and only the newest is worth sending."""

    def __init__(
        self, uploader: Uploader, job: RenderJob, folder: Path, files: SnapshotFiles, every_seconds: float
    ) -> None:
        self._uploader, self._job, self._files = uploader, job, files
        self._draft = folder / f"snapshot-{secrets.token_hex(4)}"
        self._every_seconds = every_seconds
        self._changed = threading.Condition()
        self._is_due, self._is_ending, self._is_over = False, False, False
        self._thread: threading.Thread | None = None

    def note_written(self) -> None:
        """From the render's thread: there is a newer one."""
        with self._changed:
            self._is_due = True
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
            self._thread.start()

    def finish(self, within_seconds: float, while_waiting: Callable[[], None]) -> None:
        """Let the newest go out, for so long."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        ends_at = time.monotonic() + within_seconds
        while self._thread is not None and self._thread.is_alive() and time.monotonic() < ends_at:
            while_waiting()
            self._thread.join(min(1.0, max(0.0, ends_at - time.monotonic())))

    def break_off(self) -> None:
        """End the thread, and what it is sending."""
        with self._changed:
            self._is_ending = self._is_over = True
            self._changed.notify()

    def _run(self) -> None:
        pause_seconds = 0.0
        while self._wait(pause_seconds):
            began = time.monotonic()
            try:
                self._put()
            except (TransferFailed, httpx.HTTPError, OSError) as problem:
                if not self._is_over:
                    logger.warning("The snapshot of %s does not reach the store: %s", self._job.generation_id, problem)
            pause_seconds = max(self._every_seconds, (time.monotonic() - began) / MOST_OF_THE_LINE)

    def _wait(self, pause_seconds: float) -> bool:
        """Return whether one is to be sent, once it is time or the render comes to its end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending, pause_seconds)
            self._changed.wait_for(lambda: self._is_due or self._is_ending)
            is_wanted, self._is_due = self._is_due and not self._is_over, False
            return is_wanted

    def _put(self) -> None:
        newest = self._files.of(self._job.generation_id)
        if not newest or newest[0].stat().st_size > SNAPSHOT_MOST_BYTES - _DIGEST_BYTES or not is_undamaged(newest[0]):
            return
        try:
            shutil.copyfile(newest[0], self._draft)
            with self._draft.open("ab") as draft:
                draft.write(bytes.fromhex(digest_of(newest[0])))
            self._uploader.put(self._draft, self._job.snapshot_to, CONTENT_TYPE, self._go_on)
        finally:
            with suppress(OSError):
                self._draft.unlink(missing_ok=True)

    def _go_on(self) -> None:
        if self._is_over:
            raise TransferFailed("The render is over.", is_retryable=False)


def _take_over(fetched: Path, generation_id: str, files: SnapshotFiles, on_chunk: Callable[[], None]) -> None:
    """Have what was fetched among the host's own, if it is as it was put. Read twice rather than held in memory."""
    with fetched.open("rb") as file:
        size_bytes = max(0, file.seek(0, os.SEEK_END) - _DIGEST_BYTES)
        digest = hashlib.sha256()
        for piece in _pieces(file, size_bytes, on_chunk):
            digest.update(piece)
        if file.read() == digest.digest():
            files.write_pieces(generation_id, _pieces(file, size_bytes, on_chunk), digest.hexdigest())
        else:
            logger.warning("The snapshot of %s in the store is damaged", generation_id)


def _pieces(file: BinaryIO, size_bytes: int, on_chunk: Callable[[], None]) -> Iterator[bytes]:
    """The first bytes of a file, so many."""
    file.seek(0)
    while size_bytes > 0 and (piece := file.read(min(CHUNK_BYTES, size_bytes))):
        size_bytes -= len(piece)
        on_chunk()
        yield piece
