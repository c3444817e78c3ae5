"""A clip of this site that was encoded anew is found by its picture, however many clips there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from io import BytesIO
from itertools import chain
from tempfile import TemporaryFile
from typing import Any, Final
from uuid import uuid4

import av
import numpy as np
import numpy.typing as npt
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Visitor
from generation.models import Clip, Generation
from generation.provenance import inspection, picture_hashes, picture_search
from generation.settlement import settle
from gpu_worker.media.perceptual_hash import BAND_DIGITS, BANDS, distance, hash_of
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.provenance.conftest import Delivered
from tests.provenance.test_api import verified

pytestmark = pytest.mark.django_db

COUNT, FPS = 24, 24
BITS_OF_BAND: Final = 4 * BAND_DIGITS
Frames = npt.NDArray[np.uint8]
HASH: Final = "0123456789abcdef" * 4


def landscape(seed: int) -> Frames:
    """A landscape that moves past, ``(frames, height, width, 3)``; another for each seed."""
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:192, 0:256]
    waves = [(chance.uniform(20, 50) / n, *chance.normal(0, n / 60, 2), 6.3 * chance.random()) for n in range(1, 9)]
    frames = [
        sum(high * np.sin(fy * rows + fx * (columns + index) + phase) for high, fy, fx, phase in waves)
        for index in range(COUNT)
    ]
    shown: Frames = np.clip(128 + np.stack(frames), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=3)
    return shown


def encoded(frames: Frames, *, crf: int = 18, scale: float = 1.0, every: int = 1) -> bytes:
    """An MP4 of these frames, or of every second … one, in its time."""
    file = BytesIO()
    height, width = (int(side * scale) // 2 * 2 for side in frames.shape[1:3])
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS // every, options={"crf": str(crf), "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, picture in enumerate(frames[::every]):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(width, height, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(every, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.fixture
def mine(delivered: Delivered) -> Generation:
    """A clip of the first landscape."""
    factories.model()
    generation = factories.submitted(factories.visitor(credits=100).workspace, prompt="a very private wish")
    assert settle.settle(delivered(generation, encoded(landscape(1))))
    Clip.objects.update(perceptual_hash=hash_of(landscape(1)[COUNT // 2]))
    return generation


@pytest.mark.parametrize(
    "copied",
    [
        lambda frames: encoded(frames, crf=28),
        lambda frames: encoded(frames, crf=23, scale=0.5),
        lambda frames: encoded(frames, crf=23, every=2),
    ],
    ids=["compressed", "half the size", "half the rate"],
)
def test_a_copy_without_marks_is_likely_ours(mine: Generation, copied: Callable[[Frames], bytes]) -> None:
    found = inspection.inspect(BytesIO(copied(landscape(1))))
    assert found.credentials is None
    assert found.origin is not None
    assert (found.origin.known_by, found.origin.model) == ("picture", "Toy")


def test_another_clip_is_not(mine: Generation) -> None:
    assert inspection.inspect(BytesIO(encoded(landscape(2)))).origin is None


def test_the_file_itself_is_known_for_certain(mine: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_hashes, "hashes_in", lambda _: pytest.fail("nobody had to look"))
    found = inspection.inspect(BytesIO(encoded(landscape(1))))
    assert found.origin is not None
    assert found.origin.known_by == "file"


def test_page_and_api_say_likely_and_no_proof(
    mine: Generation, client: Client, alice: Visitor, client_of: ClientOf
) -> None:
    copy = encoded(landscape(1), crf=28)
    page = client.post("/verify/", {"file": SimpleUploadedFile("a.mp4", copy)}).content.decode()
    assert "Looks like a clip made here" in page
    assert "proves nothing" in page
    assert "private wish" not in page
    assert verified(client_of(alice), copy)["record"]["known_by"] == "picture"


def test_a_host_without_a_decoder_finds_no_copies(mine: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_hashes, "is_offered", lambda: False)
    assert inspection.inspect(BytesIO(encoded(landscape(1), crf=28))).origin is None


@pytest.mark.parametrize("said", [None, "x", {"a": 1}, [1, None], ["zz" * 32], [HASH.upper()], [HASH + "0"], [[HASH]]])
def test_a_program_that_was_taken_over_is_not_believed(said: Any) -> None:
    assert picture_hashes.read_hashes(said) == []


def test_it_may_say_few_hashes() -> None:
    assert picture_hashes.read_hashes([HASH] * 1_000) == [HASH] * 3


@pytest.mark.parametrize("stored", [b"", b"not a film", b"\x00\x00\x00\x18ftypisom" + b"\xff" * 200])
def test_a_file_that_cannot_be_decoded_shows_nothing(stored: bytes) -> None:
    with TemporaryFile() as file:
        file.write(stored)
        assert picture_hashes.hashes_in(file) == []


def clips(*hashes: str) -> list[Clip]:
    """Finished clips with these hashes."""
    workspace = factories.visitor(credits=100).workspace
    like = factories.submitted(workspace)
    made = []
    for hashed in hashes:
        like.pk = like.id = uuid4()
        like._state.adding = True
        like.save()
        facts = factories.clip_facts(like).to_wire() | {"perceptual_hash": hashed}
        made.append(Clip.objects.create(generation_id=like.id, expires_at=timezone.now(), **facts))
    return made


def changed(hashed: str, bits: int) -> str:
    """The hash with so many other bits, all but one of them in its last band."""
    return differing(hashed, range(255, 256 - bits, -1), [0] if bits else [])


def differing(hashed: str, *places: Iterable[int]) -> str:
    """The hash with other bits in these places, of which 0 is the first."""
    return f"{int(hashed, 16) ^ sum(1 << 255 - place for place in {*chain(*places)}):064x}"


@pytest.mark.parametrize(("bits", "is_found"), [(0, True), (1, True), (15, True), (16, False), (40, False)])
def test_so_many_bits_may_differ(bits: int, is_found: bool) -> None:
    factories.model()
    (clip,) = clips(HASH)
    assert picture_search.nearest([changed(HASH, bits)]) == (clip.pk if is_found else None)


@pytest.mark.parametrize(("touched", "is_found"), [(BANDS - 1, True), (BANDS, False)])
def test_a_copy_is_found_if_one_band_is_untouched(touched: int, is_found: bool) -> None:
    factories.model()
    (clip,) = clips(HASH)
    copy = differing(HASH, (band * BITS_OF_BAND + 5 for band in range(touched)))
    assert picture_search.nearest([copy]) == (clip.pk if is_found else None)


def test_the_nearest_of_several_counts() -> None:
    factories.model()
    _, near, _ = clips(changed(HASH, 5), changed(HASH, 2), changed(HASH, 6))
    assert picture_search.nearest([HASH]) == near.pk


def test_a_search_asks_once_and_compares_few_whatever_stands_there(
    django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.model()
    monkeypatch.setattr(picture_search, "MOST_IN_BAND", 3)
    compared: list[str] = []

    def noted(one: str, other: str) -> int:
        compared.append(one)
        return distance(one, other)

    monkeypatch.setattr(picture_search, "distance", noted)
    clips(*(changed(HASH, 16 + n) for n in range(12)))
    with django_assert_num_queries(1):
        assert picture_search.nearest([HASH]) is None
    assert 0 < len(compared) <= BANDS * 3


def test_a_band_is_an_index() -> None:
    factories.model()
    [clip] = clips(HASH)
    others = [
        str(each.column) for each in Clip._meta.concrete_fields if each.name not in ("generation", "perceptual_hash")
    ]
    names = ", ".join(others)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO generation_clip (generation_id, perceptual_hash, {names})"  # noqa: S608
            f" SELECT gen_random_uuid(), md5(n::text) || md5((-n)::text), {names}"
            " FROM generation_clip, generate_series(1, 1000) n"
        )
        cursor.execute("ANALYZE generation_clip")  # the planner knows of these, whatever it knew of other tests'
    for place in range(BANDS):
        assert f"clip_by_picture_{place}" in picture_search._with_band(place, HASH[:8]).explain()
    Clip.objects.exclude(pk=clip.pk).delete()  # they belong to nothing


def test_a_picture_that_shows_nothing_is_looked_for_nowhere(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert picture_search.nearest([]) is None
        assert picture_search.nearest(["0" * 64, "f" * 64]) is None
