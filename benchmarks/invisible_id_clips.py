"""Synthetic clips for the invisible id, and what happens to copies of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Colorspace

from gpu_worker.media.invisible_id.reading import Picture

Frames = npt.NDArray[np.uint8]
"""``(frames, height, width, 3)``"""
Grey = npt.NDArray[np.float64]
Chance = np.random.Generator
HEIGHT, WIDTH = 512, 768


def _landscape(chance: Chance, height: int, width: int, slope: float) -> Grey:
    """A picture whose frequencies fall off as those of photographs do, with mean 0 and deviation 1."""
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    radius[0, 0] = 1
    waves = np.exp(2j * np.pi * chance.random(radius.shape)) / radius**slope
    waves[0, 0] = 0
    picture = np.fft.irfft2(waves, s=(height, width))
    return np.asarray(picture / picture.std())


def _panned(chance: Chance, count: int, *, slope: float, mean: float, deviation: float, pixels: int) -> Frames:
    world = mean + deviation * _landscape(chance, HEIGHT, WIDTH + 256, slope)
    return _shown(np.stack([world[:, pixels * at : pixels * at + WIDTH] for at in range(count)]))


def _objects(chance: Chance, count: int, *, tilt: float) -> Frames:
    """Textured boxes and discs that move over a plain or graded ground, with a little of a camera's noise."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    ground = 120 + tilt * (columns / WIDTH - 0.5) * 120
    texture = 25 * _landscape(chance, HEIGHT, WIDTH, 1.0)
    things = [(chance.uniform(80, 430), chance.uniform(80, 680), chance.uniform(40, 110), *chance.uniform(-3, 3, 2),
               chance.uniform(40, 210)) for _ in range(5)]  # fmt: skip
    frames = []
    for at in range(count):
        picture = ground.copy()
        for row, column, radius, down, across, brightness in things:
            inside = np.hypot(rows - row - down * at, columns - column - across * at) < radius
            picture[inside] = (brightness + texture)[inside]
        frames.append(picture)
    return _shown(np.stack(frames) + chance.normal(0, 1.0, (count, HEIGHT, WIDTH)))


def _shown(greys: Grey) -> Frames:
    return np.clip(np.rint(greys), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=3)


SCENES: Final[dict[str, Callable[[Chance, int], Frames]]] = {
    "pan": lambda chance, count: _panned(chance, count, slope=1.3, mean=125, deviation=45, pixels=2),
    "slow pan": lambda chance, count: _panned(chance, count, slope=1.5, mean=125, deviation=45, pixels=1),
    "still": lambda chance, count: _panned(chance, count, slope=1.3, mean=125, deviation=45, pixels=0),
    "dark pan": lambda chance, count: _panned(chance, count, slope=1.3, mean=45, deviation=18, pixels=2),
    "objects on plain": lambda chance, count: _objects(chance, count, tilt=0),
    "objects on graded": lambda chance, count: _objects(chance, count, tilt=1),
}


def clips(count: int, num_frames: int) -> Iterator[tuple[str, Frames]]:
    names = list(SCENES)
    for number in range(count):
        name = names[number % len(names)]
        yield name, SCENES[name](np.random.default_rng(number), num_frames)


def encoded(path: Path, lumas: list[Frames], codec: str = "libx264", **options: str) -> list[Frames]:
    """The brightness of each picture after it was encoded into ``path``."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=24, options=options)
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = lumas[0].shape
        for luma in lumas:
            stream_frame = av.VideoFrame.from_ndarray(
                np.concatenate([luma, np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)]), format="yuv420p"
            )
            container.mux(stream.encode(stream_frame))
        container.mux(stream.encode())
    return [picture.luma for picture in pictures(path)]


def pictures(path: Path) -> list[Picture]:
    with av.open(str(path)) as container:
        return [
            Picture(np.ascontiguousarray(frame.to_ndarray()[: frame.height, : frame.width]), bool(frame.key_frame))
            for frame in container.decode(video=0)
        ]


def luma_of(frames: Frames) -> list[Frames]:
    return [
        np.ascontiguousarray(
            av.VideoFrame.from_ndarray(frame, format="rgb24")
            .reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
            .to_ndarray()[: frame.shape[0]]
        )
        for frame in frames
    ]
