"""What the site adds to a render: POST to downloadable against the same call in a bare script, and where it goes.

python -m benchmarks.end_to_end [--clips 10]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import redis
from rq.job import Job
from rq.serializers import JSONSerializer

from benchmarks import machine
from gpu_worker.contract import RenderJob
from gpu_worker.valkey_names import job_id
from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor

PROMPT = "a red circle moving right on a black background, take {}"
"""Never the same twice: the worker remembers how it read a prompt."""
MOST_RATIO = 1.15
MOST_OWN_SECONDS = 0.150
MOST_FIRST_EVENT_SECONDS = 0.150
MOST_WARM_START_SECONDS = 10.0


@dataclass
class Clip:
    """One clip as its visitor lived it; all times in seconds after the POST was sent."""

    answered: float = 0.0
    first_progress: float = 0.0
    downloadable: float = 0.0
    began: dict[str, float] = field(default_factory=dict)
    """Stage → when its event arrived."""
    video_id: str = ""

    def stages(self) -> dict[str, float]:
        """Stage → seconds until the next one began; what comes before and after is the site's own."""
        names = list(self.began)
        ends = [*(self.began[name] for name in names[1:]), self.downloadable]
        spent = {name: end - self.began[name] for name, end in zip(names, ends, strict=True)}
        return {"POST to first stage": min(self.began.values()), **spent}


def make_clip(visitor: Visitor, folder: Path, seed: int, steps: int | None) -> Clip:
    """Ask, watch, download; the clip counts as downloadable when its bytes are here."""
    clip, began = Clip(), time.perf_counter()
    video = visitor.create(PROMPT.format(seed), seed=seed, steps=steps)
    clip.video_id, clip.answered = video["id"], time.perf_counter() - began
    for event, data in visitor.events(video["id"]):
        now = time.perf_counter() - began
        if event in ("stage", "step"):
            clip.first_progress = clip.first_progress or now
        if event == "stage":
            clip.began.setdefault(data["stage"], now)
    visitor.download(video["id"], folder / "clip.mp4")
    clip.downloadable = time.perf_counter() - began
    ended = visitor.video(video["id"])
    if ended["status"] != "completed":
        raise RuntimeError(f"The clip {ended['status']}: {ended['error']}")
    return clip


def job_of(stack: Stack, clip: Clip) -> RenderJob:
    """The job as the worker got it."""
    with redis.Redis.from_url(stack.stores.redis_url) as connection:
        job = Job.fetch(job_id(clip.video_id, 1), connection=connection, serializer=JSONSerializer)
        return RenderJob.from_wire(job.args[0])


class BareScript:
    """The same call in a warm process of its own, which renders when it is asked to."""

    def __init__(self, stack: Stack, job: RenderJob) -> None:
        command = [sys.executable, "-m", "benchmarks.bare_render", stack.environment["GPU_WORKER_MODELS"]]
        self.process = subprocess.Popen(
            command, env=stack.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._say(json.dumps(job.to_wire()))
        self.render()  # warm

    def render(self) -> float:
        """Seconds of one render."""
        self._say("")
        assert self.process.stdout is not None
        return float(self.process.stdout.readline())

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)

    def close(self) -> None:
        self.process.communicate()


@dataclass
class Race:
    """The site and the bare script at the same job, in turns."""

    job: RenderJob
    clips: list[Clip]
    bare: list[float]

    @property
    def fastest(self) -> Clip:
        return min(self.clips, key=lambda clip: clip.downloadable)

    def row(self) -> str:
        """Both times, their ratio and their difference: medians of the pairs, and the fastest of each."""
        pairs = list(zip((clip.downloadable for clip in self.clips), self.bare, strict=True))
        whole, alone = median(site for site, _ in pairs), median(self.bare)
        best, best_alone = self.fastest.downloadable, min(self.bare)
        return (
            f"| {self.job.steps} steps, {self.job.num_frames / self.job.fps:g} s of video "
            f"| {1000 * whole:.0f} ms | {1000 * alone:.0f} ms "
            f"| {median(site / script for site, script in pairs):.2f} ({best / best_alone:.2f}) "
            f"| {1000 * median(site - script for site, script in pairs):.0f} ms ({1000 * (best - best_alone):.0f} ms) |"
        )

    def stages(self) -> list[str]:
        shown = [*self.clips, self.fastest]
        spent = {"POST answered": [clip.answered for clip in shown]}
        for name in self.clips[0].stages():
            spent[name.replace("_", " ")] = [clip.stages().get(name, 0.0) for clip in shown]
        return [f"| {name} | {1000 * median(s[:-1]):.0f} ms | {1000 * s[-1]:.0f} ms |" for name, s in spent.items()]


def race(stack: Stack, visitor: Visitor, folder: Path, steps: int | None, count: int) -> Race:
    job = job_of(stack, make_clip(visitor, folder, 0, steps))
    script = BareScript(stack, job)
    clips, bare = [], []
    for seed in range(1, count + 1):  # in turns, so that both meet the same machine
        clips.append(make_clip(visitor, folder, seed, steps))
        bare.append(script.render())
    script.close()
    return Race(job, clips, bare)


def warm_start_seconds(folder: Path) -> float:
    """A stack's second start in a folder: until the first page is there."""
    for _ in range(2):
        began = time.perf_counter()
        with Stack(folder, is_durable=True) as stack, Visitor(stack.url) as visitor:
            visitor.arrive()
            seconds = time.perf_counter() - began
    return seconds


def report(races: list[Race], warm_start: float) -> str:
    first = 1000 * median(clip.first_progress for race in races for clip in race.clips)
    return "\n".join(
        [
            "| clip | POST to downloadable | bare render | ratio | the site's own time |",
            "|---|---|---|---|---|",
            *(race.row() for race in races),
            f"| at most | | | {MOST_RATIO} | {1000 * MOST_OWN_SECONDS:.0f} ms |",
            "",
            f"Medians of {len(races[0].clips)}, warm, in turns; in brackets the fastest of each.",
            "",
            "| figure | measured | at most |",
            "|---|---|---|",
            f"| POST to first progress event, idle | {first:.0f} ms | {1000 * MOST_FIRST_EVENT_SECONDS:.0f} ms |",
            f"| warm start to the first page | {warm_start:.1f} s | {MOST_WARM_START_SECONDS:g} s |",
            "",
            f"| where it goes, {races[0].job.steps} steps | median | fastest clip |",
            "|---|---|---|",
            *races[0].stages(),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--steps", type=int, default=24, help="of the second race; the first is as the preset says")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loremotion-bench-") as scratch:
        folder = Path(scratch)
        settings = {"FREE_DAILY_CREDITS": "10000"}
        with Stack(folder / "site", settings=settings) as stack, Visitor(stack.url) as visitor:
            stack.wait_for_worker()
            races = [race(stack, visitor, folder, steps, asked.clips) for steps in (None, asked.steps)]
        warm_start = warm_start_seconds(folder / "second")
    print(f"{machine.facts()}; load at the end {os.getloadavg()[0]:.1f}\n\n{report(races, warm_start)}")


if __name__ == "__main__":
    main()
