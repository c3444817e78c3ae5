"""The preview model as a worker finds it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gpu_worker.preview import checkpoint


def test_a_worker_finds_the_shipped_weights(tmp_path: Path) -> None:
    link = checkpoint.place(tmp_path / "models")
    assert link == tmp_path / "models" / "preview"
    assert link.resolve() == checkpoint.SHIPPED.resolve()
    assert (link / "model_index.json").is_file()


def test_a_link_to_where_the_project_was_before_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "preview").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert checkpoint.place(tmp_path).resolve() == checkpoint.SHIPPED.resolve()


def test_a_folder_of_one_s_own_stays(tmp_path: Path) -> None:
    (tmp_path / "preview").mkdir()
    assert checkpoint.place(tmp_path).resolve() == (tmp_path / "preview").resolve()


def test_several_at_once_leave_one_link_and_nothing_else(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        links = set(pool.map(checkpoint.place, [tmp_path / "models"] * 32))
    assert links == {tmp_path / "models" / "preview"}
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["preview"]


def test_without_the_weights_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "nothing-shipped")
    with pytest.raises(FileNotFoundError, match=r"not in .*nothing-shipped.*git checkout"):
        checkpoint.place(tmp_path / "models")
    assert not (tmp_path / "models").exists()
