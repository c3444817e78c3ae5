"""What is left of a job once its frames have left the card: done on a thread of its own, beside the next job.

The file is written, sent and reported meanwhile. The thread touches neither the card nor torch. Nothing of the job is
spared by it: it has its time limit, is asked whether to go on, and the supervisor hears from it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from gpu_worker.contract import LATE_SECONDS, RenderJob
from gpu_worker.lifeline import Lifeline

logger = logging.getLogger(__name__)

LOOKS_PER_SECOND = 2


class Deliveries:
    """One delivery at a time, begun and asked about by the main thread."""

    def __init__(
        self, lifeline: Lifeline, is_reported: Callable[[str], bool], on_broken_off: Callable[[], None]
    ) -> None:
        """
        Args:
            lifeline: the main thread's, which goes on speaking while it waits.
            is_reported: whether the report of the job with this id has been left.
            on_broken_off: called on the delivery's thread when it ended without.
        """
        self.lifeline = lifeline.for_delivery()
        self.job: RenderJob | None = None
        """The job that is delivered, until somebody notes that it is over."""
        self._main = lifeline
        self._is_reported = is_reported
        self._on_broken_off = on_broken_off
        self._thread: threading.Thread | None = None

    def begin(self, job: RenderJob, rest: Callable[[], None]) -> None:
        """Call ``rest`` on a thread. None is under way."""
        assert self.job is None
        self.lifeline.say(job.job_id, LATE_SECONDS)
        self.job = job
        self._thread = threading.Thread(target=self._run, args=(job, rest), name="delivery", daemon=True)
        self._thread.start()

    def wait(self, check: Callable[[], None] = lambda: None) -> None:
        """Return when none is under way; what ``check`` raises ends the wait."""
        while self._thread is not None and self._thread.is_alive():
            check()
            self._main.repeat()
            self._thread.join(1 / LOOKS_PER_SECOND)

    def note_end(self) -> RenderJob | None:
        """Return the job whose delivery has ended since the last call, however it did."""
        if self.job is None or (self._thread is not None and self._thread.is_alive()):
            return None
        ended, self.job = self.job, None
        return ended

    def _run(self, job: RenderJob, rest: Callable[[], None]) -> None:
        try:
            rest()
        except BaseException:  # nobody is above this thread
            logger.exception("The delivery of %s broke off", job.job_id)
        finally:
            if self._is_reported(job.job_id):
                self.lifeline.say(None, 0.0)
            else:  # its last word goes on naming the job, and leaves the main thread time to come to an end
                self._on_broken_off()
                self.lifeline.say(job.job_id, job.timeout_seconds)
