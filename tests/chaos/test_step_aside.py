"""A real worker that is killed while a render of its is aside. Its short form: ``gpu_worker/test_step_aside.py``."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import redis

from gpu_worker.contract import Outcome
from gpu_worker.error_codes import STEPPED_ASIDE
from gpu_worker.liveness import live_workers
from tests.gpu_worker.conftest import enqueue
from tests.gpu_worker.test_real_render import frames_of, gpu_host, host_folder, preview_job, report_on, valkey
from tests.patience import wait_until

__all__ = ["gpu_host", "host_folder", "valkey"]


def test_killed_while_a_render_is_aside_nothing_is_lost_and_it_goes_on_to_the_same_frames(
    valkey: redis.Redis, gpu_host: subprocess.Popen[bytes], host_folder: Path, tmp_path: Path
) -> None:
    former = wait_until(lambda: next(iter(live_workers(valkey)), None))
    os.kill(former.pid, signal.SIGKILL)  # a new worker looks at its first long render for a short one to let go first
    known, long, short = (preview_job(tmp_path, steps=steps) for steps in (1, 24, 1))
    for job in (known, long, short):
        enqueue(valkey, job)
    aside = wait_until(lambda: report_on(valkey, long))
    worker = wait_until(lambda: next((each for each in live_workers(valkey) if each.pid != former.pid), None))
    os.kill(worker.pid, signal.SIGKILL)
    if report_on(valkey, short) is None:  # the worker had it in hand, and the site hands it on
        short = replace(short, attempt=2)
        enqueue(valkey, short)
    first = wait_until(lambda: report_on(valkey, short))
    again = replace(long, attempt=2, times_aside=1, kept_by="worker-under-test")
    enqueue(valkey, again)
    resumed = wait_until(lambda: report_on(valkey, again))
    undisturbed = preview_job(tmp_path, steps=24)
    enqueue(valkey, undisturbed)
    whole = wait_until(lambda: report_on(valkey, undisturbed))

    assert aside.error is not None
    assert aside.error.code == STEPPED_ASIDE
    assert [each.outcome for each in (resumed, whole, first)] == [Outcome.SUCCEEDED] * 3
    assert resumed.resumed_from_step == aside.steps_done > 0
    assert whole.resumed_from_step == 0
    assert frames_of(tmp_path, again) == frames_of(tmp_path, undisturbed)
