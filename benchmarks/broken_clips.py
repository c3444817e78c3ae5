"""How often a clip that is fine is called broken, and how often a broken one is found.

    python -m benchmarks.broken_clips [--clips 1000] [--own 32]

Fine are synthetic clips (pans, zooms, night, fog, grain, shapes, white ground …) and what the preview model makes.
Broken are black, plain and noisy ones, some of them with a little grain or drift.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.engine.video.broken_clips import Signs, measure_signs
from gpu_worker.engine.video.clip import Frames, write_clip

HEIGHT, WIDTH = 144, 208
PROMPTS = ("a red circle moves to the right", "a blue square", "two green triangles", "a yellow star on black")

Grey = npt.NDArray[np.float64]
"""``(frames, height, width)``"""
Chance = np.random.Generator


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1_000)
    parser.add_argument("--own", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        fine = [(kind, _measured(path, frames)) for kind, frames in _fine(options.clips)]
        own = list(_own(options.own, Path(folder)))
        broken = [(kind, _measured(path, frames)) for kind, frames in _broken(60)]
        large_seconds = _seconds_of_a_large_one(path)
    false = Counter(f"{kind} as {signs.fault}" for kind, signs in fine if signs.fault)
    found = Counter(kind for kind, signs in broken if signs.fault)
    remarked = Counter(f"{kind} as {signs.remark}" for kind, signs in fine if signs.remark)
    own_false = sum(signs.fault is not None for signs in own)
    print(f"synthetic clips: {len(fine)}, called broken: {false.total()} {dict(false)}; remarked: {dict(remarked)}")
    print(f"clips of the preview model: {len(own)}, called broken: {own_false}")
    print(f"broken clips: {len(broken)}, found: {found.total()} {dict(found)}")
    print(f"{1000 * large_seconds:.0f} ms for 96 frames of 1280x720")
    print(f"false {100 * (false.total() + own_false) / max(1, len(fine) + len(own)):.2f} %")
    return 0


def _measured(path: Path, frames: Frames) -> Signs:
    write_clip(path, frames, 24)
    return measure_signs(path)


def _own(count: int, folder: Path) -> Iterator[Signs]:
    import torch

    from gpu_worker.engine import Cpu, Engine
    from gpu_worker.preview import checkpoint

    torch.set_num_threads(1)
    checkpoint.place(folder / "models")
    engine = Engine(device=Cpu(2 * 2**30), models=folder / "models", cache=folder / "cache")
    spec = ModelSpec(slug="preview", version=1, family="preview", source="preview", dtype="float32")
    for seed in range(count):
        job = RenderJob(
            generation_id="g", attempt=1, model=spec, mode="text", prompt=PROMPTS[seed % len(PROMPTS)], seed=seed,
            width=48, height=48, num_frames=16, fps=8, steps=12, upscale=4, outputs={}, timeout_seconds=600,
        )  # fmt: skip
        work = folder / f"own-{seed}"
        work.mkdir()
        made = engine.render(job, inputs={}, folder=work, on_progress=lambda _: None, should_stop=lambda: False)
        yield measure_signs(made.clip, upscale=job.upscale)


def _fine(count: int) -> Iterator[tuple[str, Frames]]:
    kinds = list(FINE)
    for number in range(count):
        kind, chance = kinds[number % len(kinds)], np.random.default_rng(number)
        yield kind, shown(FINE[kind](chance, int(chance.choice([16, 24, 33]))))


def _broken(count: int) -> Iterator[tuple[str, Frames]]:
    kinds = list(BROKEN)
    for number in range(count):
        kind, chance = kinds[number % len(kinds)], np.random.default_rng(number)
        yield kind, shown(BROKEN[kind](chance, 16))


def shown(greys: Grey) -> Frames:
    return np.clip(np.rint(greys), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=3)


def _panned(chance: Chance, count: int, pixels: float = 1.5) -> Grey:
    """A landscape of waves of all sizes that moves past."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [(40 * chance.random() / n, chance.normal(0, n / 90, 2), 6.3 * chance.random()) for n in range(1, 12)]
    frames = [
        sum(height * np.sin(fy * rows + fx * (columns + pixels * index) + phase) for height, (fy, fx), phase in waves)
        for index in range(count)
    ]
    return 120 + 3 * np.stack(frames)


def _zoomed(chance: Chance, count: int) -> Grey:
    world = _panned(chance, 1)[0]
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    middle = np.array([HEIGHT / 2, WIDTH / 2])
    frames = []
    for index in range(count):
        y, x = ((axis - at) / (1 + 0.01 * index) + at for axis, at in zip((rows, columns), middle, strict=True))
        frames.append(world[y.astype(int), x.astype(int)])
    return np.stack(frames)


def _shapes(chance: Chance, count: int) -> Grey:
    """Up to three boxes, 60 to 160 grey levels above nothing, that move."""
    frames = np.zeros((count, HEIGHT, WIDTH))
    for _ in range(int(chance.integers(1, 4))):
        side, top = chance.integers(16, 60), chance.integers(0, HEIGHT - 60)
        left, speed = chance.integers(0, WIDTH // 2), chance.uniform(0.5, 3)
        for index, frame in enumerate(frames):
            frame[top : top + side, int(left + speed * index) :][:, :side] = 60 + 100 * (side / 60)
    return frames


def _stars(chance: Chance, count: int) -> Grey:
    sky = chance.random((HEIGHT, WIDTH)) > 0.995
    return np.stack([8 + 200 * np.roll(sky, index // 4, axis=1) for index in range(count)]).astype(float)


def _texture(chance: Chance, count: int) -> Grey:
    ground = chance.normal(120, 40, (HEIGHT // 2, WIDTH)).repeat(2, axis=0)
    return np.stack([np.roll(ground, 2 * index, axis=1) for index in range(count)])


def _cuts(chance: Chance, count: int) -> Grey:
    scenes = [_panned(chance, 8) for _ in range(-(-count // 8))]
    return np.concatenate(scenes)[:count]


def _grainy(frames: Grey, chance: Chance, deviation: float) -> Grey:
    return frames + chance.normal(0, deviation, frames.shape)


def _drifting(chance: Chance, count: int) -> Grey:
    return 90 + np.linspace(0, 2, count)[:, None, None] + np.zeros((count, HEIGHT, WIDTH))


FINE: dict[str, Callable[[Chance, int], Grey]] = {
    "pan": _panned,
    "slow pan": lambda chance, count: _panned(chance, count, 0.3),
    "zoom": _zoomed,
    "dark": lambda chance, count: 0.2 * _panned(chance, count),
    "very dark": lambda chance, count: 0.12 * _panned(chance, count),
    "light grain": lambda chance, count: _grainy(_panned(chance, count), chance, 6),
    "heavy grain": lambda chance, count: _grainy(_panned(chance, count), chance, 18),
    "dark grain": lambda chance, count: _grainy(0.25 * _panned(chance, count), chance, 6),
    "white ground": lambda chance, count: 250 - 0.7 * _shapes(chance, count),
    "shapes": lambda chance, count: 40 + _shapes(chance, count),
    "shapes on black": _shapes,
    "night sky": _stars,
    "fog": lambda chance, count: 170 + 0.12 * (_panned(chance, count) - 120),
    "texture": _texture,
    "cuts": _cuts,
    "small motion": lambda chance, count: _panned(chance, count, 0) + 0.15 * _shapes(chance, count),
}
BROKEN: dict[str, Callable[[Chance, int], Grey]] = {
    "black": lambda chance, count: np.zeros((count, HEIGHT, WIDTH)),
    "black with grain": lambda chance, count: _grainy(np.zeros((count, HEIGHT, WIDTH)), chance, 2),
    "plain": lambda chance, count: np.full((count, HEIGHT, WIDTH), 255 * chance.random()),
    "plain, drifting": _drifting,
    "plain with grain": lambda chance, count: _grainy(_drifting(chance, count), chance, 3),
    "noise": lambda chance, count: chance.uniform(0, 255, (count, HEIGHT, WIDTH)),
}


def _seconds_of_a_large_one(path: Path) -> float:
    frames = np.random.default_rng(0).integers(90, 160, (96, 90, 160, 3)).astype(np.uint8)
    write_clip(path, frames, 24, upscale=8)
    began = time.process_time()
    measure_signs(path)
    return time.process_time() - began


if __name__ == "__main__":
    raise SystemExit(main())
