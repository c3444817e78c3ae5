"""The invisible id: its code, and a label that survives what commonly happens to a copy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pytest

from gpu_worker.media.invisible_id import code, id_of, marking, pattern, reading

LABEL_ID = 0xC0FFEE42
KEY = "a site's key"


@pytest.mark.parametrize("label_id", [0, LABEL_ID, code.MOST_ID])
def test_an_id_is_read_back_from_its_bits(label_id: int) -> None:
    assert code.decode(2.0 * code.encode(label_id) - 1) == label_id


def test_an_id_is_read_back_from_noisy_bits() -> None:
    """One in six bits is wrong, as noise as loud as the bits themselves makes them."""
    noise = np.random.default_rng(1).normal(0, 1, code.CODED_BITS)
    received = 2.0 * code.encode(LABEL_ID) - 1 + noise

    assert ((received > 0) != code.encode(LABEL_ID)).mean() > 0.1
    assert code.decode(received) == LABEL_ID


def test_noise_and_nothing_are_no_id() -> None:
    chance = np.random.default_rng(2)

    assert [code.decode(chance.normal(0, 1, code.CODED_BITS)) for _ in range(50)] == [None] * 50
    assert code.decode(np.zeros(code.CODED_BITS)) is None


def test_a_number_of_more_than_32_bits_is_refused() -> None:
    with pytest.raises(OverflowError):
        code.encode(code.MOST_ID + 1)


def test_a_label_is_found_in_a_picture_and_under_its_own_key_alone() -> None:
    marked = _marked(_scenery(256, 384))

    found = read([marked], KEY, scales=[1.0])

    assert found is not None
    assert found.id == LABEL_ID
    assert read([marked], "another key", scales=[1.0]) is None
    assert read([_scenery(256, 384)], KEY, scales=[1.0]) is None
    assert reading.gather([]) is None


def test_a_clip_s_number_is_its_own_and_the_same_each_time() -> None:
    ids = [id_of(str(UUID(int=number))) for number in range(1000)]

    assert len(set(ids)) == 1000
    assert max(ids) <= code.MOST_ID
    assert id_of(str(UUID(int=7))) == ids[7]


def test_a_label_is_found_in_a_part_of_a_picture_that_was_enlarged() -> None:
    marked = _marked(_scenery(512, 512))

    part = marked[30:490, 20:480]

    found = read([part], KEY, scales=[1.0, 460 / 512])
    assert found is not None
    assert found.id == LABEL_ID
    assert found.scale < 1


def test_a_picture_that_was_encoded_on_its_own_outweighs_those_that_lost_the_label() -> None:
    scenery = _scenery(512, 512)
    shown = [_marked(scenery), *[scenery] * 16]

    found = read(shown, KEY, scales=[1.0])

    assert found is not None
    assert found.id == LABEL_ID
    assert read(shown, KEY, scales=[1.0], has_key=False) is None


def test_of_a_very_wide_picture_a_part_is_looked_at() -> None:
    gathered = reading.gather([reading.Picture(np.full((16, 10_000), 120, np.uint8), is_key=True)])
    assert gathered is not None
    assert gathered.shape == (pattern.HEIGHT, pattern.MOST_WIDTH)


def test_flat_ground_and_black_are_changed_by_little() -> None:
    """A few grey levels of 220 on flat ground, and never out of the range of a video's brightness."""
    grey = np.full((256, 384), 120, np.uint8)

    assert np.abs(_marked(grey).astype(int) - 120).max() <= 3
    for edge in (16, 235):
        marked = _marked(np.full((256, 384), edge, np.uint8))
        assert marked.min() >= 16
        assert marked.max() <= 235


@pytest.mark.parametrize("size", [(2, 2), (6, 250), (98, 130)])
def test_a_picture_of_any_even_size_takes_a_label(size: tuple[int, int]) -> None:
    assert _marked(np.full(size, 120, np.uint8)).shape == size


def test_the_same_picture_gets_the_same_label() -> None:
    scenery = _scenery(128, 192)

    assert np.array_equal(_marked(scenery), _marked(scenery))
    assert np.array_equal(pattern.tile_of(KEY, 7), pattern.tile_of(KEY, 7))
    assert not np.array_equal(pattern.tile_of(KEY, 7), pattern.tile_of(KEY, 8))


def _marked(luma: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return marking.Marking(KEY, LABEL_ID, *luma.shape).mark(luma)


def _scenery(height: int, width: int) -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(3).normal(0, 4, (height, width))
    return np.asarray(np.rint(120 + 40 * np.sin(rows / 90) * np.cos(columns / 70) + noise), np.uint8)


def read(
    lumas: Sequence[npt.NDArray[np.uint8]], key: str, *, scales: Iterable[float], has_key: bool = True
) -> reading.Found | None:
    """The label of a video whose first picture alone was encoded on its own, if any was."""
    gathered = reading.gather(reading.Picture(luma, has_key and place == 0) for place, luma in enumerate(lumas))
    assert gathered is not None
    return reading.read(gathered, key, scales=scales)
