"""However many clips were taken down, a look for one that is like them reads a bounded number."""

from __future__ import annotations

from uuid import uuid4

import pytest

from generation.models import Clip
from generation.sharing import removals
from generation.sharing.models import Removal

pytestmark = pytest.mark.django_db

HASH = "0123456789abcdef" * 4


def test_a_band_that_many_have_in_common_finds_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removals, "MOST_IN_BAND", 2)
    for number in range(4):
        removals.remove(sha256=f"{number:064x}", perceptual_hash=HASH, reason=uuid4())
    found = [len(each.bands) for each in Removal.objects.order_by("sha256")]
    assert found[0] == found[1] > 0
    assert found[2:] == [0, 0]
    assert removals.nearly(Clip(perceptual_hash=HASH)) is not None


def test_what_is_restored_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removals, "MOST_IN_BAND", 1)
    first, second = uuid4(), uuid4()
    removals.remove(sha256="a" * 64, perceptual_hash=HASH, reason=first)
    removals.restore(reasons=[first])
    removals.remove(sha256="b" * 64, perceptual_hash=HASH, reason=second)
    assert removals.nearly(Clip(perceptual_hash=HASH)) == second
