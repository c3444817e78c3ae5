"""Words in the corner and words for machines: on every frame, out of the picture's way, the clip as before."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gpu_worker.engine.video.clip import Frames, measure_clip, write_clip, write_poster
from gpu_worker.engine.video.provenance import MADE_BY_A_MODEL, Provenance, read_xmp
from gpu_worker.engine.video.watermark import mark_of
from tests.engine.jobs import frames_of

WORDS = "LoreMotion"
PROVENANCE = Provenance("0b5a", 'LoreMotion, "toy" & <model> version 3')


def plain(shade: int, *, width: int = 384, height: int = 384, num_frames: int = 5) -> Frames:
    return np.full((num_frames, height, width, 3), shade, np.uint8)


@pytest.mark.parametrize("shade", [0, 128, 255])
@pytest.mark.parametrize(("width", "height"), [(384, 384), (1920, 1080), (1080, 1920)])
def test_the_words_stand_out_on_any_ground(width: int, height: int, shade: int) -> None:
    ground = plain(shade, width=width, height=height)[0]
    marked = mark_of(WORDS, width=width, height=height).over(ground).astype(int)
    changed = np.abs(marked - shade).max(axis=2) >= 60
    rows, columns = np.nonzero(changed)
    assert rows.max() - rows.min() >= 0.025 * min(width, height), "too small to be read"
    assert rows.min() > height * 0.9
    assert columns.min() > width * 0.5
    assert changed.mean() < 0.005, "it covers the picture"


def test_every_frame_of_the_file_has_them_and_the_rest_is_as_before(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(60, 190, (6, 48, 48, 3)).astype(np.uint8)
    for name, words in (("with", WORDS), ("without", "")):
        write_clip(tmp_path / f"{name}.mp4", frames, 8, upscale=8, watermark=words)
    with_words, without = (frames_of(tmp_path / f"{name}.mp4").astype(int) for name in ("with", "without"))
    corner = (slice(350, None), slice(280, None))
    difference = np.abs(with_words - without)
    assert all(picture[corner].max() > 60 for picture in difference)
    assert all(picture[:340].mean() < 2 for picture in difference)


def test_the_poster_has_them_too(tmp_path: Path) -> None:
    write_poster(tmp_path / "poster.jpg", plain(20), watermark=WORDS)
    assert np.asarray(Image.open(tmp_path / "poster.jpg"))[350:, 280:].max() > 140


@given(width=st.integers(2, 400), height=st.integers(2, 400), words=st.text(max_size=40).filter(bool))
def test_no_size_and_no_words_break_it(width: int, height: int, words: str) -> None:
    ground = np.zeros((height, width, 3), np.uint8)
    assert mark_of(words, width=width, height=height).over(ground).shape == ground.shape


def test_the_frames_that_come_in_stay_as_they_were() -> None:
    ground = plain(7)[0]
    mark_of(WORDS, width=384, height=384).over(ground)
    assert (ground == 7).all()


# --- what machines read -------------------------------------------------------------------------------------------


def test_the_file_says_that_a_model_made_it(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip, plain(90), 8, provenance=PROVENANCE)
    described = ElementTree.fromstring(read_xmp(clip).split("?>", 1)[1].rsplit("<?", 1)[0])[0][0]  # noqa: S314 - our own words
    assert described.attrib["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"] == MADE_BY_A_MODEL
    assert described.attrib["{http://purl.org/dc/elements/1.1/}identifier"] == PROVENANCE.generation_id
    assert described.attrib["{http://ns.adobe.com/xap/1.0/}CreatorTool"] == PROVENANCE.tool
    with av.open(str(clip)) as container:
        assert container.metadata["comment"] == PROVENANCE.comment


def test_it_plays_as_it_did_and_is_measured_with_it(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip, plain(90), 8, provenance=PROVENANCE)
    facts = measure_clip(clip)
    assert (facts.num_frames, facts.size_bytes) == (5, clip.stat().st_size)
    assert facts.sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
    content = clip.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat") < content.find(b"uuid")
    assert len(frames_of(clip)) == 5


def test_copying_without_encoding_keeps_the_comment(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", plain(90), 8, provenance=PROVENANCE)
    with av.open(str(tmp_path / "clip.mp4")) as source, av.open(str(tmp_path / "copy.mp4"), "w") as copy:
        copy.metadata.update(source.metadata)
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    with av.open(str(tmp_path / "copy.mp4")) as container:
        assert MADE_BY_A_MODEL in container.metadata["comment"]


def test_a_file_without_a_packet_has_none(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", plain(90), 8)
    assert read_xmp(tmp_path / "clip.mp4") == ""
