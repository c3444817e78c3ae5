"""Files of snapshots: one a generation, whole or not there, and gone in time."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from gpu_worker import snapshot_files
from gpu_worker.snapshot_files import KEPT_SECONDS, SWEEP_SECONDS, HourlySweep, SnapshotFiles, is_undamaged


@pytest.fixture
def files(tmp_path: Path) -> SnapshotFiles:
    return SnapshotFiles(tmp_path / "snapshots", every_seconds=0.0)


def test_a_generation_has_its_newest_alone(files: SnapshotFiles) -> None:
    files.write("one", b"first")
    files.write("one", b"second")
    files.write("two", b"other")
    assert [path.read_bytes() for path in files.of("one")] == [b"second"]
    assert all(is_undamaged(path) for path in files.folder.iterdir())
    files.discard("one")
    assert (files.of("one"), len(files.of("two"))) == ([], 1)


def test_the_same_content_again_stays(files: SnapshotFiles) -> None:
    files.write("one", b"same")
    files.write("one", b"same")
    assert [path.read_bytes() for path in files.of("one")] == [b"same"]


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "*", "\0", "ü" * 500])
def test_a_name_in_a_message_is_no_path(files: SnapshotFiles, name: str) -> None:
    files.write("other", b"other")
    files.write(name, b"content")
    assert [path.parent for path in files.of(name)] == [files.folder]
    files.discard(name)
    assert len(files.of("other")) == 1


def test_a_write_that_fails_leaves_the_one_before(files: SnapshotFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("one", b"first")

    def fails(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space"):
        files.write("one", b"second")
    assert [path.read_bytes() for path in files.folder.iterdir()] == [b"first"]


def test_what_is_old_goes_and_so_does_a_draft_of_a_dead_process(files: SnapshotFiles) -> None:
    files.write("old", b"old")
    files.write("new", b"new")
    (files.folder / "x.1.draft").write_bytes(b"half")
    long_ago = time.time() - KEPT_SECONDS - 1
    for path in (*files.of("old"), files.folder / "x.1.draft"):
        os.utime(path, (long_ago, long_ago))
    files.sweep()
    assert [path.read_bytes() for path in files.folder.iterdir()] == [b"new"]


def test_the_oldest_go_where_all_take_too_much(files: SnapshotFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_files, "MOST_BYTES", 20)
    for number in range(4):
        files.write(str(number), f"{number}".encode() * 8)
        os.utime(files.of(str(number))[0], (time.time() - 100 + number,) * 2)
    files.sweep()
    assert {path.read_bytes()[:1] for path in files.folder.iterdir()} == {b"2", b"3"}


def test_no_other_user_of_the_host_reads_them(files: SnapshotFiles) -> None:
    files.write("one", b"first")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (files.folder, *files.folder.iterdir())]
    assert modes == [0o700, 0o600]


def test_they_are_swept_at_once_and_then_every_hour(files: SnapshotFiles) -> None:
    now = 100.0
    sweep = HourlySweep(files.sweep, clock=lambda: now)

    def is_swept() -> bool:
        files.write("old", b"old")
        os.utime(files.of("old")[0], (0, 0))
        sweep.run_if_due()
        return not files.of("old")

    assert is_swept()
    now += SWEEP_SECONDS - 1
    assert not is_swept()
    now += 1
    assert is_swept()
    assert not is_swept()


def test_what_cannot_be_swept_stops_no_worker(
    files: SnapshotFiles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: SnapshotFiles) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(SnapshotFiles, "sweep", fails)
    swept: list[bool] = []
    HourlySweep(files.sweep, lambda: swept.append(True)).run_if_due()
    assert "Permission denied" in caplog.text
    assert swept == [True]
