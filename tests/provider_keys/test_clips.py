"""A clip with a workspace's own key: its price, its worker, its end, and that the same key stays with it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import redis
from django.core import mail
from pytest_django import Settings

from accounts.models import AuditEntry
from billing.models import Hold
from catalog.pricing import Line, Quote, with_own_key
from generation.models import Generation, State
from generation.provider_keys import keeping, use
from generation.provider_keys.models import KeyedClip, ProviderKey
from generation.provider_keys.workspace_data import move
from generation.scheduling import dispatch
from generation.settlement import settle
from generation.submission.submit import submit
from gpu_worker.contract import OWN_ACCOUNT, Outcome, RenderError, RenderJob
from gpu_worker.error_codes import OWN_KEY_REFUSED
from gpu_worker.sealed_keys import PrivateKeys
from loremotion import queue_worker, queues
from loremotion.refusals import Conflict, TooMany
from tests.generation import factories
from tests.provider_keys.conftest import FEE, OTHER, OWN, PRICE, Host, Team, worker_on
from tests.remote.fake_api import Asked, Said, serving
from tests.remote.openai.fake import FakeOpenAI
from tests.remote.test_own_keys import keys_sent

pytestmark = pytest.mark.django_db(transaction=True)


class AnyKey:
    """A fake that takes every key, and notes under which each clip was begun."""

    def __init__(self, inner: FakeOpenAI) -> None:
        self.inner = inner

    def answer(self, asked: Asked) -> Said:
        return self.inner.answer(replace(asked, headers={**asked.headers, "authorization": "Bearer a-key"}))


def job_of(clip: Generation, connection: redis.Redis) -> RenderJob:
    clip.refresh_from_db()
    return RenderJob.from_wire(queues.job(clip.job_id).args[0])


@pytest.mark.parametrize(
    ("percent", "millicredits", "credits"), [(20, 10_000, 2), (20, 10_001, 3), (0, 10_000, 1), (100, 10_000, 10)]
)
def test_the_fee_is_a_share_of_the_price_rounded_up_once(percent: int, millicredits: int, credits: int) -> None:
    price = with_own_key(Quote(99, (Line("4 s of video", Fraction(millicredits)),)), percent=percent)
    assert price.credits == credits
    assert f"Less {100 - percent} percent" in price.lines[-1].label


def test_with_an_own_key_a_clip_costs_the_fee_and_counts_in_no_ceiling(
    team: Team, other_team: Team, valkey: redis.Redis, settings: Settings
) -> None:
    assert team.offer.quote.credits == PRICE
    team.bring()
    assert team.offer.quote.credits == FEE
    settings.REMOTE_CREDITS_PER_DAY = PRICE
    clips = [team.ask() for _ in range(6)]
    assert {Hold.objects.get(id=clip.id).amount for clip in clips} == {FEE}
    other_team.ask()
    with pytest.raises(TooMany):
        other_team.ask()
    team.ask()


def test_its_job_names_the_key_and_no_account_of_the_house(
    team: Team, other_team: Team, valkey: redis.Redis, private: PrivateKeys
) -> None:
    key = team.bring()
    own, house = team.ask(), other_team.ask()
    worker_on(valkey, private)
    dispatch.fill_window()
    job = job_of(own, valkey)
    assert job.own_key is not None
    assert (job.own_key.id, job.model.source) == (str(key.id), f"{OWN_ACCOUNT}there/their-model")
    assert private.open(job.own_key, "there").key == OWN
    assert job_of(house, valkey).own_key is None
    assert job_of(house, valkey).model.source == "there/their-model"


def test_an_attempt_after_a_replaced_key_finds_the_clip_that_the_first_one_began(
    team: Team, host: Host, mp4: bytes
) -> None:
    fake = FakeOpenAI(mp4, progress=())
    first = team.bring()
    clip, before = team.ask(), team.credits
    with serving(AnyKey(fake)) as server:
        server.next = [server.fake.answer, server.fake.answer, *[Said(500)] * 6]  # begun, done, and not to be fetched
        assert host.round(server, clip).is_open
        team.bring(OTHER)
        keeping.forget_removed()
        assert ProviderKey.objects.filter(id=first.id).exists(), "a clip is being made with it"
        while host.round(server, clip).is_open:
            pass
        assert clip.state == State.SUCCEEDED
        assert clip.attempt == 2
        assert len(fake.videos) == 1
        assert keys_sent(server) == {f"Bearer {OWN}"}
        keeping.forget_removed()
        assert not ProviderKey.objects.filter(id=first.id).exists()
    assert before - team.credits == FEE
    assert KeyedClip.objects.get(generation=clip).key is None, "that it was made with an own key is still known"


def test_a_refused_key_ends_the_clip_with_words_and_is_used_no_more_until_it_works(
    team: Team, valkey: redis.Redis
) -> None:
    key = team.bring()
    clips, before = [team.ask(), team.ask()], team.credits
    error = RenderError(code=OWN_KEY_REFUSED, message="Example does not take your workspace's own key (401).")
    for clip in clips:
        assert settle.settle(factories.report(clip, Outcome.FAILED, error=error, clip=None))
        clip.refresh_from_db()
        assert (clip.state, clip.error_message) == (State.FAILED, error.message)
    assert team.credits == before
    assert not Hold.objects.filter(state=Hold.State.OPEN).exists()
    key.refresh_from_db()
    assert key.state == ProviderKey.State.REFUSED
    queue_worker.work("mail", burst=True)
    (letter,) = mail.outbox
    assert letter.to == [team.owner.email]
    assert key.shown in letter.subject
    assert "/workspace/provider-keys/" in letter.body
    assert AuditEntry.objects.filter(event="provider_key.refused").count() == 1
    with pytest.raises(Conflict, match="does not take your workspace's own key"):
        team.ask()
    team.bring(OTHER)
    assert team.ask().credits_quoted == FEE


def test_a_price_that_was_told_for_a_key_holds_no_longer_than_the_key(team: Team, valkey: redis.Redis) -> None:
    key = team.bring()
    offer = team.offer
    keeping.remove(key, actor="somebody")
    with pytest.raises(Conflict, match="changed a moment ago"):
        submit(workspace=team.workspace, offer=offer)
    assert not Generation.objects.exists()
    assert team.ask().credits_quoted == PRICE


def test_a_removed_key_stays_for_what_was_begun_and_no_longer(team: Team, valkey: redis.Redis) -> None:
    key = team.bring()
    clip = team.ask()
    keeping.remove(key, actor="somebody")
    keeping.remove(key, actor="somebody")
    assert AuditEntry.objects.filter(event="provider_key.removed").count() == 1
    assert ProviderKey.objects.get().sealed
    settle.cancel(clip)
    keeping.forget_removed()
    assert not ProviderKey.objects.exists()
    clip.refresh_from_db()
    job = use.with_own_key(clip, clip.render_job(inputs={}, outputs={}))
    assert job.own_key is not None
    assert job.own_key.sealed == "", "no other key stands in"


def test_a_clip_that_is_made_says_that_the_key_works(team: Team, valkey: redis.Redis) -> None:
    key = team.bring()
    clip = team.ask()
    dispatch.fill_window()
    factories.deliver_clip(clip)
    ProviderKey.objects.update(state=ProviderKey.State.NEW)
    assert settle.settle(factories.report(clip))
    key.refresh_from_db()
    assert key.state == ProviderKey.State.WORKS


def test_a_failure_of_another_kind_says_nothing_of_the_key(team: Team, valkey: redis.Redis) -> None:
    key = team.bring()
    clip = team.ask()
    error = RenderError(code="remote_refused", message="Example refused: no kites.")
    assert settle.settle(factories.report(clip, Outcome.FAILED, error=error, clip=None))
    key.refresh_from_db()
    assert key.state == ProviderKey.State.NEW


def test_of_two_workspaces_that_become_one_the_key_that_is_there_stays(team: Team, other_team: Team) -> None:
    kept, moved = team.bring(), other_team.bring(OTHER)
    alone = ProviderKey.objects.create(workspace=other_team.workspace, account="studio", pair="0", sealed="s")
    move(source=other_team.workspace, into=team.workspace)
    move(source=other_team.workspace, into=team.workspace)
    assert set(ProviderKey.objects.of(team.workspace)) == {kept, alone}
    assert ProviderKey.objects.get(id=moved.id).removed_at is not None
    assert not ProviderKey.objects.filter(workspace=other_team.workspace).exists()
