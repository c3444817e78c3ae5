"""The webhook and the inbox behind it: who may speak, what is kept, what is tried again."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import stripe
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from billing.shop import gateway, inbox
from billing.shop.models import StripeEvent
from loremotion import queues
from loremotion.outbox import sending
from tests.fake_stripe.state import Object
from tests.fake_stripe.webhooks import signed
from tests.shop.shop_steps import ShopSteps, balance, pack_price

URL = "/stripe/webhook/"


def paid(shop_steps: ShopSteps) -> tuple[Object, UUID]:
    """The event of a paid pack, which nobody has carried yet, and the account."""
    account = uuid4()
    shop_steps.pay(shop_steps.order(account, pack_price()))
    completed = [one for one in shop_steps.collected() if one["type"] == "checkout.session.completed"]
    return completed[0], account


def test_an_event_is_stored_and_answered_at_once_and_worked_on_later(shop_steps: ShopSteps) -> None:
    event, account = paid(shop_steps)
    asked = len(shop_steps.stripe.requests())
    assert shop_steps.deliver(event) == 200
    assert len(shop_steps.stripe.requests()) == asked  # Stripe is not kept waiting for itself
    assert balance(account) == (0, 0, 0)
    shop_steps.work()
    assert balance(account) == (500, 0, 0)


def test_an_event_that_comes_twice_is_kept_once(shop_steps: ShopSteps) -> None:
    event, _ = paid(shop_steps)
    assert [shop_steps.deliver(event), shop_steps.deliver(event)] == [200, 200]
    assert StripeEvent.objects.count() == 1


def test_thin_notifications_are_as_good_as_snapshots(shop_steps: ShopSteps) -> None:
    event, account = paid(shop_steps)
    assert shop_steps.deliver(event, is_thin=True) == 200
    assert shop_steps.deliver(event) == 200
    stored = StripeEvent.objects.get()
    assert (stored.type, stored.object_id) == ("checkout.session.completed", event["data"]["object"]["id"])
    shop_steps.work()
    assert balance(account) == (500, 0, 0)


def test_what_an_event_says_is_not_believed(shop_steps: ShopSteps) -> None:
    """A payload that claims a payment: the object is fetched, and it is not paid."""
    account = uuid4()
    order = shop_steps.order(account, pack_price())
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "checkout.session.completed",
        "data": {"object": {"id": order.stripe_session_id, "payment_status": "paid", "status": "complete"}},
    }
    assert shop_steps.deliver(event) == 200
    shop_steps.work()
    assert balance(account) == (0, 0, 0)


@pytest.mark.parametrize("secret", ["whsec_of_somebody_else", ""])
def test_a_stranger_is_refused_and_nothing_is_kept(shop_steps: ShopSteps, secret: str) -> None:
    event, _ = paid(shop_steps)
    body, signature = signed(event, secret or "whsec_fake")
    headers = {"Stripe-Signature": signature} if secret else {}
    answer = Client().post(URL, body, content_type="application/json", headers=headers)
    assert answer.status_code == 400
    assert "STRIPE_WEBHOOK_SECRETS" in answer.json()["error"]
    assert not StripeEvent.objects.exists()


def test_a_body_changed_on_the_way_is_refused(shop_steps: ShopSteps) -> None:
    event, _ = paid(shop_steps)
    body, signature = signed(event, shop_steps.stripe.secret)
    answer = Client().post(URL, body + b" ", content_type="application/json", headers={"Stripe-Signature": signature})
    assert answer.status_code == 400


def test_an_old_delivery_cannot_be_played_again(shop_steps: ShopSteps) -> None:
    event, _ = paid(shop_steps)
    body, signature = signed(event, shop_steps.stripe.secret)
    with time_machine.travel(timezone.now() + timedelta(minutes=10), tick=False):
        answer = Client().post(URL, body, content_type="application/json", headers={"Stripe-Signature": signature})
    assert answer.status_code == 400


def test_while_the_secret_is_changed_both_are_good_and_afterwards_only_the_new_one(
    shop_steps: ShopSteps, settings: Settings
) -> None:
    event, _ = paid(shop_steps)
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", "whsec_old"]
    assert shop_steps.deliver(event, secret="whsec_old") == 200
    assert shop_steps.deliver(event, secret="whsec_new") == 200
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new"]
    assert shop_steps.deliver(event, secret="whsec_old") == 400


def test_without_a_secret_nobody_is_believed(shop_steps: ShopSteps, settings: Settings) -> None:
    event, _ = paid(shop_steps)
    settings.STRIPE_WEBHOOK_SECRETS = []
    assert shop_steps.deliver(event) == 400


@pytest.mark.parametrize("body", ["[]", "nonsense", '{"id": "evt_1"}', "null", '{"object": "v2.core.event"}'])
def test_signed_nonsense_is_refused_without_an_error_of_ours(shop_steps: ShopSteps, body: str) -> None:
    header = stripe.WebhookSignature.generate_signature_header(body, shop_steps.stripe.secret)
    answer = Client().post(URL, body, content_type="application/json", headers={"Stripe-Signature": header})
    assert answer.status_code == 400


def test_events_that_concern_nobody_are_answered_and_not_kept(shop_steps: ShopSteps) -> None:
    event = {"id": "evt_1", "object": "event", "type": "payout.paid", "data": {"object": {"id": "po_1"}}}
    assert shop_steps.deliver(event) == 200
    assert not StripeEvent.objects.exists()


def test_objects_of_another_shop_in_the_same_account_are_left_alone(shop_steps: ShopSteps) -> None:
    api = gateway.client().v1
    product = api.products.create({"name": "A mug"})
    price = api.prices.create({"product": product.id, "currency": "usd", "unit_amount": 900})
    session = api.checkout.sessions.create(
        {"mode": "payment", "success_url": "https://mug.test", "line_items": [{"price": price.id, "quantity": 1}]}
    )
    paid_session = shop_steps.stripe.pay(session.id)
    shop_steps.stripe.refund(paid_session["payment_intent"])
    shop_steps.carry_all()
    assert set(StripeEvent.objects.values_list("state", flat=True)) == {"done"}


# --- failing and trying again ------------------------------------------------------------------------------------


def test_a_failure_is_written_down_and_tried_again_ever_later(shop_steps: ShopSteps, settings: Settings) -> None:
    event, account = paid(shop_steps)
    shop_steps.deliver(event)
    address, settings.STRIPE_API_BASE = settings.STRIPE_API_BASE, "http://127.0.0.1:9"  # nobody listens
    pauses = []
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(3):
            assert not inbox.work_on(event["id"])
            stored = StripeEvent.objects.get()
            pauses.append(stored.due_at - timezone.now())
            assert "APIConnectionError" in stored.last_error
            assert not inbox.work_on(event["id"])  # not due: not even tried
            assert StripeEvent.objects.get().attempts == stored.attempts
            clock.move_to(stored.due_at)
        for seconds, pause in zip((5, 10, 20), pauses, strict=True):
            assert timedelta(seconds=seconds) * 0.75 <= pause <= timedelta(seconds=seconds) * 1.25
        settings.STRIPE_API_BASE = address
        assert inbox.work_on(event["id"])
    assert balance(account) == (500, 0, 0)
    assert StripeEvent.objects.get().last_error == ""


def test_what_fails_for_too_long_is_dead_until_staff_replays_it(shop_steps: ShopSteps, settings: Settings) -> None:
    event, account = paid(shop_steps)
    shop_steps.deliver(event)
    StripeEvent.objects.update(attempts=StripeEvent.MOST_ATTEMPTS - 1)
    address, settings.STRIPE_API_BASE = settings.STRIPE_API_BASE, "http://127.0.0.1:9"
    inbox.work_on(event["id"])
    assert StripeEvent.objects.get().state == StripeEvent.State.DEAD
    settings.STRIPE_API_BASE = address
    assert not inbox.work_on(event["id"])
    inbox.replay(StripeEvent.objects.get())
    assert inbox.work_on(event["id"])
    assert balance(account) == (500, 0, 0)


def test_an_event_that_takes_its_worker_down_with_it_dies_in_the_end(
    shop_steps: ShopSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, account = paid(shop_steps)
    shop_steps.deliver(event)

    def die(kind: str, object_id: str) -> None:
        raise KeyboardInterrupt  # as much as is left of a killed process: nothing is written down

    with time_machine.travel(timezone.now(), tick=False) as clock, monkeypatch.context() as patch:
        patch.setattr(inbox, "follow", die)
        for _ in range(StripeEvent.MOST_ATTEMPTS):
            with pytest.raises(KeyboardInterrupt):
                inbox.work_on(event["id"])
            clock.shift(sending.LEASE)
        assert not inbox.work_on(event["id"])
    stored = StripeEvent.objects.get()
    assert (stored.state, "died over it" in stored.last_error) == (StripeEvent.State.DEAD, True)
    inbox.replay(stored)
    assert inbox.work_on(event["id"])
    assert balance(account) == (500, 0, 0)


def test_two_workers_do_not_work_on_one_event(shop_steps: ShopSteps) -> None:
    event, _ = paid(shop_steps)
    shop_steps.deliver(event)
    claimed = StripeEvent.objects.filter(state="new").update(due_at=timezone.now() + sending.LEASE)
    assert claimed == 1
    assert not inbox.work_on(event["id"])


def test_a_stored_event_is_enqueued_and_by_the_beat_again_where_it_was_forgotten(
    shop_steps: ShopSteps, valkey: object, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    event, _ = paid(shop_steps)
    queue = queues.queue(inbox.QUEUE)
    with django_capture_on_commit_callbacks(execute=True):
        shop_steps.deliver(event)
    [job] = queue.jobs
    assert (job.func_name, job.args) == ("billing.shop.jobs.work_on_event", [event["id"]])
    queue.empty()  # Valkey forgot
    StripeEvent.objects.update(due_at=timezone.now() - timedelta(seconds=3))
    with django_capture_on_commit_callbacks(execute=True):
        assert sending.enqueue_due(StripeEvent) == 1
    assert len(queue.jobs) == 1
