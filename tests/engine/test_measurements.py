"""Small files that the engine keeps for its next life."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_worker.engine.memory.measurements import read_json, write_json


def test_what_could_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.mkdir()
    with pytest.raises(OSError, match=r"figures\.json"):
        write_json(path, {"a": 1})
    assert list(tmp_path.iterdir()) == [path]
    path.rmdir()
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
