"""History only grows, and says who did what."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from catalog import versions
from catalog.models import Model, ModelVersion
from tests.catalog.factories import draft_version, make_model

pytestmark = pytest.mark.django_db


def test_a_version_cannot_be_changed_even_by_sql() -> None:
    model = make_model()
    with pytest.raises(IntegrityError, match="version 1 of a model is immutable"), transaction.atomic():
        ModelVersion.objects.filter(model=model).update(prices={})


def test_the_author_may_leave() -> None:
    author = User.objects.create_user("ada@example.com")
    model = make_model()
    written = versions.write(draft_version(model, fps=16), by=author)
    author.delete()
    written.refresh_from_db()
    assert written.created_by is None


def test_differences_name_what_changed() -> None:
    model = make_model()
    written = versions.write(draft_version(model, fps=16, quantisation="int8"), by=None)
    first = model.versions.get(number=1)
    assert [(d.name, d.before, d.after) for d in versions.differences(first, written)] == [
        ("quantisation", "none", "int8"),
        ("fps", 24, 16),
    ]


def test_an_earlier_version_comes_back_as_a_new_one() -> None:
    model = make_model()
    first = model.versions.get(number=1)
    versions.write(draft_version(model, fps=16), by=None)
    restored = versions.restore(first, by=None)
    model.refresh_from_db()
    assert (restored.number, restored.note, model.current) == (3, "Version 1 again", restored)
    assert versions.differences(first, restored) == []


def test_the_build_names_what_is_loaded_and_nothing_else() -> None:
    model = make_model()
    first = model.versions.get(number=1)
    dearer = versions.write(draft_version(model, max_seconds=4, default_seconds=4), by=None)
    smaller = versions.write(draft_version(model, quantisation="int8"), by=None)
    twin = make_model("twin").versions.get(number=1)
    assert first.build == dearer.build == twin.build
    assert smaller.build != first.build


def test_an_enabled_model_always_has_a_version() -> None:
    model = Model.objects.create(slug="empty", name="Empty", summary="-")
    with pytest.raises(IntegrityError, match="model_enabled_has_version"), transaction.atomic():
        Model.objects.filter(pk=model.pk).update(status="enabled")
