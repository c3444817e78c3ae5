"""What the site tells Prometheus of itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.core import Metric

from accounts.models import Visitor
from billing import ledger
from billing.shop.models import Reconciliation
from catalog.models import Model
from generation import site_figures
from generation.models import ForecastHour
from generation.scheduling import capacity
from generation.settlement import forecasting, ledger_check
from loremotion.outbox.models import MailMessage, State
from tests.generation import factories
from tests.generation.test_wait import machine


def values(families: Iterable[Metric]) -> dict[tuple[str, ...], float]:
    """Name and labels → value."""
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_the_site_says_how_it_does(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    machine(valkey)
    for _ in range(2):
        factories.submitted(alice.workspace, seconds=1)
    waiting = {tier: values(site_figures.collect())["loremotion_clips_waiting", tier] for tier in ("free", "paid")}
    told = values(site_figures.collect())
    in_hand = sum(told["loremotion_clips_in_hand", state] for state in ("dispatched", "running"))
    assert sum(waiting.values()) + in_hand == 2
    assert told["loremotion_gpu_workers_taking",] == 1
    assert told["loremotion_rq_waiting", "mail"] == 0
    assert told["loremotion_storage_paused",] == 0
    assert told["loremotion_media_free_bytes",] > 0
    assert 0 < told["loremotion_valkey_used_share",] < 1


def test_the_wait_of_whoever_comes_last_is_told_while_somebody_takes_clips(
    toy: Model, alice: Visitor, valkey: redis.Redis
) -> None:
    def told() -> float:
        figures = values(site_figures.collect())
        return max(figures.get(("loremotion_predicted_start_seconds", tier), -1) for tier in ("paid", "free"))

    machine(valkey)
    factories.submitted(alice.workspace, seconds=1)
    forecasting.put_up_forecast()
    before = told()
    assert before >= 0
    for _ in range(2):
        factories.submitted(alice.workspace, seconds=2)
    forecasting.put_up_forecast()
    assert told() > before


def test_what_is_due_late_or_dead_is_told(alice: Visitor, valkey: redis.Redis) -> None:
    common = {"workspace": alice.workspace, "address": "a@example.org", "content": "x", "about": alice.workspace.id}
    MailMessage.objects.create(
        **common, occasion="1", due_at=timezone.now() - timedelta(minutes=5), expires_at=timezone.now()
    )
    MailMessage.objects.create(
        **common, occasion="2", state=State.DEAD, ended_at=timezone.now(), expires_at=timezone.now()
    )
    told = values(site_figures.collect())
    assert (told["loremotion_outbox_due", "mail"], told["loremotion_outbox_dead", "mail"]) == (1, 1)
    assert 300 <= told["loremotion_outbox_oldest_due_seconds", "mail"] < 400
    assert told["loremotion_outbox_due", "stripe"] == 0


def test_what_checks_of_the_books_found_is_told(db: None, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as wrong:
        wrong.setattr(ledger, "violations", lambda **_: ["one", "two"])
        ledger_check.run()
    done = Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS, finished_at=timezone.now())
    done.mismatches.create(subject="order:1", detail="", is_mended=False)
    told = values(site_figures.collect())
    assert (told["loremotion_ledger_violations",], told["loremotion_stripe_differences",]) == (2, 1)
    assert 0 <= told["loremotion_ledger_checked_seconds",] < 60


def test_how_often_forecasts_held_is_told(db: None, valkey: redis.Redis) -> None:
    ForecastHour.objects.create(hour=timezone.now(), model="toy", tier="paid", told=8, before=6, inside=5, waits={})
    told = values(site_figures.collect())
    assert (told["loremotion_forecasts_told", "paid"], told["loremotion_forecast_coverage", "paid"]) == (8, 0.75)


def test_without_valkey_the_databases_figures_are_there(
    db: None, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(capacity, "statuses", away)
    told = values(site_figures.collect())
    assert ("loremotion_clips_waiting", "paid") in told
    assert ("loremotion_gpu_workers_taking",) not in told


def test_the_figures_take_the_same_queries_whatever_waits(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as context:
            list(site_figures.collect())
        return len(context)

    before = queries()
    for _ in range(3):
        factories.submitted(alice.workspace, seconds=1)
    assert queries() == before
