"""The folders of quantised weights and compiled kernels stay within their bounds."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpu_worker.cache_folders import MOST_BYTES, NEWEST_SECONDS, sweep

NOW = 1_000_000.0


def kept(cache: Path) -> set[str]:
    return {str(file.relative_to(cache)) for file in cache.rglob("*") if file.is_file()}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Four files of ten bytes in each folder, ``0`` used last."""
    for folder in ("quantised", "compiled/a/b", "snapshots"):
        (tmp_path / folder).mkdir(parents=True)
        for age in range(4):
            file = tmp_path / folder / str(age)
            file.write_bytes(b"x" * 10)
            os.utime(file, (NOW - NEWEST_SECONDS * (age + 2),) * 2)
    return tmp_path


def test_the_least_recently_used_leave_each_folder_that_is_beyond_its_bound(cache: Path) -> None:
    assert sweep(cache, NOW, {"quantised": 25, "compiled": 10}) == 50
    expected = {"quantised/0", "quantised/1", "compiled/a/b/0", *(f"snapshots/{age}" for age in range(4))}
    assert kept(cache) == expected


def test_what_somebody_may_be_about_to_read_stays(cache: Path) -> None:
    for file in (cache / "quantised").iterdir():
        os.utime(file, (NOW - NEWEST_SECONDS + 1,) * 2)
    assert sweep(cache, NOW, {"quantised": 0}) == 0


def test_a_small_disk_is_not_filled(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=50))
    assert sweep(cache, NOW, {"quantised": 10**12}) == 10


def test_a_cache_within_its_bounds_and_one_that_is_not_there_are_left_alone(cache: Path) -> None:
    before = kept(cache)
    assert sweep(cache, NOW, MOST_BYTES) == sweep(cache / "none", NOW) == 0
    assert kept(cache) == before


def test_a_file_that_cannot_be_removed_keeps_no_other(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unlink = Path.unlink

    def refuse_one(file: Path, missing_ok: bool = False) -> None:
        if file.name == "2":
            raise PermissionError(13, "Permission denied")
        unlink(file, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_one)
    assert sweep(cache, NOW, {"quantised": 10}) == 20
    assert {name for name in kept(cache) if name.startswith("quantised")} == {"quantised/0", "quantised/2"}
    assert "2 cannot be removed from the cache" in caplog.text
