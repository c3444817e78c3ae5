"""What the command says of several cards: of processes on the processor here, and of nothing where there is one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gpu_worker.__main__ import main
from gpu_worker.bench import cards, one_card
from gpu_worker.bench.cards import CardsBench, NotShared, Shared, counts
from gpu_worker.bench.command import no_cards, table_of_cards


@pytest.fixture(autouse=True)
def single_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class ScriptedBench(CardsBench):
    """Four cards, of which two cannot share."""

    def __init__(self) -> None:
        self._devices = ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]

    def _measured(self, cards: int) -> tuple[float, int, torch.Tensor]:
        if cards == 2:
            raise NotShared("3 heads of attention cannot be shared by 2 cards")
        return (2.0 if cards == 1 else 0.6), cards * 2**20, torch.ones(4)


def test_the_step_of_several_cards_stands_beside_that_of_one() -> None:
    table = list(table_of_cards(ScriptedBench()))
    assert [line for line in table if line.startswith("| ")] == [
        "| cards | a step | speed-up | GPU seconds of one card's | peak | cosine |",
        "| 1 | 2000.0 ms | 1.00 | 1.00 | 1.0 MiB | 1.00000 |",
        "| 4 | 600.0 ms | 3.33 | 1.20 | 4.0 MiB | 1.00000 |",
    ]
    assert table[-1] == "\n2 cards: 3 heads of attention cannot be shared by 2 cards"


@pytest.mark.parametrize(("there", "tried"), [(2, [1, 2]), (3, [1, 2, 3]), (4, [1, 2, 4]), (6, [1, 2, 4, 6])])
def test_more_and_more_cards_are_tried_up_to_all(there: int, tried: list[int]) -> None:
    assert counts(there) == tried


@pytest.mark.parametrize(
    ("present", "wanted", "has_card", "why"),
    [
        (0, None, False, "there is no card here; --cards 2 tries it with two processes on the processor"),
        (1, 1, False, "--cards 1: a step is shared by two at least"),
        (1, None, True, "it takes 2 cards, of which 1 can be used here"),
        (2, 4, True, "it takes 4 cards, of which 2 can be used here"),
        (2, None, True, ""),
        (2, 2, False, ""),
    ],
)
def test_one_card_is_refused_with_the_reason(present: int, wanted: int | None, has_card: bool, why: str) -> None:
    assert no_cards(present, wanted, has_card=has_card) == why


def test_the_command_refuses_where_nobody_shares(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_WORKER_DEVICE", "cpu")
    with pytest.raises(SystemExit):
        main(["bench", "--only", "cards"])
    assert "--cards 2 tries it with two processes" in capsys.readouterr().err


def test_one_card_says_what_its_step_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_WORKER_DEVICE", "cpu")
    monkeypatch.setattr(one_card, "die_with", lambda parent: None)
    assert one_card.main(["ltx-2b", "small", str(tmp_path), str(tmp_path), "0", "1", "1", "1"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == {"step_seconds", "peak_bytes"}
    assert (tmp_path / one_card.ANSWER).is_file()


def test_a_card_that_fails_ends_all_and_is_named(tmp_path: Path) -> None:
    scripts = ["import time; time.sleep(600)", "import sys; sys.exit('No kernel image is available')"]
    processes = []
    for rank, script in enumerate(scripts):
        with cards._log(tmp_path, rank).open("w") as log:
            command = [sys.executable, "-S", "-c", script]
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True))
    with pytest.raises(NotShared, match="card 1: No kernel image is available"):
        cards._ended(processes, tmp_path)
    assert all(process.returncode for process in processes)


@pytest.mark.seeds
def test_two_processes_make_the_step_of_one(tmp_path: Path) -> None:
    rows = list(CardsBench("ltx-2b", "small", ["cpu", "cpu"], tmp_path, steps=1).rows())
    assert [row.cards for row in rows if isinstance(row, Shared)] == [1, 2]
    assert all(row.cosine == pytest.approx(1, abs=1e-6) for row in rows if isinstance(row, Shared))
