"""Clips are kept as long as the plan says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.files.storage import default_storage

from accounts.models import Visitor
from billing import ledger
from billing.plans import entitlements
from catalog.models import Model
from generation.models import Clip, Generation
from generation.storage import files, retention
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished


def in_days(days: float) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=False)


def test_a_clip_goes_when_its_time_is_over_and_its_receipt_stays(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    generation = finished(alice)
    key = files.key(generation, files.CLIP)
    with in_days(entitlements(None).retention_days + 1):
        retention.sweep_clips()
        retention.sweep_clips()
        assert not default_storage.exists(key)
        assert not Clip.objects.exists()
    again = Generation.objects.get(id=generation.id)
    assert ledger.receipt(reference=again.id).captured == again.credits_quoted
    browser = client_of(alice)
    assert "has expired and was deleted" in browser.get(f"/generations/{again.id}/").text
    assert "No longer kept" in browser.get("/history/").text
    assert browser.get(f"/v1/videos/{again.id}").json()["expires_at"] is None
    assert browser.get(f"/v1/videos/{again.id}/content").status_code == 404


def test_until_then_it_is_kept(toy: Model, alice: Visitor) -> None:
    generation = finished(alice)
    with in_days(entitlements(None).retention_days - 1):
        retention.sweep_clips()
    assert files.has_clip(generation)
    assert Clip.objects.count() == 1


def test_a_longer_plan_keeps_what_is_there_for_longer(
    toy: Model, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = finished(alice)
    longer = replace(entitlements(None), retention_days=365)
    monkeypatch.setattr(retention, "entitlements", lambda account: longer)
    with in_days(100):
        retention.sweep_clips()
    assert files.has_clip(generation)
    assert Clip.objects.get().expires_at > datetime.now(UTC) + timedelta(days=300)
