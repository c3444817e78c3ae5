"""The progress stream: what is written, how often, and what happens while the server is away."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from gpu_worker.contract import Progress
from gpu_worker.progress import RECOVERY_SECONDS, ProgressStream
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import PROGRESS_MAXLEN, PROGRESS_TTL_SECONDS, progress_key
from loremotion.local.ports import free_port
from loremotion.local.valkey import Valkey
from tests.gpu_worker.conftest import make_job, stream_of

JOB = make_job(Path("/tmp"))


def test_entries_carry_kind_and_message_and_the_stream_is_bounded(valkey: redis.Redis) -> None:
    stream = ProgressStream(valkey, JOB.generation_id, preview_seconds=0)
    for step in range(PROGRESS_MAXLEN + 500):
        before, _ = valkey.time()
        stream.write(Progress(kind="step", stage="denoising", step=step, steps_total=5))

    entries = stream_of(valkey, JOB)
    assert entries[-1]["event"] == "step"
    assert entries[-1]["step"] == PROGRESS_MAXLEN + 499
    assert PROGRESS_MAXLEN <= len(entries) < PROGRESS_MAXLEN + 200
    assert valkey.ttl(progress_key(JOB.generation_id)) <= PROGRESS_TTL_SECONDS
    assert valkey.expiretime(progress_key(JOB.generation_id)) >= before + PROGRESS_TTL_SECONDS


def test_pictures_are_throttled_and_steps_are_not(valkey: redis.Redis) -> None:
    now = [100.0]
    stream = ProgressStream(valkey, JOB.generation_id, preview_seconds=0.5, clock=lambda: now[0])
    for tenth in range(11):
        now[0] = 100 + tenth / 10
        stream.write(Progress(kind="preview", preview="data:a"))
        stream.write(Progress(kind="step", step=tenth, preview="data:b"))

    entries = stream_of(valkey, JOB)
    assert [e["step"] for e in entries if e["event"] == "step"] == list(range(11))
    assert len([e for e in entries if e["event"] == "preview"]) == 3
    assert not any(e["preview"] for e in entries if e["event"] == "step")


def test_a_stream_that_takes_no_more_entries_fails_no_render(valkey: redis.Redis) -> None:
    valkey.xadd(progress_key(JOB.generation_id), {"event": "step"}, id=f"{2**64 - 1}-{2**64 - 1}")
    ProgressStream(valkey, JOB.generation_id, preview_seconds=0).write(Progress(kind="step", step=1))
    assert valkey.xlen(progress_key(JOB.generation_id)) == 1


@pytest.fixture
def hanging_up() -> Iterator[tuple[str, list[int]]]:
    """The address of a server that hangs up on everybody, and how many came."""
    callers: list[int] = []

    def hang_up() -> None:
        with contextlib.suppress(OSError):  # of a listener that is closed
            while True:
                caller, address = listener.accept()
                callers.append(address[1])
                caller.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0", callers
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_server_that_is_away_costs_the_render_next_to_nothing(hanging_up: tuple[str, list[int]]) -> None:
    address, callers = hanging_up
    stream = ProgressStream(connect(address), JOB.generation_id, preview_seconds=0, clock=lambda: 0.0)
    stream.write(Progress(kind="step", step=0))
    tries = len(callers)
    assert tries > 0
    for step in range(1, 1_000):
        stream.write(Progress(kind="step", step=step))
    assert len(callers) == tries, "it is left alone for a while"


def test_it_is_asked_again_after_a_while(tmp_path: Path) -> None:
    now = [0.0]
    server = Valkey(tmp_path, free_port(), is_durable=False)
    connection = connect(server.url())
    stream = ProgressStream(connection, JOB.generation_id, preview_seconds=0, clock=lambda: now[0])
    stream.write(Progress(kind="step", step=1))
    server.start()
    now[0] = RECOVERY_SECONDS / 2
    stream.write(Progress(kind="step", step=2))
    now[0] = RECOVERY_SECONDS + 0.1
    stream.write(Progress(kind="step", step=3))
    assert [entry["step"] for entry in stream_of(connection, JOB)] == [3]
    server.stop()
