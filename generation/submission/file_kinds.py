"""What kind of file somebody sent, by its first bytes: cheap enough to ask before anything else is done with it.

No more than a first look. A picture is decoded before it is kept; a video or sound is opened by nobody but the GPU
host's reader (``gpu_worker.media_sandbox``), which is made for files that lie.
"""

from __future__ import annotations

from typing import IO, Any, Final

from gpu_worker.families import Kind

HEAD_BYTES: Final = 16


def kinds_of(file: IO[Any]) -> set[Kind]:
    """What the file may be, none if it is nothing that is taken here. Leaves the file at its beginning."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if head[4:8] == b"ftyp" or head.startswith(b"\x1aE\xdf\xa3"):  # MP4, MOV, M4A; WebM, Matroska
        return {Kind.CLIP, Kind.SOUND}
    if head.startswith((b"OggS", b"fLaC", b"ID3")) or (head.startswith(b"RIFF") and head[8:12] == b"WAVE"):
        return {Kind.SOUND}
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG")) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return {Kind.PICTURE}
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # MP3 without a tag
        return {Kind.SOUND}
    return set()
