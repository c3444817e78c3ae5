"""Clips that are far beyond their forecast: the first page of the admin, the fleet and the clip's own page say so."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from django.core.cache import cache
from django.test import Client

from accounts.models import User, Visitor
from catalog.models import Model
from generation.models import Generation
from generation.scheduling import dispatch
from generation.settlement import forecasting
from generation.staff.late import Late, by_cause
from tests.generation import factories
from tests.generation.test_fleet_page import heard
from tests.generation.test_overdue import told


@pytest.fixture
def staff(db: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("staff@example.com", "irrelevant"))
    return browser


@pytest.fixture
def clips(toy: Model, alice: Visitor, valkey: redis.Redis) -> tuple[Generation, Generation]:
    """One that takes far longer than it was said to, and one that is a little late."""
    cache.clear()
    far, little = (factories.submitted(alice.workspace, seconds=1) for _ in range(2))
    heard(valkey)
    dispatch.fill_window()
    forecasting.put_up_forecast()
    told(far, seconds=60, ago=timedelta(hours=3))
    told(little, seconds=3_600, ago=timedelta(minutes=70))
    forecasting.put_up_forecast()
    return far, little


def test_what_is_far_beyond_its_forecast_needs_somebody(clips: tuple[Generation, Generation], staff: Client) -> None:
    needs = {need.one: need for need in staff.get("/admin/").context["needs"]}
    need = needs["clip far beyond its forecast"]
    assert (need.count, need.is_broken, need.address) == (
        *(1, True, "/admin/generation/generation/?trouble=late&when=any"),
    )
    assert [clip.id for clip in staff.get(need.address).context["cl"].result_list] == [clips[0].id]
    assert need.todo.replace("\N{NO-BREAK SPACE}", " ") == (
        "3 h late. The clips ahead of it took longer than we expected. Look whether the GPU workers get on."
    )


def test_the_line_says_by_how_much_each_is_late_and_why(clips: tuple[Generation, Generation], staff: Client) -> None:
    far, little = clips
    page = staff.get("/admin/fleet/")
    late = {each.clip.id: each.late for each in page.context["line"]}
    assert late[far.id].said == "3\N{NO-BREAK SPACE}h late."
    assert late[far.id].why == "The clips ahead of it took longer than we expected."
    assert (late[far.id].is_far, late[little.id].is_far) == (True, False)
    assert "1 clip far beyond its forecast. The clips ahead of it took longer than we expected." in page.text
    assert page.text.count(late[far.id].why) == 1, "said once, above the line"
    assert "3\N{NO-BREAK SPACE}h late.</span>" in page.text


def test_of_several_clips_the_cause_is_told_once_and_of_them() -> None:
    every = [
        Late("8 min", "", is_far=True, cause=cause) for cause in ("busy", "handed_on", "busy", "from a release on")
    ]
    assert by_cause([*every, Late("2 min", "", is_far=False, cause="busy")]) == [
        "2 clips far beyond their forecast. The clips ahead of them took longer than we expected.",
        "1 clip far beyond its forecast. The GPU that was making it stopped, so another one took over.",
        "1 clip far beyond its forecast.",
    ]


def test_staff_who_may_look_customers_up_go_on_from_the_line_to_whose_a_clip_is(
    clips: tuple[Generation, Generation], staff: Client
) -> None:
    assert f'<a href="/admin/customers/{clips[0].workspace_id}/">' in staff.get("/admin/fleet/").text


def test_the_clips_own_page_says_so_and_the_list_finds_it(clips: tuple[Generation, Generation], staff: Client) -> None:
    far, _ = clips
    assert "h late." in staff.get(f"/admin/generation/generation/{far.id}/change/").text
    page = staff.get("/admin/generation/generation/?trouble=late&when=any")
    assert [clip.id for clip in page.context["cl"].result_list] == [far.id]
    late = '<span class="state bad">3\N{NO-BREAK SPACE}h<span class="unit"> late</span></span><br>'
    assert f'{late}<span class="quiet">The clips ahead of it' in page.text
    assert "Late by" not in staff.get("/admin/generation/generation/?when=any").text


def test_of_those_that_are_late_the_latest_comes_first(clips: tuple[Generation, Generation], staff: Client) -> None:
    later, latest = clips
    told(latest, seconds=60, ago=timedelta(hours=9))
    forecasting.put_up_forecast()
    found = staff.get("/admin/generation/generation/?trouble=late&when=any").context["cl"].result_list
    assert [clip.id for clip in found] == [latest.id, later.id]


def test_nothing_is_said_of_clips_that_are_on_time(toy: Model, alice: Visitor, staff: Client) -> None:
    cache.clear()
    clip = factories.submitted(alice.workspace)
    assert staff.get(f"/admin/generation/generation/{clip.id}/change/").context["late"] is None
    assert "far beyond" not in staff.get("/admin/").text.split('id="content-main"')[0]
