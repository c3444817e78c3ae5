"""The file that people download: exact frames, exact rate, true colours, playable everywhere."""

from __future__ import annotations

import errno
import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from gpu_worker.engine import EncodingFailed
from gpu_worker.engine.video.clip import Frames, exact_rate, measure_clip, write_clip, write_poster
from gpu_worker.engine.video.provenance import Provenance
from gpu_worker.render_errors import error_of
from gpu_worker.sounds import Audio
from tests.engine.jobs import frames_of


def squares(num_frames: int = 9, side: int = 64) -> Frames:
    """A red square that walks over a grey ground, in steps of a whole pixel."""
    frames = np.full((num_frames, side, side, 3), 90, np.uint8)
    for index in range(num_frames):
        frames[index, 16:32, 8 + 2 * index : 24 + 2 * index] = (220, 30, 40)
    return frames


def noise(num_frames: int = 9, side: int = 64) -> Frames:
    return np.random.default_rng(0).integers(60, 190, (num_frames, side, side, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("fps", "rate"),
    [(24, Fraction(24)), (23.976, Fraction(24000, 1001)), (29.97, Fraction(30000, 1001)), (12.5, Fraction(25, 2))],
)
def test_every_frame_is_there_at_the_exact_rate(tmp_path: Path, fps: float, rate: Fraction) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip, squares(17), fps)
    facts = measure_clip(clip)
    assert exact_rate(fps) == rate
    assert facts.num_frames == 17
    assert facts.fps == pytest.approx(float(rate), abs=1e-9)
    assert facts.duration_seconds == pytest.approx(float(17 / rate), abs=1e-4)
    with av.open(str(clip)) as container:
        seconds = [float(frame.time) for frame in container.decode(video=0)]
    assert seconds == pytest.approx([float(i / rate) for i in range(17)], abs=1e-4)


def test_browsers_can_begin_before_they_have_it_all(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip, squares(), 24)
    content = clip.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")
    with av.open(str(clip)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        assert (codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc) == (1, 1, 1, 1)


def test_colours_survive(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", squares(), 24)
    last = frames_of(tmp_path / "clip.mp4")[-1].astype(int)
    assert np.abs(last[20:28, 30:36] - (220, 30, 40)).max() <= 4
    assert np.abs(last[50:, 50:] - 90).max() <= 3


def test_enlarging_keeps_shapes_and_softens_their_edges(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", squares(), 24, upscale=4)
    shown = frames_of(tmp_path / "clip.mp4").astype(int)
    assert shown.shape == (9, 256, 256, 3)
    assert np.abs(shown - squares().repeat(4, axis=1).repeat(4, axis=2)).mean() < 3
    steepest = np.abs(np.diff(squares()[-1].astype(int), axis=1)).max()
    assert np.abs(np.diff(shown[-1], axis=1)).max() < 0.75 * steepest


def test_the_same_frames_give_the_same_file(tmp_path: Path) -> None:
    digests = set()
    for _ in range(25):
        write_clip(tmp_path / "clip.mp4", noise(), 24)
        digests.add(hashlib.sha256((tmp_path / "clip.mp4").read_bytes()).hexdigest())
    assert len(digests) == 1
    assert measure_clip(tmp_path / "clip.mp4").sha256 in digests


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_goes_with_it(tmp_path: Path, channels: int) -> None:
    tone = np.sin(np.linspace(0, 440 * 2 * np.pi, 24_000)).astype(np.float32)
    write_clip(tmp_path / "clip.mp4", squares(24), 24, audio=Audio(np.stack([tone] * channels), 24_000))
    facts = measure_clip(tmp_path / "clip.mp4")
    assert facts.has_audio
    assert facts.duration_seconds == pytest.approx(1.0)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        sound = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    assert sound.shape == (channels, pytest.approx(24_000, abs=2_100))
    assert 0.5 < float(np.sqrt((sound[:, 3000:20_000] ** 2).mean())) < 0.9


def test_the_poster_is_the_frame_in_the_middle(tmp_path: Path) -> None:
    write_poster(tmp_path / "poster.jpg", squares(), upscale=2)
    poster = np.asarray(Image.open(tmp_path / "poster.jpg")).astype(int)
    assert poster.shape == (128, 128, 3)
    assert np.abs(poster - squares()[4].repeat(2, axis=0).repeat(2, axis=1)).mean() < 4


def test_a_file_that_is_no_clip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"not a film")
    with pytest.raises(EncodingFailed, match=r"clip\.mp4 cannot be read back"):
        measure_clip(tmp_path / "clip.mp4")


def test_a_clip_that_cannot_be_written_says_why_and_not_where(tmp_path: Path) -> None:
    with pytest.raises(EncodingFailed, match="could not be written: No such file or directory") as raised:
        write_clip(tmp_path / "nowhere" / "clip.mp4", squares(), 24)
    assert str(tmp_path) not in str(raised.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no disk that is always full")
def test_a_full_disk_is_no_failure_of_encoding() -> None:
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_clip(Path("/dev/full"), noise(), 24)
    assert raised.value.errno == errno.ENOSPC
    assert error_of(raised.value).code == "disk_full"


def test_a_used_up_quota_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def over_quota(path: Path, provenance: Provenance) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("gpu_worker.engine.video.clip.append_xmp", over_quota)
    with pytest.raises(OSError, match="quota") as raised:
        write_clip(tmp_path / "clip.mp4", squares(), 24, provenance=Provenance("clip", "a model"))
    assert error_of(raised.value).code == "disk_full"
