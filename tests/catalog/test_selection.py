"""Which version serves whom: names, aliases, gates, canary."""

from __future__ import annotations

import uuid

import pytest
from pytest_django import DjangoAssertNumQueries

from catalog import versions
from catalog.gates import Audience, NotLicensed
from catalog.models import Alias, Model
from catalog.selection import choose, find_model, version_for
from loremotion.refusals import Invalid
from tests.catalog.factories import draft_version, make_model

pytestmark = pytest.mark.django_db


def test_a_model_is_found_by_slug_and_by_alias() -> None:
    model = make_model("ltx-2b", aliases=("default", "quick"))
    assert [find_model(name) for name in ("ltx-2b", "default", "quick")] == [model] * 3


@pytest.mark.parametrize("status", ["draft", "retired"])
def test_what_is_not_enabled_is_not_found_and_those_that_are_get_named(status: str) -> None:
    make_model("one")
    hidden = make_model("two", aliases=("second",))
    Model.objects.filter(pk=hidden.pk).update(status=status)
    for name in ("two", "second", "three"):
        with pytest.raises(Invalid, match=r"Choose one of: one\."):
            find_model(name)


def test_a_gate_refuses_before_anything_is_quoted() -> None:
    make_model("hunyuan", blocked_territories=["EU"])
    with pytest.raises(NotLicensed, match="we can't verify your location"):
        choose("hunyuan")
    assert choose("hunyuan", Audience(territory="JP")).model.slug == "hunyuan"


def test_moving_an_alias_swaps_the_model_for_the_next_request() -> None:
    make_model("old", aliases=("default", "quick"))
    new = make_model("new")
    lost = versions.point_aliases(new, ["default"])
    assert {name: model.slug for name, model in lost.items()} == {"default": "old"}
    assert (choose("default").model, choose("quick").model.slug) == (new, "old")
    assert Alias.objects.filter(name="default").count() == 1


def with_canary(percent: int) -> Model:
    model = make_model("ltx-2b")
    versions.write(draft_version(model, revision="next"), by=None, is_canary=True)
    Model.objects.filter(pk=model.pk).update(canary_percent=percent)
    return model


def served(workspaces: list[uuid.UUID]) -> list[int]:
    model = find_model("ltx-2b")
    return [version_for(model, workspace).number for workspace in workspaces]


def test_a_canary_serves_its_share_and_a_workspace_stays_on_its_side() -> None:
    with_canary(20)
    workspaces = [uuid.UUID(int=n) for n in range(400)]
    first = served(workspaces)
    assert 50 <= first.count(2) <= 110
    assert served(workspaces) == first
    Model.objects.update(canary_percent=40)
    wider = served(workspaces)
    assert all(after == 2 for before, after in zip(first, wider, strict=True) if before == 2)
    assert wider.count(2) > first.count(2)


@pytest.mark.parametrize(("percent", "number"), [(0, 1), (100, 2)])
def test_none_and_all_mean_what_they_say(percent: int, number: int) -> None:
    with_canary(percent)
    assert set(served([uuid.uuid4() for _ in range(50)])) == {number}


def test_somebody_without_a_workspace_gets_the_current_version() -> None:
    with_canary(100)
    assert choose("ltx-2b").number == 1


def test_promoting_the_canary_gives_it_to_everybody() -> None:
    model = with_canary(10)
    versions.promote_canary(model)
    model.refresh_from_db()
    assert (model.canary, model.canary_percent, model.current and model.current.number) == (None, 0, 2)


def test_finding_a_model_costs_the_same_with_one_and_with_five(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_model("m0", aliases=("a0",))
    with django_assert_num_queries(2):  # a version is read once in the life of a process: nobody can change it
        choose("a0")
    for number in range(1, 5):
        make_model(f"m{number}", aliases=(f"a{number}",))
    choose("a4")
    for name in ("a0", "a4"):
        with django_assert_num_queries(1):
            choose(name)
