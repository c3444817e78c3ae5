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
from gpu_worker.contract import RenderJob, job_id
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


def make_clip(visitor: Visitor, folder: Path, seed: int) -> Clip:
    """Ask, watch, download; the clip counts as downloadable when its bytes are here."""
    clip, began = Clip(), time.perf_counter()
    video = visitor.create(PROMPT.format(seed), seed=seed)
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


def warm_start_seconds(folder: Path) -> float:
    """``make run``'s second start in a folder: until the first page is there."""
    for _ in range(2):
        began = time.perf_counter()
        with Stack(folder, is_durable=True) as stack, Visitor(stack.url) as visitor:
            visitor.arrive()
            seconds = time.perf_counter() - began
    return seconds


def report(clips: list[Clip], bare: list[float], warm_start: float, job: RenderJob) -> str:
    whole, alone = median(clip.downloadable for clip in clips), median(bare)
    ratio = median(clip.downloadable / seconds for clip, seconds in zip(clips, bare, strict=True))
    own = median(clip.downloadable - seconds for clip, seconds in zip(clips, bare, strict=True))
    quickest = min(clips, key=lambda clip: clip.downloadable)
    best, best_alone = quickest.downloadable, min(bare)
    first = median(clip.first_progress for clip in clips)
    length = job.num_frames / job.fps
    lines = [
        "| figure | measured | at most |",
        "|---|---|---|",
        f"| POST to downloadable / bare render, a clip of {length:g} s | {ratio:.2f} | {MOST_RATIO} |",
        f"| the site's own time | {1000 * own:.0f} ms | {1000 * MOST_OWN_SECONDS:.0f} ms |",
        f"| the same two, fastest of each | {best / best_alone:.2f}, {1000 * (best - best_alone):.0f} ms | |",
        f"| POST to first progress event, idle | {1000 * first:.0f} ms | {1000 * MOST_FIRST_EVENT_SECONDS:.0f} ms |",
        f"| warm start to the first page | {warm_start:.1f} s | {MOST_WARM_START_SECONDS:g} s |",
        "",
        f"POST to downloadable {1000 * whole:.0f} ms, bare render {1000 * alone:.0f} ms "
        f"(medians of {len(clips)}, both warm, in turns; ratio and own time are medians of the pairs).",
        "",
        "| where it goes | median | fastest clip |",
        "|---|---|---|",
        f"| POST answered | {1000 * median(clip.answered for clip in clips):.0f} ms | {1000 * quickest.answered:.0f} ms |",
    ]
    for name in clips[0].stages():
        spent = [1000 * clip.stages().get(name, 0.0) for clip in (*clips, quickest)]
        lines.append(f"| {name.replace('_', ' ')} | {median(spent[:-1]):.0f} ms | {spent[-1]:.0f} ms |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10)
    count = parser.parse_args().clips
    with tempfile.TemporaryDirectory(prefix="loremotion-bench-") as scratch:
        folder = Path(scratch)
        settings = {"FREE_DAILY_CREDITS": "10000"}
        with Stack(folder / "site", settings=settings) as stack, Visitor(stack.url) as visitor:
            stack.wait_for_worker()
            first = make_clip(visitor, folder, seed=0)
            job = job_of(stack, first)
            script = BareScript(stack, job)
            clips, bare = [], []
            for seed in range(1, count + 1):  # in turns, so that both meet the same machine
                clips.append(make_clip(visitor, folder, seed))
                bare.append(script.render())
            script.close()
        warm_start = warm_start_seconds(folder / "second")
    load = os.getloadavg()[0]
    print(f"{machine.facts()}; load at the end {load:.1f}\n\n{report(clips, bare, warm_start, job)}")


if __name__ == "__main__":
    main()
