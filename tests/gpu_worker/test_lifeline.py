"""What a worker tells its supervisor arrives, also where that does not listen for a while."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from gpu_worker.lifeline import DELIVERY, MAIN, Lifeline, Listener, Word


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def fill(descriptor: int) -> None:
    """Leave no room in the pipe."""
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b'["b", 10.0, "main"]\n' * 200)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b'["b", 10.0, "main"]\n')


def test_what_a_full_pipe_has_no_room_for_is_said_when_anybody_speaks_again(pipe: tuple[int, int]) -> None:
    listener, main = Listener(pipe[0]), Lifeline(pipe[1])
    delivery = main.for_delivery()
    delivery.say("a", 30.0)
    fill(pipe[1])  # nobody reads
    delivery.say(None, 0.0)
    main.say("c", 10.0)
    assert {word.job_id for word in listener.words()} == {"a", "b"}
    main.repeat()
    latest = {word.speaker: word for word in listener.words()}
    assert latest == {DELIVERY: Word(None, 0.0, DELIVERY), MAIN: Word("c", 10.0, MAIN)}


def test_a_supervisor_that_is_gone_ends_the_worker() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(SystemExit, match="supervisor is gone"):
        Lifeline(writing).repeat()
    os.close(writing)
