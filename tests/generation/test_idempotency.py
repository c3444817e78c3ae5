"""A request that is sent twice makes one clip and is paid once."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import connection
from django.test import Client
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.models import Visitor
from billing import ledger
from billing.shop.models import Plan
from catalog.models import Model
from generation.models import Generation
from generation.scheduling import fair_queue
from generation.settlement import settle
from generation.submission import pictures, retries
from loremotion import prepared
from tests.accounts.factories import browser_of
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_uploads import picture_file
from tests.patience import PATIENCE_SECONDS

FOX = {"prompt": "a fox"}


def post(client: Client, body: dict[str, Any], **headers: str) -> Any:
    return client.post("/v1/videos", body, content_type="application/json", headers=headers)


def test_the_same_key_gives_the_same_clip(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    first, second = (post(client, FOX, **{"Idempotency-Key": "order-17"}) for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json()["id"] == second.json()["id"]
    assert Generation.objects.count() == 1
    assert ledger.balance(account=alice.workspace_id).held == first.json()["lm"]["cost"]["held"]


def test_the_same_key_with_another_request_is_refused(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    post(client, FOX, **{"Idempotency-Key": "order-17"})
    answer = post(client, {"prompt": "a hen"}, **{"Idempotency-Key": "order-17"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Generation.objects.count() == 1


def test_another_picture_is_another_request(db: None, alice: Visitor, client_of: ClientOf) -> None:
    factories.model(modes=["text", "image"])
    client = client_of(alice)
    headers = {"Idempotency-Key": "order-17"}
    sizes = ((320, 200), (320, 200), (200, 320))
    sent = [client.post("/v1/videos", {**FOX, "image": picture_file(size=size)}, headers=headers) for size in sizes]
    assert [answer.status_code for answer in sent] == [200, 200, 422]


@pytest.mark.parametrize("comes_early", [False, True])
def test_a_key_of_which_only_the_receipt_is_left_is_refused(
    toy: Model, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, comes_early: bool
) -> None:
    client, send_join = client_of(alice), fair_queue.send_join

    def after_the_holds_answer(*args: Any, **kwargs: Any) -> Any:
        """What is sent meets the error of what was sent before it, which otherwise leaves with it."""
        server = connection.connection
        prepared._write(server._pipeline)
        server.pgconn.send_flush_request()
        server.pgconn.flush()
        has_answered, _, _ = select.select([server.fileno()], [], [], PATIENCE_SECONDS)
        assert has_answered
        return send_join(*args, **kwargs)

    post(client, FOX, **{"Idempotency-Key": "order-17"})
    Generation.objects.all().delete()
    if comes_early:
        monkeypatch.setattr(fair_queue, "send_join", after_the_holds_answer)
    answer = post(client, FOX | {"seconds": 1}, **{"Idempotency-Key": "order-17"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_one_workspaces_key_means_nothing_in_another(
    toy: Model, alice: Visitor, bob: Visitor, client_of: ClientOf
) -> None:
    made = {post(client_of(who), FOX, **{"Idempotency-Key": "1"}).json()["id"] for who in (alice, bob)}
    assert len(made) == 2


def test_a_key_whose_request_was_refused_is_free(toy: Model, client_of: ClientOf, settings: Any) -> None:
    settings.FREE_DAILY_CREDITS = 0
    poor = factories.visitor()
    assert post(client_of(poor), FOX, **{"Idempotency-Key": "1"}).status_code == 402
    ledger.grant(
        account=poor.workspace_id, reference=f"test:more:{poor.workspace_id}", amount=50, kind=ledger.LotKind.PACK
    )
    assert post(client_of(poor), FOX, **{"Idempotency-Key": "1"}).status_code == 200


@pytest.mark.parametrize("key", ["", "with space", "é", "k" * 256])
def test_a_key_that_is_none_is_refused(toy: Model, alice: Visitor, client_of: ClientOf, key: str) -> None:
    answer = post(client_of(alice), FOX, **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_idempotency_key")


def test_a_clients_retry_gets_what_its_first_try_made(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    first = post(client, FOX).json()["id"]
    assert post(client, FOX, **{"x-stainless-retry-count": "1"}).json()["id"] == first
    assert post(client, FOX, **{"x-stainless-retry-count": "0"}).json()["id"] != first
    assert post(client, {"prompt": "a hen"}, **{"x-stainless-retry-count": "1"}).json()["id"] != first


RETRY = {"x-stainless-retry-count": "1"}


def test_a_clip_answers_each_retry_once(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    first, second = (post(client, FOX).json()["id"] for _ in range(2))
    answers = [post(client, FOX, **RETRY).json()["id"] for _ in range(3)]
    assert set(answers[:2]) == {first, second}
    assert answers[2] not in (first, second)


def test_the_second_retry_gets_what_the_first_one_got(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    made = post(client, FOX).json()["id"]
    retried = [post(client, FOX, **{"x-stainless-retry-count": str(count)}).json()["id"] for count in (1, 2)]
    assert retried == [made, made]


def test_a_clip_that_was_read_answers_no_retry(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    read = post(client, FOX).json()["id"]
    client.get(f"/v1/videos/{read}")
    second = post(client, FOX, **RETRY).json()["id"]
    assert second != read
    listed = {video["id"] for video in client.get("/v1/videos").json()["data"]}
    assert listed == {read, second}
    assert post(client, FOX, **RETRY).json()["id"] not in listed


def test_a_clip_that_has_ended_answers_no_retry(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    made = post(client, FOX).json()["id"]
    client.post(f"/v1/videos/{made}/cancel")
    assert post(client, FOX, **RETRY).json()["id"] != made


def test_a_clip_of_two_minutes_ago_answers_no_retry(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    made = post(client, FOX).json()["id"]
    Generation.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    assert post(client, FOX, **RETRY).json()["id"] != made


WAITING = {"Prefer": "wait=50"}


@pytest.mark.parametrize(
    ("retry", "age_seconds", "is_made_twice"),
    [(1, 105, False), (1, 115, True), (2, 155, False), (7, 405, False), (10, 555, False), (11, 565, True)],
)
def test_a_retry_of_one_who_waited_gets_the_clip_that_has_ended_meanwhile(
    toy: Model, alice: Visitor, client_of: ClientOf, retry: int, age_seconds: int, is_made_twice: bool
) -> None:
    """Its answer broke off while it waited, and each sending before it may have waited as long."""
    client = client_of(alice)
    assert post(client, FOX, **WAITING).streaming
    made = Generation.objects.get()
    settle.cancel(made)
    Generation.objects.update(created_at=timezone.now() - timedelta(seconds=age_seconds))
    answer = post(client, FOX, **WAITING, **{"x-stainless-retry-count": str(retry)})
    assert answer.streaming == is_made_twice
    assert Generation.objects.count() == 1 + is_made_twice
    if not is_made_twice:
        assert (answer.json()["id"], answer["Idempotent-Replayed"]) == (str(made.id), "true")


def test_an_ended_clip_that_was_read_answers_no_retry(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    post(client, FOX, **WAITING)
    made = Generation.objects.get()
    settle.cancel(made)
    client.get(f"/v1/videos/{made.id}")
    assert post(client, FOX, **WAITING, **RETRY).streaming
    assert Generation.objects.count() == 2


def test_with_valkey_away_a_retry_makes_no_second_clip(
    toy: Model, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(alice)
    made = post(client, FOX).json()["id"]
    monkeypatch.setattr(retries, "connection", lambda: redis.Redis(port=1, retry=Retry(NoBackoff(), 0)))
    assert client.get(f"/v1/videos/{made}").status_code == 200
    assert post(client, FOX, **RETRY).json()["id"] == made


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Whether there is no room to read another picture."""
    monkeypatch.setattr(pictures, "WAIT_SECONDS", 0.01)

    def fill(is_full: bool) -> None:
        monkeypatch.setattr(pictures, "_places", threading.BoundedSemaphore())
        if is_full:
            assert pictures._places.acquire()

    return fill


def test_a_retry_of_what_was_refused_for_a_moment_makes_its_own_clip(
    db: None, alice: Visitor, client_of: ClientOf, full: Callable[[bool], None]
) -> None:
    factories.model(modes=["text", "image"])
    client = client_of(alice)

    def ask(retry: int) -> Any:
        body = {**FOX, "image": picture_file()}
        return client.post("/v1/videos", body, headers={"x-stainless-retry-count": str(retry)})

    first = ask(0).json()["id"]
    full(True)
    for count in (0, 1):
        busy = ask(count)
        assert (busy.status_code, busy.json()["code"], "x-should-retry" in busy) == (503, "busy", False)
    full(False)
    second = ask(2).json()["id"]
    assert second != first
    # Of the two, one answer got lost: no refusal is left that would have a third clip made.
    assert {ask(3).json()["id"], ask(3).json()["id"]} == {first, second}


def test_a_refusal_of_which_nothing_is_remembered_is_final(
    db: None, alice: Visitor, client_of: ClientOf, full: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.model(modes=["text", "image"])
    full(True)
    monkeypatch.setattr(retries, "connection", lambda: redis.Redis(port=1, retry=Retry(NoBackoff(), 0)))
    client = client_of(alice)
    answer = client.post("/v1/videos", {**FOX, "image": picture_file()})
    assert (answer.status_code, answer["x-should-retry"]) == (503, "false")
    keyed = client.post("/v1/videos", {**FOX, "image": picture_file()}, headers={"Idempotency-Key": "1"})
    assert (keyed.status_code, "x-should-retry" in keyed) == (503, False)


def test_the_same_key_with_other_privacy_is_refused(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client, key = client_of(alice), {"Idempotency-Key": "order-17"}
    assert post(client, FOX, **key).json()["lm"]["private"] is False
    answer = post(client, {**FOX, "private": True}, **key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(("is_private", "status"), [(True, 200), (False, 422)])
def test_a_key_of_the_last_release_holds_whose_digest_said_nothing_of_privacy(
    toy: Model, alice: Visitor, client_of: ClientOf, is_private: bool, status: int
) -> None:
    client, key = client_of(alice), {"Idempotency-Key": "order-17"}
    post(client, FOX, **key)
    Generation.objects.update(is_private=True)
    assert post(client, {**FOX, "private": is_private}, **key).status_code == status


@pytest.mark.parametrize("count", ["abc", "-1", "1.5", "0x1", ""])
def test_what_is_no_count_is_no_retry(toy: Model, alice: Visitor, client_of: ClientOf, count: str) -> None:
    client = client_of(alice)
    made = post(client, FOX).json()["id"]
    assert post(client, FOX, **{"x-stainless-retry-count": count}).json()["id"] != made


def test_whoever_has_too_many_open_is_told_not_to_retry(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    Plan.objects.update(open_clips=0)
    answer = post(client, FOX)
    assert (answer.status_code, answer["x-should-retry"], answer["Retry-After"]) == (429, "false", "30")


@pytest.mark.django_db(transaction=True)
def test_of_requests_that_race_one_is_made_and_paid(alice: Visitor) -> None:
    factories.model()
    answers: list[Any] = []

    def send() -> None:
        try:
            answers.append(post(browser_of(alice), FOX, **{"Idempotency-Key": "1"}).json()["id"])
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert len(set(answers)) == Generation.objects.count() == 1
    assert ledger.balance(account=alice.workspace_id).held == Generation.objects.get().credits_quoted
