"""The day's GPU time for free clips: counted by what paid for them, and once it is used up nobody waits for nothing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from billing import free_gpu_budget, ledger
from billing.ledger import LotKind
from billing.models import FreeDay, FreeReservation
from loremotion.refusals import TooMany
from tests.billing.books import grant, hold
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("books")

NOON = datetime(2028, 2, 28, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def hundred_seconds(settings: Settings) -> None:
    settings.FREE_GPU_SECONDS_PER_DAY = 100


def asked(account: UUID, credits: int = 10, *, expected: float = 40.0, now: datetime = NOON) -> UUID:
    """A clip whose credits are held and whose time is set aside, or neither."""
    with transaction.atomic():
        clip = hold(account, credits)
        free_gpu_budget.reserve(clip, gpu_seconds=expected, now=now)
    return clip


def free_account(credits: int = 500) -> UUID:
    account = uuid4()
    grant(account, credits, kind=LotKind.FREE)
    return account


def counted() -> float:
    """What such clips took and what is set aside for them."""
    taken = sum(FreeDay.objects.values_list("gpu_seconds", flat=True))
    return taken + sum(FreeReservation.objects.values_list("gpu_seconds", flat=True))


def test_a_clip_counts_as_far_as_its_credits_were_free() -> None:
    account = uuid4()
    grant(account, 30, kind=LotKind.FREE)
    grant(account, 100)
    wholly_free, a_third_free, paid = (asked(account, credits, expected=15.0) for credits in (20, 30, 50))
    assert counted() == pytest.approx(15 + 5)
    for clip in (wholly_free, a_third_free, paid):
        free_gpu_budget.count(clip, gpu_seconds=30.0, now=NOON)
    assert counted() == pytest.approx(30 + 10)
    assert not FreeReservation.objects.exists()


def test_many_that_are_asked_for_at_once_do_not_pass_the_day_s_time() -> None:
    account = free_account()
    clips = [asked(account) for _ in range(3)]  # the third is the one that crosses the line
    with pytest.raises(TooMany, match="Today's free clips are used up") as refused:
        asked(account)
    assert refused.value.retry_after_seconds == 12 * 3600 + 1
    assert ledger.balance(account=account).held == 30
    free_gpu_budget.count(clips[0], gpu_seconds=10.0, now=NOON)  # quicker than such clips are
    assert counted() == pytest.approx(90)
    asked(account)
    asked(account, now=NOON + timedelta(hours=12))  # the next day's


def test_staff_is_told_once_that_the_day_s_time_is_used_up(caplog: pytest.LogCaptureFixture) -> None:
    """Not by whoever asks and cancels in turn, so that nobody can have it told again and again."""
    account = free_account()
    first, second, third = asked(account), asked(account, expected=20.0), asked(account, expected=5.0)
    free_gpu_budget.count(first, gpu_seconds=70.0, now=NOON)
    with pytest.raises(TooMany):
        asked(account, expected=200.0), asked(account)
    assert not caplog.records
    for clip in (second, third):
        free_gpu_budget.count(clip, gpu_seconds=40.0, now=NOON)
    assert [record.levelname for record in caplog.records if "GPU seconds" in record.message] == ["CRITICAL"]


def test_what_is_not_made_gives_its_time_back_once() -> None:
    account = free_account()
    clip = asked(account, expected=100.0)
    with pytest.raises(TooMany):
        asked(account)
    for _ in range(2):
        free_gpu_budget.let_go(clip)
    assert counted() == 0
    asked(account)


def test_what_ends_on_the_next_day_counts_on_that() -> None:
    clip = asked(free_account())
    free_gpu_budget.count(clip, gpu_seconds=30.0, now=NOON + timedelta(days=1))
    assert list(FreeDay.objects.order_by("day").values_list("gpu_seconds", flat=True)) == [0, 30]


def test_what_yesterday_set_aside_is_forgotten() -> None:
    clip = asked(free_account())
    free_gpu_budget.forget_old(NOON + timedelta(days=1))
    assert not FreeReservation.objects.exists()
    free_gpu_budget.let_go(clip)


def test_a_site_that_gives_nothing_away_has_it_open_always(settings: Settings) -> None:
    settings.FREE_GPU_SECONDS_PER_DAY = 0
    account = free_account()
    with pytest.raises(TooMany):
        asked(account)


def test_what_was_never_held_counts_nothing() -> None:
    free_gpu_budget.count(uuid4(), gpu_seconds=30.0, now=NOON)
    assert not FreeDay.objects.exists()
    assert ledger.violations() == []


@pytest.mark.django_db(transaction=True)
def test_of_many_at_the_same_moment_no_more_pass_than_one_after_the_other() -> None:
    accounts = [free_account() for _ in range(8)]
    together, outcomes = threading.Barrier(len(accounts)), []

    def ask(account: UUID) -> None:
        try:
            together.wait(PATIENCE_SECONDS)
            asked(account)
            outcomes.append("made")
        except TooMany:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=[account]) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert sorted(outcomes) == ["made"] * 3 + ["refused"] * 5
    assert counted() == pytest.approx(120)
