"""What several cards make of a step together, beside the same step on one: by what shares a worker's clips, in the same
number of processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from gpu_worker.bench.one_card import ANSWER
from gpu_worker.bench.subjects import SUBJECTS
from gpu_worker.bench.weights import transformer_of

LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Shared:
    """A step on so many cards."""

    cards: int
    step_seconds: float
    of_one: float
    """Its seconds by those of the same step on one card."""
    peak_bytes: int
    """Weights, and the most that was held beside them, on the card that held most."""
    cosine: float
    """Of what the transformer answered to what it answers on one."""

    @property
    def gpu_seconds_of_one(self) -> float:
        """Seconds of all cards together by those of the same step on one: what the shared clip costs its host."""
        return self.cards * self.of_one


class NotShared(Exception):
    """So many cards cannot make the step together, or one of them failed. The message says why."""


class CardsBench:
    """One subject on the first card, and on more and more of them."""

    def __init__(self, name: str, size: str, devices: Sequence[str], folder: Path, *, steps: int) -> None:
        """``devices`` are named as in ``GPU_WORKER_DEVICE``, one for each card."""
        self._name, self._size, self._devices, self._folder, self._steps = name, size, devices, folder, steps
        transformer_of(SUBJECTS[name], size, folder)  # so that no two make it at once

    def rows(self) -> Iterator[Shared | str]:
        """A line of the table each, or why there is none."""
        one_seconds, one_answer = 0.0, torch.empty(0)
        for cards in counts(len(self._devices)):
            try:
                step_seconds, peak_bytes, answer = self._measured(cards)
            except NotShared as problem:
                yield f"{cards} cards: {problem}"
                continue
            if cards == 1:
                one_seconds, one_answer = step_seconds, answer
            cosine = float(torch.nn.functional.cosine_similarity(answer, one_answer, dim=0))
            yield Shared(cards, step_seconds, step_seconds / one_seconds, peak_bytes, cosine)

    def _measured(self, cards: int) -> tuple[float, int, torch.Tensor]:
        """Seconds of a step, bytes of the fullest card, and the answer.

        Raises:
            NotShared: see there.
        """
        meeting = self._folder / f"of-{cards}"
        meeting.mkdir()
        processes = [self._started(rank, cards, device, meeting) for rank, device in enumerate(self._devices[:cards])]
        said = [json.loads(line) for line in _ended(processes, meeting)]
        if problem := next((one["problem"] for one in said if "problem" in one), ""):
            raise NotShared(problem)
        answer = load_file(meeting / ANSWER)["answer"].double().flatten()
        return said[0]["step_seconds"], max(one["peak_bytes"] for one in said), answer

    def _started(self, rank: int, cards: int, device: str, meeting: Path) -> subprocess.Popen[str]:
        which = [self._name, self._size, str(self._folder), str(meeting), str(rank), str(cards), str(self._steps)]
        threads = {"OMP_NUM_THREADS": "1"} if device == "cpu" else {}  # as many for one as for each of several
        with _log(meeting, rank).open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "gpu_worker.bench.one_card", *which, str(os.getpid())],
                env={**os.environ, "GPU_WORKER_DEVICE": device, **threads},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )


def counts(cards: int) -> list[int]:
    """How many are tried: one, each power of two, and all of them."""
    return sorted({2**power for power in range(cards.bit_length())} | {cards})


def _ended(processes: Sequence[subprocess.Popen[str]], meeting: Path) -> list[str]:
    """What each has said last, once all have ended.

    Raises:
        NotShared: one has failed. The others, which would wait for it, are ended.
    """
    try:
        while any(process.poll() is None for process in processes) and not any(p.poll() for p in processes):
            time.sleep(LOOK_SECONDS)
        failed = [rank for rank, process in enumerate(processes) if process.poll()]
    finally:
        for process in processes:
            process.kill()
    said = [process.communicate()[0] for process in processes]
    for rank in failed:
        lines = _log(meeting, rank).read_text().strip().splitlines()
        raise NotShared(f"card {rank}: {lines[-1] if lines else f'exit code {processes[rank].returncode}'}")
    return [lines.strip().splitlines()[-1] for lines in said]


def _log(meeting: Path, rank: int) -> Path:
    return meeting / f"card-{rank}.log"
