"""What the next job will load is read while this one denoises, and nothing else changes by it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gpu_worker.contract import Progress
from gpu_worker.engine import Engine
from gpu_worker.engine.memory.staging import PIECE_BYTES, Stager
from tests.engine.jobs import Listener, frames_of, render
from tests.engine.tight_engines import engine_on, job, spec
from tests.patience import PATIENCE_SECONDS


def forget(file: Path) -> None:
    """Take ``file`` out of the system's cache."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def is_in_memory(file: Path) -> bool:
    """Whether every page of ``file`` can be read without the disk."""
    with file.open("rb") as opened:
        for offset in range(0, file.stat().st_size, 4096):
            try:
                os.preadv(opened.fileno(), [bytearray(1)], offset, os.RWF_NOWAIT)
            except BlockingIOError:
                return False
    return True


def weights(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "reading-ahead"]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    for thread in readers():
        thread.join(PATIENCE_SECONDS)
    assert not readers()


@pytest.fixture
def next_one(repos: Path, tmp_path: Path) -> Path:
    """A model that no memory knows yet."""
    folder = shutil.copytree(repos / "own", tmp_path / "next")
    for file in weights(folder):
        forget(file)
    if any(map(is_in_memory, weights(folder))):
        pytest.skip("this file system keeps its files in memory")
    return folder


def test_what_the_next_job_loads_is_in_memory_when_it_comes(repos: Path, tmp_path: Path, next_one: Path) -> None:
    def is_there_when_it_comes(attempt: str) -> bool:
        engine = engine_on(repos, tmp_path / "cache" / attempt)
        render(engine, job("one"), tmp_path / "1")
        following = job(str(next_one))
        engine.loading_seconds(following.model)  # names the files by their content, as picking a job does
        for file in weights(next_one):
            forget(file)
        engine.upcoming = [following]
        render(engine, job("one"), tmp_path / "2")
        assert engine._read_ahead.stager.wait(PATIENCE_SECONDS)
        assert engine.status().counters["staged_bytes"] == sum(f.stat().st_size for f in weights(next_one))
        return all(map(is_in_memory, weights(next_one)))

    assert any(map(is_there_when_it_comes, "abc"))  # the system may take pages back whenever it likes, and some do


def test_it_changes_neither_the_clip_nor_what_is_resident(repos: Path, tmp_path: Path, next_one: Path) -> None:
    def residents(engine: Engine) -> set[str]:
        return {r.key for r in engine.status().residents}

    plain, staging = (
        engine_on(repos, tmp_path / "a"),
        engine_on(repos, tmp_path / "b", host_bytes=2**30),
    )
    staging.upcoming = [job(str(next_one))]
    first, second = (frames_of(render(e, job("one"), tmp_path / "clip").clip) for e in (plain, staging))
    assert np.array_equal(first, second)
    assert residents(plain) == residents(staging)
    assert plain.status().used_bytes == staging.status().used_bytes


def test_what_is_quantised_and_kept_is_read_where_it_is_kept(repos: Path, tmp_path: Path) -> None:
    row = {"dtype": "bfloat16", "quantisation": "int8"}
    engine_on(repos, tmp_path / "cache").preload(spec("two", **row))
    engine = engine_on(repos, tmp_path / "cache")
    components = engine._library.open(spec("two", **row)).components
    read = [file for c in components.values() for file in engine._loader.files(c)]
    assert [f.parent.name for f in read] == ["quantised", "quantised", "vae"]


def test_nothing_is_read_beyond_the_budget(tmp_path: Path) -> None:
    for name, size in (("a", 3), ("b", 3), ("c", 1)):
        (tmp_path / name).write_bytes(b"x" * size)
    files = [tmp_path / name for name in ("a", "missing", "b", "c")]
    for budget, read in ((0, 0), (2, 0), (3, 3), (5, 3), (6, 6), (7, 7), (99, 7)):
        stager = Stager()
        stager.begin(files, budget)
        assert stager.wait(PATIENCE_SECONDS)
        assert stager.staged_bytes == read, budget


def test_main_memory_that_is_full_of_copies_leaves_no_budget(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache", host_bytes=2**30)
    assert engine._read_ahead.budget_bytes() > 0
    engine.preload(spec("one"))
    used_bytes = engine._residency.host_used_bytes
    engine.device.host_bytes = used_bytes + 5  # type: ignore[misc]
    assert engine._read_ahead.budget_bytes() == 5
    engine.device.host_bytes = used_bytes - 1  # type: ignore[misc]
    assert engine._read_ahead.budget_bytes() == 0


class Gated:
    """A file whose content comes in pieces, each when it is let through: a pipe with a name."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # both ends, so that nobody waits for the other

    def let_through(self, content: bytes) -> None:
        os.write(self._descriptor, content)

    def close(self) -> None:
        os.close(self._descriptor)


def test_a_disk_that_hangs_holds_up_neither_render_nor_the_next(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gated(tmp_path / "gate")
    engine = engine_on(repos, tmp_path / "cache")
    engine.upcoming = [job("two")]
    monkeypatch.setattr(engine._loader, "files", lambda component: [gate.path])

    seen: list[int] = []

    class Looking(Listener):
        def __call__(self, progress: Progress) -> None:
            super().__call__(progress)
            if progress.kind == "step":
                seen.append(len(readers()))

    render(engine, job("one"), tmp_path / "1", listener=Looking())
    assert seen == [1, 1, 1]  # it hangs all the while, and every step was made
    render(engine, job("two"), tmp_path / "2")
    gate.let_through(b"x")  # the piece in hand; after it nobody wants more
    for thread in readers():
        thread.join(0.2)
    gate.let_through(b"x")
    for thread in readers():
        thread.join(PATIENCE_SECONDS)
    gate.close()


def test_a_reading_that_is_given_up_ends_after_its_piece_and_keeps_no_file_open(tmp_path: Path) -> None:
    gate = Gated(tmp_path / "gate")
    (tmp_path / "after").write_bytes(b"y" * PIECE_BYTES)
    stager = Stager()
    stager.begin([gate.path, tmp_path / "after"], 2**40)
    assert not stager.wait(0.05)
    (thread,) = readers()
    stager.cancel()
    gate.let_through(b"x")
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert stager.staged_bytes == 1  # not the file after it
    gate.close()
    assert not [d for d in Path("/proc/self/fd").iterdir() if d.exists() and d.resolve() == gate.path]


def test_the_same_files_are_not_begun_again(tmp_path: Path) -> None:
    gate = Gated(tmp_path / "gate")
    stager = Stager()
    for _ in range(3):
        stager.begin([gate.path], 2**40)
    assert len(readers()) == 1
    stager.cancel()
    gate.let_through(b"x")
    readers()[0].join(PATIENCE_SECONDS) if readers() else None
    gate.close()
