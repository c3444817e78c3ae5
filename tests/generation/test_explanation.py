"""Why a clip is fourth: a sentence for its owner, every tag for staff."""

from __future__ import annotations

from html import escape

import pytest
import redis
from django.test import Client

from accounts.models import User, Visitor
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch, explanation, wait
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.lost_work import heartbeat


@pytest.fixture
def crowd(toy: Model, alice: Visitor, bob: Visitor) -> list[Generation]:
    """Alice's three, with one of Bob's between."""
    theirs = [factories.submitted(visitor.workspace, seconds=1) for visitor in (alice, bob, alice, alice)]
    assert set(Generation.objects.values_list("state", flat=True)) == {State.QUEUED}
    return theirs


def why(generation: Generation) -> str:
    return wait.wait_of(generation).why_this_place


def test_an_owner_reads_whose_clips_are_before_theirs(
    crowd: list[Generation], alice: Visitor, client_of: ClientOf
) -> None:
    said = why(crowd[-1])
    assert said.startswith(
        "Of the clips ahead, 2 are yours and 1 belongs to others whose turn comes first. Everyone gets GPU time"
    )
    assert escape(said) in client_of(alice).get(f"/generations/{crowd[-1].id}/").text


def test_whoever_is_first_or_dispatched_is_told_nothing(crowd: list[Generation]) -> None:
    assert why(crowd[0]) == ""
    dispatch.fill_window()
    assert why(crowd[-1]) == ""
    assert explanation.explain(Generation.objects.get(id=crowd[-1].id)) is None


def test_a_visitor_is_not_told_how_many_of_their_network_wait(crowd: list[Generation], bob: Visitor) -> None:
    Generation.objects.update(flow="network:x")
    last = Generation.objects.get(id=crowd[-1].id)
    assert "2 are yours and 1 belongs to others" in why(last)
    assert "network" not in why(last)


def test_a_member_is_not_told_how_many_the_owner_has_elsewhere(crowd: list[Generation]) -> None:
    Generation.objects.update(flow="person:1")
    last = Generation.objects.get(id=crowd[-1].id)
    assert "2 are yours and 1 belongs to others" in why(last)


def test_own_clips_are_own_after_they_were_handed_back(crowd: list[Generation]) -> None:
    Generation.objects.update(flow="")
    last = Generation.objects.get(id=crowd[-1].id)
    assert "2 are yours and 1 belongs to others" in why(last)


def test_what_fits_no_machine_is_not_said_to_be_before(crowd: list[Generation]) -> None:
    Generation.objects.filter(id=crowd[1].id).update(needs_bytes=2**50)
    assert "2 are yours. " in why(crowd[-1])


def test_staff_see_the_tags_of_all_before_it(crowd: list[Generation], valkey: redis.Redis) -> None:
    heartbeat(valkey, "gpu-7")  # without one that is on, no place decides
    browser = Client()
    browser.force_login(User.objects.create_superuser("staff@example.com", "irrelevant"))
    page = browser.get(f"/admin/generation/generation/{crowd[-1].id}/change/").text
    table = page.split('id="why-this-place"')[1].split("</table>")[0]
    assert "3 clips ahead of it" in table
    assert [table.count(str(clip.id)) for clip in crowd] == [2, 2, 2, 0]
    assert f"workspace:{crowd[-1].workspace_id}" in table
    assert "<th>12</th><th>6</th><th>1</th><th>18</th>" in table  # start, price, weight, finish


def test_a_clip_that_the_last_release_queued_has_no_start(crowd: list[Generation]) -> None:
    Generation.objects.update(fair_weight=None, flow="")
    found = explanation.explain(Generation.objects.get(id=crowd[-1].id))
    assert found is not None
    assert (found.tags.start, len(found.before)) == (None, 3)
