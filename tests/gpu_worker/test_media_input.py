"""What people send is decoded by a process on a short leash, and refused in words where it is not what it should be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from gpu_worker import media_input, sandbox
from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.media import bounds
from gpu_worker.media_input import Wanted
from gpu_worker.sandbox import FileUnreadable
from tests.media_files import (
    add_tone,
    id3,
    with_cover,
    with_length_claimed,
    without_ftyp,
    write_sound,
    write_surround,
    write_video,
)

WANTED = Wanted(width=64, height=48, fps=8, first=8)


def frames(path: Path, wanted: Wanted = WANTED) -> list[Image.Image]:
    return media_input.frames(path, wanted, lambda: None)


def shades(made: list[Image.Image]) -> list[int]:
    return [int(np.asarray(frame).mean()) for frame in made]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mpeg4"), ("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.webm", "libvpx-vp9")]
)
def test_videos_that_people_have_become_frames(tmp_path: Path, name: str, codec: str) -> None:
    made = frames(write_video(tmp_path / name, codec=codec))
    assert [frame.size for frame in made] == [(64, 48)] * 8
    assert shades(made) == sorted(shades(made))
    assert shades(made)[-1] > shades(made)[0] + 100


def test_what_moves_keeps_its_speed_whatever_the_rate(tmp_path: Path) -> None:
    quick = write_video(tmp_path / "quick.mp4", frames=48, fps=24)
    assert len(frames(quick, Wanted(width=64, height=48, fps=8, first=100))) in (16, 17)
    slow = write_video(tmp_path / "slow.mp4", frames=8, fps=4)
    assert len(frames(slow, Wanted(width=64, height=48, fps=8, first=100))) in (15, 16)
    assert len(frames(quick, Wanted(width=64, height=48, fps=8, first=5))) == 5


def test_a_clip_of_the_same_rate_comes_back_frame_by_frame(tmp_path: Path) -> None:
    made = shades(frames(write_video(tmp_path / "a.mp4", frames=16), Wanted(width=64, height=48, fps=8, first=16)))
    assert len(made) == 16
    assert len(set(made)) == 16


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
@pytest.mark.parametrize("flags", ["empty_moov", "delay_moov", "empty_moov+default_base_moof"])
def test_a_recording_with_a_fragment_for_each_frame_comes_back_frame_by_frame(
    tmp_path: Path, codec: str, flags: str
) -> None:
    path = write_video(tmp_path / "a.mp4", codec=codec, frames=16, options={"movflags": f"frag_every_frame+{flags}"})
    made = shades(frames(path, Wanted(width=64, height=48, fps=8, first=100)))
    assert len(made) == len(set(made)) == 16


def test_what_goes_on_from_a_video_gets_its_end(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=40)
    whole = shades(frames(path, Wanted(width=64, height=48, fps=8, first=40)))
    assert shades(frames(path, Wanted(width=64, height=48, fps=8, first=8, last=5))) == whole[-5:]


def test_a_large_video_is_made_as_small_as_the_clip_allows(tmp_path: Path) -> None:
    (first, *_) = frames(write_video(tmp_path / "a.mp4", size=(640, 480)), Wanted(width=64, height=32, fps=8, first=2))
    assert first.size == (64, 48)
    (small, *_) = frames(write_video(tmp_path / "b.mp4", size=(32, 32)), Wanted(width=64, height=32, fps=8, first=2))
    assert small.size == (32, 32)


def test_a_frame_that_stands_still_at_the_end_does_so_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    path = tmp_path / "screen.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(8))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for pts, lasts, shade in ((0, 50, 20), (50, 50, 120), (100, 1900, 220)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade, np.uint8), format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            for packet in stream.encode(frame):
                packet.duration = lasts
                container.mux(packet)
    made = shades(frames(path, Wanted(width=64, height=48, fps=8, first=100)))
    assert len(made) == 16
    assert made[1:] == pytest.approx([220] * 15, abs=4)


def test_a_video_without_the_box_that_names_it_is_read(tmp_path: Path) -> None:
    assert len(frames(without_ftyp(write_video(tmp_path / "a.mp4")))) == 8


# --- hostile files -----------------------------------------------------------------------------------------------


def refusal(path: Path, wanted: Wanted = WANTED) -> str:
    with pytest.raises(FileUnreadable) as refused:
        frames(path, wanted)
    return str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 1000,
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"GIF89a" + b"\x00" * 100,
        b"<?xml version='1.0'?><MPD/>",
    ],
)
def test_a_file_of_another_kind_is_refused_unopened(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert "no format that is read here" in refusal(path)


@pytest.mark.parametrize("head", [b"\x00\x00\x00\x18ftypisom", b"\x1aE\xdf\xa3"])
def test_a_file_that_only_begins_like_a_video_is_refused(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(head + os.urandom(50_000))
    assert refusal(path)


def test_a_video_that_was_cut_off_before_its_index_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut off" in refusal(path)


def test_a_video_that_was_cut_off_behind_its_index_is_taken_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.webm", codec="libvpx", frames=40, size=(320, 240))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert 0 < len(frames(path, Wanted(width=64, height=48, fps=8, first=40))) <= 40


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_more_pixels_than_any_clip_needs_are_refused(tmp_path: Path, codec: str) -> None:
    path = write_video(tmp_path / "a.mp4", codec=codec, size=(4608, 4096), frames=1)
    assert "is 4608x4096 pixels large" in refusal(path)


def test_a_picture_too_small_to_be_one_is_refused(tmp_path: Path) -> None:
    assert "pixels small" in refusal(write_video(tmp_path / "a.mp4", size=(8, 8)))


def test_a_length_beyond_the_limit_is_refused_by_the_header(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=10, seconds_apart=3_600.0)
    said = refusal(path, Wanted(width=64, height=48, fps=8, first=1))
    assert "seconds long, and 60 are the most" in said


def test_a_video_whose_header_lies_about_its_length_is_refused_on_the_way(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.webm", codec="libvpx", frames=10, seconds_apart=30.0)
    said = refusal(with_length_claimed(path, 5), Wanted(width=64, height=48, fps=8, first=8, last=5))
    assert "60 are the most" in said


def test_more_frames_than_any_clip_needs_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", size=(16, 16), frames=4_200, fps=100)
    assert "more than 4,000 frames" in refusal(path, Wanted(width=16, height=16, fps=8, first=8, last=5))


def test_many_streams_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", streams=20, frames=2)
    assert "streams" in refusal(path) or "cannot be decoded" in refusal(path)


def test_a_codec_that_is_not_on_the_list_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", codec="mjpeg")
    assert "is coded as Motion JPEG" in refusal(path)


def test_a_sound_is_no_video(tmp_path: Path) -> None:
    assert "holds no video" in refusal(write_sound(tmp_path / "a.m4a"))


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    assert "holds no video" in refusal(with_cover(write_sound(tmp_path / "a.flac")))
    assert media_input.sound(tmp_path / "a.flac", WANTED).seconds == pytest.approx(1, abs=0.06)


def test_what_is_damaged_is_said_to_be_so_in_words(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", codec="libx264", frames=16)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refusal(path) == "cannot be decoded: it is damaged or cut off."


@pytest.mark.parametrize("options", [{}, {"mpegts_m2ts_mode": "1"}])
def test_a_recording_of_a_camcorder_is_refused_by_its_name(tmp_path: Path, options: dict[str, str]) -> None:
    path = tmp_path / "a.m2ts"
    with av.open(str(path), "w", format="mpegts", options=options) as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(picture), *stream.encode(None)])
    assert "(MPEG transport stream)" in refusal(path)


def test_a_reader_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = tmp_path / "stuck.py"
    stuck.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(media_input, "READER", stuck)
    monkeypatch.setattr(media_input, "WALL_SECONDS", 0.5)
    assert "more than 3 GiB of memory" in refusal(write_video(tmp_path / "a.mp4"))


def test_a_reader_that_crashes_takes_nobody_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing = tmp_path / "crashing.py"
    crashing.write_text("import os\nos.abort()\n")
    monkeypatch.setattr(media_input, "READER", crashing)
    assert "more than 3 GiB of memory" in refusal(write_video(tmp_path / "a.mp4"))


def test_the_reader_has_no_secrets_and_takes_little_memory() -> None:
    """What a decoder that was taken over finds; what it may do stands in test_confinement."""
    probe = f"""
import json, os, runpy
runpy.run_path({str(media_input.READER)!r})["confine"]()
found = {{"environment": sorted(os.environ)}}
try:
    bytearray(4 * 2**30)
    found["memory"] = True
except MemoryError:
    found["memory"] = False
print(json.dumps(found))
"""
    said = subprocess.run([sys.executable, "-I", "-c", probe], env=sandbox.ENVIRONMENT, capture_output=True, check=True)
    found = json.loads(said.stdout)
    assert not found["memory"]
    assert not [name for name in found["environment"] if "URL" in name or "KEY" in name]


def test_whoever_waits_may_end_it_at_every_frame(tmp_path: Path) -> None:
    class NotWantedAnyMore(Exception):
        pass

    def refuse() -> None:
        raise NotWantedAnyMore

    with pytest.raises(NotWantedAnyMore):
        media_input.frames(write_video(tmp_path / "a.mp4"), WANTED, refuse)


# --- sound -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.flac", "a.ogg"])
def test_sounds_that_people_have_become_samples(tmp_path: Path, name: str) -> None:
    heard = media_input.sound(write_sound(tmp_path / name, seconds=0.5), Wanted(width=64, height=48, fps=8, first=8))
    assert heard.samples.shape[0] == 1
    assert np.abs(heard.samples).max() == pytest.approx(0.5, abs=0.1)  # as loud as it was sent
    assert heard.seconds == pytest.approx(0.5, abs=0.06)
    spectrum = np.abs(np.fft.rfft(heard.samples[0]))
    assert np.argmax(spectrum) / heard.seconds == pytest.approx(440, abs=5)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.m4a", "alac", {}),
        ("a.aac", "aac", {}),
        ("a.wav", "pcm_u8", {}),
        ("a.wav", "adpcm_ms", {}),
        ("a.wav", "adpcm_ima_wav", {}),
        ("a.wav", "pcm_s16le", {"rf64": "always"}),
        ("a.wav", "pcm_mulaw", {}),
        ("a.wav", "pcm_f64le", {}),
    ],
)
def test_sounds_that_recorders_and_editors_write_become_samples(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = write_sound(tmp_path / name, seconds=0.5, codec=codec, options=options)
    heard = media_input.sound(path, Wanted(width=64, height=48, fps=8, first=8))
    assert heard.seconds == pytest.approx(0.5, abs=0.06)
    assert np.argmax(np.abs(np.fft.rfft(heard.samples[0]))) / heard.seconds == pytest.approx(440, abs=5)


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.aac"])
def test_a_sound_behind_tags_of_any_length_is_what_it_is(tmp_path: Path, name: str) -> None:
    path = write_sound(tmp_path / name, seconds=0.5)
    path.write_bytes(id3(300) + id3(200_000) + path.read_bytes())
    assert media_input.sound(path, WANTED).seconds == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("length", [1, 63, 64, 5_000, 60_000])
@pytest.mark.parametrize("tag", [b"", id3(300)], ids=["", "tagged"])
def test_an_mp3_behind_zero_bytes_is_one(tmp_path: Path, length: int, tag: bytes) -> None:
    path = write_sound(tmp_path / "a.mp3", seconds=0.5)
    path.write_bytes(bytes(length) + tag + path.read_bytes())
    assert media_input.sound(path, WANTED).seconds == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("layout", ["5.1", "7.1"])
@pytest.mark.parametrize("name", ["a.wav", "a.m4a", "a.flac", "a.ogg"])
def test_what_plays_around_is_heard_from_its_sides_and_never_cut_off(tmp_path: Path, name: str, layout: str) -> None:
    path = write_surround(tmp_path / name, layout)
    heard = media_input.sound(path, Wanted(width=64, height=48, fps=8, first=8))
    assert heard.samples.shape[0] == 2
    assert np.mean(np.abs(heard.samples) > 0.999) < 0.001
    left, right = (np.abs(np.fft.rfft(side))[[220, 280, 340, 400]] for side in heard.samples[:, :48_000])
    assert left[0] > 50 * left[1]  # front left, and front right
    assert right[1] > 50 * right[0]
    assert left[2] == pytest.approx(right[2], rel=0.05)  # centre
    assert max(left[3], right[3]) < left[2] / 20  # what shakes the floor


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_sound_that_begins_late_begins_late(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w", format={".mp4": "mp4", ".mkv": "matroska"}[path.suffix]) as container:
        video = container.add_stream("mpeg4", rate=Fraction(8))
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=48_000)
        sound.layout = "mono"
        for index in range(16):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 8)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        add_tone(container, sound, seconds=1, starts=0.5)
    heard = media_input.sound(path, Wanted(width=64, height=48, fps=8, first=16))
    assert heard.seconds == pytest.approx(1.5, abs=0.06)
    loud = np.flatnonzero(np.abs(heard.samples[0]) > 0.1)
    assert loud[0] / heard.rate_hertz == pytest.approx(0.5, abs=0.04)


def test_a_sound_is_cut_to_the_clip(tmp_path: Path) -> None:
    heard = media_input.sound(write_sound(tmp_path / "a.wav", seconds=3), Wanted(width=64, height=48, fps=8, first=8))
    assert heard.seconds == pytest.approx(1)


def test_a_video_may_give_its_sound(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="holds no sound"):
        media_input.sound(write_video(tmp_path / "a.mp4"), WANTED)


@pytest.mark.parametrize("content", [b"", b"ID3" + os.urandom(5_000), b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(FileUnreadable):
        media_input.sound(path, WANTED)


# --- what is wanted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "mode", "last"),
    [("cogvideox", "restyle", 0), ("ltx", "extend", 25), ("helios", "extend", 33), ("?", "?", 0)],
)
def test_a_mode_says_which_end_of_a_video_it_reads(family: str, mode: str, last: int) -> None:
    job = RenderJob(
        generation_id="g",
        attempt=1,
        model=ModelSpec(slug="x", version=1, family=family, source="x"),
        mode=mode,
        prompt="",
        seed=0,
        width=64,
        height=32,
        num_frames=9,
        fps=16,
        steps=1,
        outputs={},
        timeout_seconds=1,
    )
    assert Wanted.by(job) == Wanted(width=64, height=32, fps=16, first=9, last=last)


def test_the_bounds_hold_every_clip_of_our_own() -> None:
    """A finished clip can always be gone on from."""
    from gpu_worker.families import FAMILIES

    for family in FAMILIES.values():
        assert family.frames_for(family.max_seconds) / family.fps <= bounds.MOST_SECONDS + 1
        assert family.frames_for(family.max_seconds) <= bounds.MOST_FRAMES
