"""What a render loses when its process is killed, and what keeping snapshots costs one that nobody kills.

    python -m benchmarks.resume             # three renders of the built-in model, each killed three times
    python -m benchmarks.resume --quick     # one, killed once, within 50 s

Each attempt is a process of its own, as a worker is. Lost are the steps that a killed one had made and the next one
made again. The last line says their share, and whether the frames are those of an undisturbed render.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_LOST = 0.05
ROOT = Path(__file__).parents[1]


@dataclass(slots=True)
class Attempt:
    """What one process said."""

    steps: int = 0
    resumed_from_step: int = 0
    seconds: float = 0.0
    digest: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one render, killed once")
    parser.add_argument("--attempt", type=int, nargs=3, metavar=("SEED", "NUMBER", "STEPS"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--without", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.attempt:
        seed, number, steps = asked.attempt
        return attempt(seed, number, steps, asked.folder, is_kept=not asked.without)
    steps, seeds, kills = (80, 1, 1) if asked.quick else (200, 3, 3)
    print(
        "| seed | attempts | steps made again | seconds without snapshots | with | frames |\n|---|---|---|---|---|---|"
    )
    rows = [measure(seed, steps, kills, is_timed=not asked.quick) for seed in range(seeds)]
    lost, are_equal = max(share for share, _ in rows), all(equal for _, equal in rows)
    print(f"lost {100 * lost:.1f} % of steps, frames {'equal' if are_equal else 'DIFFER'}")
    return 0 if are_equal and lost <= MOST_LOST else 1


def measure(seed: int, steps: int, kills: int, *, is_timed: bool) -> tuple[float, bool]:
    """The largest share of its steps that a kill cost the render, and whether its frames are the undisturbed ones."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = run(seed, 1, steps, folder / "plain", "--without")
        kept = run(seed, 1, steps, folder / "kept") if is_timed else plain
        made_again, done = [], 0
        for number in range(1, kills + 1):
            # Somewhere in what is left, and not so soon that nothing can have been kept.
            until = min(steps - 2, chance.randint(done + steps // 5, (done + steps) // 2 + steps // 5))
            killed = run(seed, number, steps, folder / "killed", kill_at=until)
            made_again.append(done - killed.resumed_from_step)
            done = killed.steps
        last = run(seed, kills + 1, steps, folder / "killed")
        made_again.append(done - last.resumed_from_step)
    is_equal = last.digest == plain.digest == kept.digest
    times = f"{plain.seconds:.1f} | {kept.seconds:.1f}" if is_timed else f"{plain.seconds:.1f} | "
    again = ", ".join(map(str, made_again[1:]))
    print(f"| {seed} | {kills + 1} | {again} of {steps} | {times} | {'equal' if is_equal else 'DIFFER'} |", flush=True)
    return max(made_again) / steps, is_equal


def run(seed: int, number: int, steps: int, folder: Path, *options: str, kill_at: int | None = None) -> Attempt:
    """One attempt in a process of its own, killed as soon as it has made so many steps."""
    command = [sys.executable, "-m", "benchmarks.resume", "--attempt", *map(str, (seed, number, steps))]
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--folder", str(folder), *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=log
        )
    made = Attempt()
    for said in _lines(process):
        if "step" in said:
            made.steps = said["step"]
            made.resumed_from_step = made.resumed_from_step or said["step"] - 1
        if said.get("digest"):
            made = Attempt(made.steps, said["resumed_from_step"], said["seconds"], said["digest"])
        if kill_at is not None and made.steps >= kill_at:
            process.kill()
    process.wait()
    assert bool(made.digest) is (kill_at is None), (folder / "log").read_text()
    return made


def _lines(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if line.endswith(b"\n"):
                yield json.loads(line)


def attempt(seed: int, number: int, steps: int, folder: Path, *, is_kept: bool) -> int:
    """Render in this process, saying each step and at last the clip's digest."""
    import torch

    from gpu_worker.contract import ModelSpec, Progress, RenderJob
    from gpu_worker.engine import Cpu, Engine
    from gpu_worker.preview.checkpoint import SHIPPED
    from gpu_worker.snapshot_files import SnapshotFiles

    torch.set_num_threads(1)

    def say(progress: Progress) -> None:
        if progress.kind == "step":
            print(json.dumps({"step": progress.step}), flush=True)

    job = RenderJob(
        generation_id="benchmark",
        attempt=number,
        model=ModelSpec(slug="preview", version=1, family="preview", source=str(SHIPPED), dtype="float32"),
        mode="text",
        prompt="a red circle moving right on a black background",
        seed=seed,
        width=48,
        height=48,
        num_frames=16,
        fps=8.0,
        steps=steps,
        call={"guidance_scale": 1.0},
        outputs={},
        timeout_seconds=600,
    )
    engine = Engine(device=Cpu(2**31), models=folder, cache=folder / "cache")
    began = time.monotonic()
    made = engine.render(
        job,
        inputs={},
        folder=folder,
        on_progress=say,
        should_stop=lambda: False,
        snapshots=SnapshotFiles(folder / "snapshots", every_seconds=0.0) if is_kept else None,
    )
    seconds = time.monotonic() - began
    said = {"digest": made.facts.sha256, "resumed_from_step": made.resumed_from_step, "seconds": seconds}
    print(json.dumps(said), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
