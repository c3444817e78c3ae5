"""What a file is, by its first bytes, and which of the many formats are read here.

One table for the site, which looks at what was sent, and for the sandbox on a GPU host, which opens it. The standard
library is all that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any, Final

HEAD_BYTES: Final = 64
MOST_SILENT_BYTES: Final = 60 * 1024
"""Zero bytes before an MP3, as some recorders and editors leave them. Its demuxer looks for it a little further."""
PICTURE, CLIP, SOUND = "picture", "clip", "sound"


@dataclass(frozen=True, slots=True)
class Format:
    """``name`` is what people call it. ``demuxer`` is named, never guessed: a playlist would make it open other files.
    What ``holds`` nothing is known by name alone, so that it can be refused by it."""

    name: str
    holds: frozenset[str] = frozenset()
    demuxer: str = ""


_FOOTAGE: Final = frozenset({CLIP, SOUND})
_SOUND: Final = frozenset({SOUND})
_PICTURE: Final = frozenset({PICTURE})

JPEG: Final = Format("JPEG", _PICTURE)
PNG: Final = Format("PNG", _PICTURE)
WEBP: Final = Format("WebP", _PICTURE)
HEIC: Final = Format("HEIC", _PICTURE)
AVIF: Final = Format("AVIF", _PICTURE)
MP4: Final = Format("MP4", _FOOTAGE, "mp4")
MOV: Final = Format("MOV", _FOOTAGE, "mov")
WEBM: Final = Format("WebM", _FOOTAGE, "matroska")
WAV: Final = Format("WAV", _SOUND, "wav")
MP3: Final = Format("MP3", _SOUND, "mp3")
AAC: Final = Format("AAC", _SOUND, "aac")
OGG: Final = Format("OGG", _SOUND, "ogg")
FLAC: Final = Format("FLAC", _SOUND, "flac")

ON_GPU_HOST: Final = frozenset({HEIC, AVIF})
"""Pictures that the site keeps as they came, because the sandbox has the decoders: those of videos."""

_TRANSPORT_STREAM: Final = Format("MPEG transport stream")
_BEGINNINGS: Final[tuple[tuple[bytes, Format], ...]] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\x1aE\xdf\xa3", WEBM),
    (b"OggS", OGG),
    (b"fLaC", FLAC),
    (b"ID3", MP3),
    (b"GIF8", Format("GIF")),
    (b"BM", Format("BMP")),
    (b"II*\x00", Format("TIFF")),
    (b"MM\x00*", Format("TIFF")),
    (b"\xff\x0a", Format("JPEG XL")),
    (b"\x00\x00\x00\x0cJXL ", Format("JPEG XL")),
    (b"\x00\x00\x00\x0cjP  ", Format("JPEG 2000")),
    (b"8BPS", Format("PSD")),
    (b"%PDF", Format("PDF")),
    (b"PK\x03\x04", Format("ZIP archive")),
    (b"<svg", Format("SVG")),
    (b"<?xml", Format("XML file")),
    (b"#EXTM3U", Format("playlist")),
    (b"FLV\x01", Format("FLV")),
    (b"0&\xb2u\x8ef\xcf\x11", Format("Windows Media file")),
    (b"\x00\x00\x01\xba", Format("MPEG program stream")),
    (b"G@\x00", _TRANSPORT_STREAM),
    (b"G@\x11", _TRANSPORT_STREAM),
    (b"caff", Format("CAF")),
    (b"#!AMR", Format("AMR")),
)
_RIFF: Final[Mapping[bytes, Format]] = MappingProxyType({b"WAVE": WAV, b"WEBP": WEBP, b"AVI ": Format("AVI")})
_BRANDS: Final[Mapping[bytes, Format]] = MappingProxyType(
    {
        **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), HEIC),
        **dict.fromkeys((b"avif", b"avis"), AVIF),
        b"qt  ": MOV,
        b"crx ": Format("Canon raw picture"),
    }
)
_PICTURE_BRANDS: Final = frozenset({b"mif1", b"msf1", b"miaf"})
"""Say that there is a picture, not how it is coded: the brands behind them do."""
_QUICKTIME_BOXES: Final = frozenset({b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})
"""With one of these begins a MOV of the time before ``ftyp``, which some cameras and editors still write."""


def format_of(head: bytes) -> Format | None:
    """What the file that begins with ``head`` is, as far as its beginning tells; None for what has no name here."""
    if head[4:8] == b"ftyp":
        return _format_of_brands(head)
    if head[4:8] in _QUICKTIME_BOXES:
        return MOV
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return _RIFF.get(head[8:12])
    if head[:4] == b"FORM" and head[8:11] == b"AIF":
        return Format("AIFF")
    if head[4:7] in (b"G@\x00", b"G@\x11"):  # as camcorders write it: each packet behind its time
        return _TRANSPORT_STREAM
    for beginning, known in _BEGINNINGS:
        if head.startswith(beginning):
            return known
    return _format_of_sync(head)


def read_head(file: IO[Any]) -> bytes:
    """The first bytes of a file, of which ``format_of`` knows what it is; of an MP3 behind zero bytes those of the MP3.
    Leaves the file at its beginning."""
    file.seek(0)
    head: bytes = file.read(HEAD_BYTES)
    if format_of(head) is None and not head[:1].strip(b"\0"):
        begun = (head + file.read(MOST_SILENT_BYTES)).lstrip(b"\0")[:HEAD_BYTES]
        head = begun if format_of(begun) == MP3 else head
    file.seek(0)
    return head


def tag_bytes(head: bytes) -> int:
    """How long the ID3v2 tag is with which ``head`` begins; 0 where there is none."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    length = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    return 10 + length + (10 if head[5] & 0x10 else 0)  # a flag says that it has a foot


def _format_of_brands(head: bytes) -> Format:
    end = min(int.from_bytes(head[:4]), len(head))
    major = head[8:12]
    if major in _PICTURE_BRANDS:
        brands = [head[at : at + 4] for at in range(16, end - 3, 4)]
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), HEIC)
    return _BRANDS.get(major, MP4)


def _format_of_sync(head: bytes) -> Format | None:
    """Of MPEG sounds without a tag: eleven or twelve bits are set, and the layer is none for AAC."""
    if len(head) < 2 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return AAC
    return MP3 if head[1] & 0xE0 == 0xE0 and head[1] & 0x06 else None


# --- codecs ------------------------------------------------------------------------------------------------------

_PCM: Final = (
    *("pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
    *("pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw"),
)
CODECS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "video": {
            "h264": "H.264",
            "hevc": "H.265 (HEVC)",
            "vp8": "VP8",
            "vp9": "VP9",
            "av1": "AV1",
            "libdav1d": "AV1",
            "mpeg4": "MPEG-4",
        },
        "audio": {
            "aac": "AAC",
            "mp3": "MP3",
            "mp3float": "MP3",
            "opus": "Opus",
            "vorbis": "Vorbis",
            "flac": "FLAC",
            "alac": "Apple Lossless (ALAC)",
            **dict.fromkeys(_PCM, "PCM"),
            **dict.fromkeys(("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"), "ADPCM"),
        },
    }
)
"""Decoders that are used, and what people call what they read."""
_OTHER_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mjpeg": "Motion JPEG",
        "prores": "ProRes",
        "dnxhd": "DNxHD",
        "mpeg1video": "MPEG-1",
        "mpeg2video": "MPEG-2",
        "h263": "H.263",
        "theora": "Theora",
        "vvc": "H.266 (VVC)",
        "cfhd": "CineForm",
        "qtrle": "QuickTime Animation",
        "svq3": "Sorenson Video 3",
        "wmv3": "Windows Media Video",
        "vc1": "VC-1",
        "rawvideo": "uncompressed video",
        "ac3": "Dolby Digital (AC-3)",
        "eac3": "Dolby Digital Plus (E-AC-3)",
        "dca": "DTS",
        "truehd": "Dolby TrueHD",
        "mp2": "MP2",
        "mp2float": "MP2",
        "amrnb": "AMR",
        "amrwb": "AMR",
        "speex": "Speex",
        "wmav2": "Windows Media Audio",
    }
)


def wrong_codec(kind: str, codec: str | None) -> str:
    """That a stream of ``kind`` has a codec that is not read here, by the names that people use."""
    names = {**CODECS["video"], **CODECS["audio"], **_OTHER_NAMES}
    said = names.get(codec, codec) if codec else "something unknown"
    *others, last = dict.fromkeys(CODECS[kind].values())
    return f"is coded as {said}, and what is read here is {', '.join(others)} or {last}."
