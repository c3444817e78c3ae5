"""What a GPU host would refuse is refused before anybody waits, where the header tells."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from generation.api.request_schemas import request_schemas
from generation.submission import file_kinds, uploads
from gpu_worker import media_input
from gpu_worker.families import Kind
from gpu_worker.media_input import Wanted
from gpu_worker.sandbox import FileUnreadable
from loremotion.refusals import Invalid
from tests.media_files import without_ftyp, write_sound, write_video

WANTED = Wanted(width=64, height=48, fps=8, first=4)

REFUSED: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "codec, MP4": ("video", lambda to: write_video(to / "a.mp4", codec="mjpeg"), "is coded as Motion JPEG"),
    "codec, MOV": ("video", lambda to: write_video(to / "a.mov", codec="prores_ks"), "is coded as ProRes"),
    "codec, MKV": ("video", lambda to: write_video(to / "a.mkv", codec="mpeg2video"), "is coded as MPEG-2"),
    "codec, sound": ("audio", lambda to: write_sound(to / "a.m4a", codec="ac3"), "is coded as Dolby Digital (AC-3)"),
    "length, MP4": (
        "video",
        lambda to: write_video(to / "a.mp4", seconds_apart=60),
        "seconds long, and 60 are the most",
    ),
    "length, WebM": (
        "video",
        lambda to: write_video(to / "a.webm", codec="libvpx", seconds_apart=60),
        "seconds long, and 60 are the most",
    ),
    "size": ("video", lambda to: write_video(to / "a.mp4", size=(4608, 4096), frames=1), "is 4608x4096 pixels large"),
    "too small": ("video", lambda to: write_video(to / "a.mp4", size=(8, 8)), "is 8x8 pixels small"),
    "no video": ("video", lambda to: write_sound(to / "a.m4a"), "holds no video"),
    "no sound": ("audio", lambda to: write_video(to / "a.mp4"), "holds no sound"),
    "no sound, WebM": ("audio", lambda to: write_video(to / "a.webm", codec="libvpx"), "holds no sound"),
}


def _nested(name: bytes, depth: int) -> bytes:
    return b"".join(struct.pack(">I4s", 8 * left, name) for left in range(depth, 0, -1))


def uploaded(path: Path) -> SimpleUploadedFile:
    return SimpleUploadedFile(path.name, path.read_bytes())


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_reader_would_refuse_is_refused_in_its_words_before_the_queue(tmp_path: Path, what: str) -> None:
    role, make, words = REFUSED[what]
    path = make(tmp_path)
    with pytest.raises(Invalid) as refusal:
        uploads.receive({role: uploaded(path)})
    assert words in refusal.value.message
    assert refusal.value.field == role
    with pytest.raises(FileUnreadable) as later:
        media_input.sound(path, WANTED) if role == "audio" else media_input.frames(path, WANTED, lambda: None)
    assert words in str(later.value)


@pytest.mark.parametrize(
    ("role", "make"),
    [
        ("video", lambda to: write_video(to / "a.mp4", codec="libx264")),
        ("video", lambda to: without_ftyp(write_video(to / "a.mov"))),
        ("video", lambda to: write_video(to / "a.webm", codec="libvpx-vp9")),
        ("video", lambda to: write_video(to / "a.mkv", codec="libx264")),
        ("audio", lambda to: write_sound(to / "a.m4a")),
        ("audio", lambda to: write_sound(to / "a.m4a", codec="alac")),
        ("audio", lambda to: write_sound(to / "a.aac")),
        ("audio", lambda to: write_sound(to / "a.wav", codec="adpcm_ms")),
        ("audio", lambda to: write_sound(to / "a.wav", options={"rf64": "always"})),
        ("audio", lambda to: write_sound(to / "a.wav", codec="pcm_s24le")),
        ("audio", lambda to: write_sound(to / "a.mp3")),
        ("audio", lambda to: write_sound(to / "a.ogg")),
        ("audio", lambda to: write_sound(to / "a.flac")),
    ],
)
def test_what_is_read_there_is_taken_here(tmp_path: Path, role: str, make: Callable[[Path], Path]) -> None:
    (taken,) = uploads.receive({role: uploaded(make(tmp_path))})
    assert taken.key.endswith(f"/{role}.sent")


def test_a_video_whose_index_was_cut_off_is_called_damaged(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Invalid, match="The MP4 is damaged or cut off"):
        uploads.receive({"video": uploaded(path)})


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_a_changed_header_is_read_or_refused(tmp_path: Path, name: str) -> None:
    whole = write_video(tmp_path / name, codec="libvpx" if name == "a.webm" else "mpeg4", frames=2).read_bytes()
    header = range(len(whole) - 900, len(whole)) if name == "a.mp4" else range(4, 500)
    for at in header:
        for value in (0, 255, whole[at] ^ 128):
            changed = whole[:at] + bytes([value]) + whole[at + 1 :]
            said = file_kinds.find_fault(io.BytesIO(changed), Kind.CLIP)
            assert said is None or said.endswith(".")


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"
        + struct.pack(">I4s", 8 * 5_000 + 8, b"moov")
        + _nested(b"moov", 5_000),
        b"\x1aE\xdf\xa3\x80" + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" * 5_000,
    ],
    ids=["MP4", "WebM"],
)
def test_boxes_within_boxes_within_boxes_come_to_an_end(content: bytes) -> None:
    assert file_kinds.find_fault(io.BytesIO(content), Kind.CLIP)


def test_the_contract_says_which_files_are_taken() -> None:
    bodies = request_schemas()["AskWithFiles"]["properties"]
    assert "a JPEG, PNG, WebP, HEIC or AVIF, at most 50 MB" in bodies["image"]["description"]
    assert "an MP4, MOV or WebM of at most a minute, at most 100 MB" in bodies["video"]["description"]
    assert "AAC" in bodies["audio"]["description"]
