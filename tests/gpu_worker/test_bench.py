"""The command that measures a host: it runs anywhere, and says what it measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_worker.__main__ import main


def test_it_measures_every_way_of_holding_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "ltx-2b", "--small", "--steps", "1", "--folder", str(tmp_path)]) == 0

    said = capsys.readouterr().out
    assert "small configurations" in said
    rows = [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("| ")]
    assert rows == ["weights", "plain diffusers", "none", "int8", "fp8", "none, block swap"]
    assert "of a plain read; swap from main memory" in said
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "sora"])
    assert "no model sora; there are: ltx-2b, wan-1.3b" in capsys.readouterr().err
