"""Which files can hold Content Credentials, by how they begin."""

from __future__ import annotations

from typing import IO, Final

MP4: Final = "video/mp4"
MANIFESTS: Final = "application/c2pa"
"""Manifests without the file that they speak of."""
MP3: Final = "audio/mpeg"
_BEGINNINGS: Final = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"ID3": MP3,  # a FLAC with Content Credentials too: they lie in such a tag, and are read the same
    b"fLaC": "audio/flac",
}
_BRANDS: Final = {b"qt  ": "video/quicktime", b"avif": "image/avif", b"heic": "image/heic", b"M4A ": "audio/mp4"}
_RIFF: Final = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/avi"}


def of(file: IO[bytes]) -> str | None:
    """What C2PA calls the open file; None where it can hold no manifest. Goes back to the beginning."""
    head = file.read(12)
    file.seek(0)
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], MP4)
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE0 == 0xE0 and head[1] & 0x06:  # a frame, and none of AAC
        return MP3
    return next((kind for start, kind in _BEGINNINGS.items() if head.startswith(start)), None)
