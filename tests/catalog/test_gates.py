"""Licences and plans decide who may use a model; what is not known gets the strict answer."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from catalog import gates, territories
from catalog.gates import Audience, NotInPlan, NotLicensed
from catalog.models import AccessLevel
from tests.catalog.factories import draft_version

HUNYUAN = ["EU", "GB", "KR"]


@pytest.mark.parametrize(
    ("territory", "is_refused"),
    [("DE", True), ("GB", True), ("KR", True), ("US", False), ("CH", False), ("NO", False), (None, True)],
)
def test_a_territory_that_the_licence_leaves_out_is_refused(territory: str | None, is_refused: bool) -> None:
    version = draft_version(blocked_territories=HUNYUAN)
    refusal = gates.refusal(version, Audience(territory=territory))
    assert (refusal is not None) == is_refused
    if refusal is not None:
        assert isinstance(refusal, NotLicensed)
        assert "the European Union, South Korea and the United Kingdom" in str(refusal)


def test_without_blocked_territories_nobody_needs_to_say_where_they_are() -> None:
    assert gates.refusal(draft_version(), Audience()) is None


@pytest.mark.parametrize(("revenue", "is_refused"), [(None, True), (9_999_999, False), (10_000_001, True)])
def test_a_revenue_cap_is_for_the_whole_installation(settings: Settings, revenue: int | None, is_refused: bool) -> None:
    settings.ANNUAL_REVENUE_DOLLARS = revenue
    version = draft_version(revenue_cap_dollars=10_000_000)
    assert isinstance(gates.refusal(version, Audience(territory="US")), NotLicensed) == is_refused
    assert bool(gates.revenue_problem(version)) == is_refused


@pytest.mark.parametrize(
    ("least", "plan", "is_refused"),
    [
        (AccessLevel.VISITOR, AccessLevel.VISITOR, False),
        (AccessLevel.FREE, AccessLevel.VISITOR, True),
        (AccessLevel.FREE, AccessLevel.FREE, False),
        (AccessLevel.PAID, AccessLevel.FREE, True),
        (AccessLevel.PAID, AccessLevel.PAID, False),
        (AccessLevel.FREE, AccessLevel.PAID, False),
    ],
)
def test_a_plan_includes_what_the_plans_below_it_have(least: AccessLevel, plan: AccessLevel, is_refused: bool) -> None:
    refusal = gates.refusal(draft_version(least_plan=least), Audience(plan=plan))
    assert isinstance(refusal, NotInPlan) == is_refused


def test_the_territory_is_what_the_trusted_header_says(settings: Settings, rf: RequestFactory) -> None:
    settings.TERRITORY_HEADER = "CF-IPCountry"
    settings.TERRITORY = "US"
    assert gates.territory_of(rf.get("/", headers={"CF-IPCountry": "de"})) == "DE"
    for unknown in ("XX", "T1", "EU", "germany", ""):
        assert gates.territory_of(rf.get("/", headers={"CF-IPCountry": unknown})) is None


def test_a_header_that_is_not_named_is_not_believed(settings: Settings, rf: RequestFactory) -> None:
    settings.TERRITORY_HEADER = ""
    settings.TERRITORY = "DE"
    assert gates.territory_of(rf.get("/", headers={"CF-IPCountry": "US"})) == "DE"
    settings.TERRITORY = ""
    assert gates.territory_of(rf.get("/", headers={"CF-IPCountry": "US"})) is None


def test_gates_are_said_in_plain_words() -> None:
    version = draft_version(blocked_territories=["US"], least_plan="paid", licence_notice="Show the mark.")
    assert gates.in_words(version) == [
        "Not for use in the United States.",
        "For people on a paid plan.",
        "Show the mark.",
    ]


def test_the_union_has_27_members_that_are_countries() -> None:
    assert len(territories.EU) == 27
    assert all(territories.is_known(code) for code in territories.EU)
    assert not territories.is_known("UK")
    assert not territories.is_known("de")
