"""The day's GPU time for free clips: counted by what paid for them, and once it is used up nobody waits for nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pytest_django import Settings

from billing import breaker, ledger
from billing.ledger import LotKind
from billing.models import FreeDay
from loremotion.refusals import TooMany
from tests.billing.books import grant, hold

pytestmark = pytest.mark.usefixtures("books")

NOON = datetime(2028, 2, 28, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def hundred_seconds(settings: Settings) -> None:
    settings.FREE_GPU_SECONDS_PER_DAY = 100


def test_a_clip_counts_as_far_as_its_credits_were_free() -> None:
    account = uuid4()
    grant(account, 30, kind=LotKind.FREE)
    grant(account, 100)
    wholly_free, a_third_free, paid = (hold(account, credits) for credits in (20, 30, 50))
    for clip in (wholly_free, a_third_free, paid):
        breaker.count(clip, gpu_seconds=30.0, now=NOON)
    assert FreeDay.objects.get().gpu_seconds == pytest.approx(30 + 10)


def test_it_opens_when_the_day_s_time_is_used_up_and_closes_at_midnight(caplog: pytest.LogCaptureFixture) -> None:
    account = uuid4()
    grant(account, 30, kind=LotKind.FREE)
    for _ in range(3):
        breaker.refuse_if_open(now=NOON)
        breaker.count(hold(account, 10), gpu_seconds=40.0, now=NOON)
    with pytest.raises(TooMany, match="as many free clips today") as refused:
        breaker.refuse_if_open(now=NOON)
    assert refused.value.retry_after_seconds == 12 * 3600 + 1
    assert [record.levelname for record in caplog.records if "GPU seconds" in record.message] == ["CRITICAL"]
    breaker.refuse_if_open(now=NOON + timedelta(hours=12))


def test_a_site_that_gives_nothing_away_has_it_open_always(settings: Settings) -> None:
    settings.FREE_GPU_SECONDS_PER_DAY = 0
    with pytest.raises(TooMany):
        breaker.refuse_if_open(now=NOON)


def test_what_was_never_held_counts_nothing() -> None:
    breaker.count(uuid4(), gpu_seconds=30.0, now=NOON)
    assert not FreeDay.objects.exists()
    assert ledger.violations() == []
