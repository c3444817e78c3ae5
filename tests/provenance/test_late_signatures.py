"""Clips that were delivered unsigned are signed later, none twice and none for ever."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from generation import reports
from generation.models import Clip, Generation
from generation.provenance import signing
from generation.settlement import deletion, signing_queue
from gpu_worker import log_context
from loremotion import queues
from tests.generation import factories
from tests.provenance.conftest import Delivered
from tests.provenance.signing_line import in_a_while, in_line, never

pytestmark = pytest.mark.django_db


def test_a_late_signature_that_is_lost_is_tried_again(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    reports.finished(delivered(mine).to_wire())
    Clip.objects.update(sign_at=timezone.now())
    signing_queue.enqueue_due()
    assert in_line() == 1
    queues.queue(signing_queue.QUEUE).empty()
    signing_queue.enqueue_due()
    assert in_line() == 0, "its next try is a minute away"
    with in_a_while(2 * 24 * 3600):
        signing_queue.enqueue_due()
    assert in_line() == 1


def test_a_late_signature_names_the_click_and_the_clip(
    signing_site: Settings, mine: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    Generation.objects.filter(id=mine.id).update(request_id="click-1")
    reports.finished(delivered(mine).to_wire())
    in_force: list[tuple[str, str]] = []

    def noted(*_: object) -> Any:
        in_force.append((log_context.current("request_id"), log_context.current("generation_id")))
        raise ValueError("the key service is away")

    monkeypatch.setattr(signing, "sign", noted)
    signing_queue.sign_late(str(mine.id))
    assert in_force == [("click-1", str(mine.id))]


def test_late_signatures_hold_up_no_new_clip(
    signing_site: Settings, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_queue, "LATE_IN_LINE", 1)
    factories.model()
    workspace = factories.visitor(credits=100).workspace
    for generation in [factories.submitted(workspace), factories.submitted(workspace)]:
        reports.finished(delivered(generation).to_wire())
    Clip.objects.update(sign_at=timezone.now())
    signing_queue.enqueue_due()
    signing_queue.enqueue_due()
    assert in_line() == 1
    assert Clip.objects.filter(sign_at__lte=timezone.now()).count() == 1, "the other is due still"


def test_of_two_late_signatures_of_one_clip_the_first_counts(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    reports.finished(delivered(mine).to_wire())
    assert signing_queue.sign_late(str(mine.id))
    first = Clip.objects.get(generation=mine).signed_sha256
    assert not signing_queue.sign_late(str(mine.id))
    assert Clip.objects.get(generation=mine).signed_sha256 == first


def test_a_try_is_claimed_only_as_it_comes_into_line(
    signing_site: Settings, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.model()
    workspace = factories.visitor(credits=100).workspace
    for generation in [factories.submitted(workspace), factories.submitted(workspace)]:
        reports.finished(delivered(generation).to_wire())
    Clip.objects.update(sign_at=timezone.now())

    def away(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("Valkey is away")

    with monkeypatch.context() as patch:
        patch.setattr(signing_queue, "_enqueue", away)
        with pytest.raises(redis.ConnectionError):
            signing_queue.enqueue_due()
    assert Clip.objects.filter(sign_at__lte=timezone.now()).count() == 1, "the other waits for no next try"


def test_the_last_try_is_over_only_once_it_has_failed(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports.finished(delivered(mine).to_wire())
    with in_a_while(signing.GIVEN_UP_AFTER.total_seconds() + 120):
        signing_queue.enqueue_due()
        queues.queue(signing_queue.QUEUE).empty()
        assert Clip.objects.get().sign_at is not None, "nobody has tried"
        with monkeypatch.context() as patch:
            patch.setattr(signing, "sign", never)
            assert not signing_queue.sign_late(str(mine.id))
        assert Clip.objects.get().sign_at is None


def test_a_clip_that_is_deleted_while_it_is_signed_late_leaves_no_signed_file(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports.finished(delivered(mine).to_wire())
    sign = signing.sign
    made: list[signing.Signed] = []

    def deleted_meanwhile(*args: Any) -> signing.Signed:
        made.append(sign(*args))
        deletion.delete(Generation.objects.get(id=mine.id))
        return made[0]

    monkeypatch.setattr(signing, "sign", deleted_meanwhile)
    assert not signing_queue.sign_late(str(mine.id))
    assert not default_storage.exists(made[0].clip_key)
    assert not default_storage.exists(made[0].manifest_key)


def test_of_a_deleted_clip_nothing_is_signed(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports.finished(delivered(mine).to_wire())
    Clip.objects.update(sign_at=timezone.now())
    deletion.delete(Generation.objects.get(id=mine.id))
    monkeypatch.setattr(signing, "sign", lambda *_: pytest.fail("it is signed"))
    signing_queue.enqueue_due()
    assert in_line() == 0
    assert not signing_queue.sign_late(str(mine.id))
