"""What a family's first model is filled in with."""

from __future__ import annotations

import pytest

from catalog import versions
from catalog.models import Model
from catalog.validation import problems
from gpu_worker.families import EVERY_FAMILY, Family


@pytest.mark.parametrize("family", EVERY_FAMILY.values(), ids=lambda each: each.name)
def test_what_a_family_begins_with_can_be_served_once_it_is_priced(family: Family) -> None:
    begun = versions.prefilled_by_family(family.name)
    given = {"source": "a/b", "licence": "MIT", "prices": {}}
    version = versions.draft(Model(slug="new", name="New"), {**begun, **given})
    assert problems(version).keys() <= {"prices"}
    assert begun["sizes"]
    assert set(begun["presets"]) <= {"draft", "standard", "final"}
    assert "standard" in begun["presets"]
