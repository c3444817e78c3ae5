"""A clip whose pictures score too high is kept back, paid by nobody, and can be reviewed; all others are delivered."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEntry, Visitor
from generation import reports
from generation.models import Clip, Generation, State
from generation.models.files import output_key
from generation.moderation import outputs, reviews
from generation.moderation.models import Policy, RefusalCount, Review
from generation.scheduling import dispatch
from generation.settlement import deletion, settle
from generation.storage import leftovers
from generation.tiers import FREE_BEGINS
from gpu_worker.contract import RenderReport
from loremotion.refusals import Conflict
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_settle import receipt_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(running: Generation) -> Generation:
    """A clip that a worker has begun and delivered."""
    factories.deliver_clip(running)
    return running


def scored(generation: Generation, score: float | None) -> RenderReport:
    return replace(factories.report(generation), picture_score=score)


def test_it_is_blocked_and_the_credits_come_back(running: Generation) -> None:
    assert settle.settle(scored(running, 0.9))
    assert not settle.settle(scored(running, 0.1))
    assert receipt_of(running) == (State.BLOCKED, 0, running.credits_quoted)
    running.refresh_from_db()
    assert running.error_code == "clip_explicit"
    assert not Clip.objects.exists()


@pytest.mark.parametrize("score", [None, 0.0, 0.79])
def test_what_scores_less_or_was_not_looked_at_is_delivered(running: Generation, score: float | None) -> None:
    settle.settle(scored(running, score))
    assert receipt_of(running) == (State.SUCCEEDED, running.credits_quoted, 0)


def test_clips_kept_back_are_counted_for_whose_they_are_and_for_everybody(
    running: Generation, client: Client, client_of: ClientOf, alice: Visitor
) -> None:
    assert "None." in client.get("/transparency/").text.partition("Finished clips kept back")[2]
    settle.settle(scored(running, 0.9))
    settle.settle(scored(running, 0.9))
    assert RefusalCount.objects.get().count == 1
    assert "1, because" in client.get("/transparency/").text.partition("Finished clips kept back")[2]
    assert "Finished clips kept back" in client_of(alice).get("/reviews/").text


def test_a_relaxed_workspace_decides_itself(running: Generation) -> None:
    Policy.objects.create(workspace=running.workspace, strictness="relaxed", reason="An art school.")
    settle.settle(scored(running, 0.9))
    assert receipt_of(running)[0] == State.SUCCEEDED


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_score_that_is_none_is_not_believed(running: Generation, score: float) -> None:
    assert not reports.finished(scored(running, score).to_wire())
    assert receipt_of(running)[0] == State.RUNNING


def test_whose_clips_are_looked_at_the_settings_say(running: Generation, settings: Settings) -> None:
    assert running.render_job(inputs={}, outputs={}).is_sampled
    running.made_by = people.person("ada@example.org")
    assert not running.is_sampled
    settings.MODERATION_OUTPUTS = "everybody"
    assert running.is_sampled
    running.made_by, settings.MODERATION_OUTPUTS = None, "nobody"
    assert not running.is_sampled


def test_what_staff_allows_is_delivered_when_it_is_made_again(
    running: Generation, client_of: ClientOf, alice: Visitor, bob: Visitor
) -> None:
    settle.settle(scored(running, 0.9))
    page = client_of(alice).get(reverse("generation:detail", args=[running.id]))
    assert "Ask for a review" in page.text
    said = {"clip": str(running.id)}
    assert client_of(bob).post(reverse("moderation:ask"), said).status_code == 404
    assert client_of(alice).post(reverse("moderation:ask"), {"clip": "none"}).status_code == 404
    answer = client_of(alice).post(reverse("moderation:ask"), said, follow=True)
    assert "The clip that was kept back" in answer.text
    staff = people.person("staff@example.org", is_staff=True)
    reviews.decide(Review.objects.get().id, staff=staff, is_allowed=True, statement="A statue.")

    again = copy(running)
    other_seed, other_start = copy(running), copy(running)
    other_seed.seed += 1
    other_start.inputs = {"image": "inputs/another/image.png"}
    assert not outputs.is_kept_back(again, 0.9)
    assert outputs.is_kept_back(other_seed, 0.9)
    assert outputs.is_kept_back(other_start, 0.9)


def test_free_credits_pay_for_no_endless_row_of_such_clips(running: Generation, alice: Visitor) -> None:
    settle.settle(scored(running, 0.9))
    for _ in range(outputs.MOST_GIVEN_BACK - 1):
        again = copy(running)
        again.id, again.state, again.fair_finish = uuid4(), State.BLOCKED, FREE_BEGINS
        again.save(force_insert=True)
    clip = factories.submitted(alice.workspace)
    dispatch.fill_window()
    clip.refresh_from_db()
    settle.start(generation_id=clip.id, attempt=1, worker="gpu-test")
    factories.deliver_clip(clip)
    Generation.objects.filter(id=clip.id).update(fair_finish=FREE_BEGINS)
    settle.settle(scored(clip, 0.9))
    assert receipt_of(clip) == (State.BLOCKED, clip.credits_quoted, 0)


def test_a_clip_that_was_not_kept_back_has_no_review(running: Generation) -> None:
    settle.settle(scored(running, 0.1))
    running.refresh_from_db()
    with pytest.raises(Conflict):
        reviews.ask_for_clip(running, user=None)


def test_staff_sees_its_picture_and_the_workspace_reads_that(running: Generation, admin_client: Client) -> None:
    settle.settle(scored(running, 0.9))
    running.refresh_from_db()
    review = reviews.ask_for_clip(running, user=None)
    page = admin_client.get(reverse("admin:moderation_review_decide", args=[review.id]))
    assert 'class="blurred"' in page.text
    picture = admin_client.get(reverse("admin:moderation_review_poster", args=[review.id]))
    assert picture["Content-Type"] == "image/jpeg"
    assert AuditEntry.objects.get(workspace=running.workspace, event="staff.looked").subject == str(running.id)


def test_its_files_lie_there_for_the_review_and_go_then(running: Generation) -> None:
    settle.settle(scored(running, 0.9))
    kept = leftovers._find_kept([str(running.id)])
    Generation.objects.update(finished_at=timezone.now() - leftovers.KEPT_BACK - timedelta(minutes=1))
    assert (list(kept), list(leftovers._find_kept([str(running.id)]))) == ([str(running.id)], [])


def test_who_deletes_it_leaves_neither_files_nor_a_review(
    running: Generation, django_capture_on_commit_callbacks: object
) -> None:
    settle.settle(scored(running, 0.9))
    running.refresh_from_db()
    reviews.ask_for_clip(running, user=None)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        deletion.delete(running)
    assert not Review.objects.exists()
    assert not default_storage.exists(output_key(running.id, "poster"))
