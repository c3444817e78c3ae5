"""The command: models of random weights made on the spot, and a table for each of them.

Without a card it runs models of a few hundred megabytes: true figures of this host, and none of a card's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import diffusers
import torch

from gpu_worker.bench.cards import CardsBench, Shared
from gpu_worker.bench.holding import Holding, Row
from gpu_worker.bench.speed import Measured, Refused, SpeedBench, processor_seconds
from gpu_worker.bench.subjects import SIZES, SUBJECTS
from gpu_worker.engine.memory import main_memory
from gpu_worker.engine.memory.cuda import Cuda
from gpu_worker.engine.memory.devices import Cpu, Device, fastest_kind
from gpu_worker.engine.sizes import show_bytes

ABOUT = ("weights", "speed", "cards")


def main(arguments: list[str]) -> int:
    parser = _parser()
    asked = parser.parse_args(arguments)
    unknown = set(asked.subjects) - SUBJECTS.keys()
    if unknown:
        parser.error(f"no model {', '.join(sorted(unknown))}; there are: {', '.join(SUBJECTS)}")
    try:
        has_card = os.environ.get("GPU_WORKER_DEVICE") != "cpu" and fastest_kind() == "cuda"
    except RuntimeError as refusal:
        parser.error(str(refusal))
    if asked.processor_time and has_card:
        parser.error("--processor-time says nothing of a card")
    devices = _devices(asked.cards, has_card=has_card) if asked.only == "cards" else []
    if asked.only == "cards" and (reason := no_cards(len(devices), asked.cards, has_card=has_card)):
        parser.error(reason)
    clock = processor_seconds if asked.processor_time else time.perf_counter
    size = asked.size or ("full" if has_card else "medium")
    diffusers.utils.logging.set_verbosity_error()
    host_bytes = main_memory.total_bytes()
    device: Device = Cuda() if has_card else Cpu(host_bytes // 2, host_bytes // 4)
    threads = "" if has_card else f", {torch.get_num_threads()} threads"
    seconds = ", seconds of the processor" if asked.processor_time else ""
    say(f"{device.name}, torch {torch.__version__}{threads}, {size} models{seconds}")
    for name in asked.subjects or SUBJECTS:
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            subject = SUBJECTS[name]
            width, height, frames = subject.scales[size].clip
            step = f"one step of {width}x{height}, {frames} frames"
            if asked.only == "cards":
                say(f"\n{name}, {step}\n")
                say(*table_of_cards(CardsBench(name, size, devices, Path(folder), steps=asked.steps)))
            if asked.only in (None, "weights"):
                holding = Holding(subject, size, device, Path(folder), steps=asked.steps)
                say(f"\n{name}, {show_bytes(holding.size_bytes)} in bfloat16, {step}\n")
                say(*holdings(holding, device))
            if asked.only in (None, "speed"):
                speed_bench = SpeedBench(subject, size, device, Path(folder), steps=asked.steps, clock=clock)
                say(f"\n{name}, renders of {asked.steps} steps, one call of the denoiser each\n")
                say(*speeds(speed_bench.measured(asked.rounds)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gpu_worker bench", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="MODEL", help=f"of {', '.join(SUBJECTS)}; all by default")
    parser.add_argument(
        "--only",
        choices=ABOUT,
        help="how weights are held, what each speed setting does, or what several cards make of a step; the first two "
        "else",
    )
    parser.add_argument(
        "--cards",
        type=int,
        help="with --only cards: how many at most; all that there are by default. Without a card so many processes on "
        "the processor, whose figures say nothing of cards",
    )
    parser.add_argument("--steps", type=int, default=10, help="measured steps of each row or render")
    parser.add_argument("--rounds", type=int, default=3, help="renders with each speed setting, after a first one")
    parser.add_argument("--size", choices=SIZES, help="of the models; full with a card, else medium")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="of renders, in place of the clock's: for one thread on a machine that others use (OMP_NUM_THREADS=1, "
        "TORCHINDUCTOR_COMPILE_THREADS=1)",
    )
    parser.add_argument("--folder", type=Path, help="where weights are made; a temporary folder by default")
    return parser


def say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def holdings(holding: Holding, device: Device) -> Iterator[str]:
    yield from table_line("weights", "load", "step", "peak", is_head=True)
    remarks = []
    for row in holding.rows():
        if isinstance(row, Row):
            peak = show_bytes(row.peak_bytes) if device.torch_device.type == "cuda" else "on a card only"
            yield from table_line(row.name, f"{row.load_seconds:.2f} s", f"{row.step_seconds * 1000:.1f} ms", peak)
        else:
            remarks.append(row)
    yield from (f"\n{line}" for line in (*remarks, holding.rates()))


def speeds(rows: Sequence[Measured | Refused]) -> Iterator[str]:
    yield from table_line(
        "setting",
        "first render",
        "a step",
        "of without",
        "decoding",
        "of without",
        "peak",
        "cosine",
        "clip",
        is_head=True,
    )
    for row in rows:
        if isinstance(row, Measured):
            yield from table_line(
                row.name,
                f"{row.first_seconds:.2f} s",
                f"{statistics.median(row.step_seconds) * 1000:.1f} ms",
                spread(row.step_ratios),
                f"{statistics.median(row.decoding_seconds) * 1000:.0f} ms",
                spread(row.decoding_ratios),
                show_bytes(row.peak_bytes),
                f"{row.cosine:.5f}",
                "the same" if row.psnr == float("inf") else f"{row.psnr:.0f} dB",
            )
    refused = [row for row in rows if isinstance(row, Refused)]
    if refused:
        yield "\nNot here:\n"
        yield from (f"- `{row.name}`: {row.reason}" for row in refused)


def table_of_cards(bench: CardsBench) -> Iterator[str]:
    yield from table_line("cards", "a step", "speed-up", "GPU seconds of one card's", "peak", "cosine", is_head=True)
    remarks = []
    for row in bench.rows():
        if isinstance(row, Shared):
            yield from table_line(
                str(row.cards),
                f"{row.step_seconds * 1000:.1f} ms",
                f"{1 / row.of_one:.2f}",
                f"{row.gpu_seconds_of_one:.2f}",
                show_bytes(row.peak_bytes),
                f"{row.cosine:.5f}",
            )
        else:
            remarks.append(row)
    yield from (f"\n{line}" for line in remarks)


def _devices(wanted: int | None, *, has_card: bool) -> list[str]:
    """Those that share a step: as many as are wanted and there, of cards."""
    there = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if has_card else ["cpu"] * (wanted or 0)
    return there[:wanted]


def no_cards(present: int, wanted: int | None, *, has_card: bool) -> str:
    """Why a step cannot be shared here; empty: it can."""
    if not has_card and wanted is None:
        return "there is no card here; --cards 2 tries it with two processes on the processor"
    if wanted is not None and wanted < 2:
        return f"--cards {wanted}: a step is shared by two at least"
    if present < (wanted or 2):
        return f"it takes {wanted or 2} cards, of which {present} can be used here"
    return ""


def spread(ratios: Iterable[float]) -> str:
    """Median, with the least and the greatest."""
    ordered = sorted(ratios)
    return f"{statistics.median(ordered):.2f} ({ordered[0]:.2f} to {ordered[-1]:.2f})"


def table_line(*cells: str, is_head: bool = False) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |"
    if is_head:
        yield "|" + "---|" * len(cells)
