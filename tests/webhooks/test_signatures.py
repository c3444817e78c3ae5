"""Deliveries are signed with the endpoint's secret, which is rotated, and which the database alone does not hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from accounts.models import Workspace
from generation.webhooks import endpoints
from generation.webhooks.models import Endpoint
from tests.webhooks.receiver import Receiver
from tests.webhooks.steps import finished, only_delivery, work

pytestmark = pytest.mark.django_db


def test_the_signature_is_the_secrets_and_nobody_elses(
    studio: Workspace, endpoint: Endpoint, secret: str, receiver: Receiver
) -> None:
    finished(studio)
    work()
    assert receiver.heard[0].is_signed_with(secret)
    receiver.heard[0].body += b" "
    with pytest.raises(WebhookVerificationError):
        receiver.heard[0].is_signed_with(secret)


def test_for_a_day_after_rotation_both_secrets_sign(
    studio: Workspace, endpoint: Endpoint, secret: str, receiver: Receiver
) -> None:
    new = endpoints.rotate(endpoint, actor="test")
    finished(studio)
    work()
    assert receiver.heard[0].is_signed_with(secret)
    assert receiver.heard[0].is_signed_with(new)
    with time_machine.travel(timezone.now() + endpoints.ROTATION_OVERLAP, tick=False):
        finished(studio)
        work()
        assert receiver.heard[1].is_signed_with(new)
        with pytest.raises(WebhookVerificationError):
            receiver.heard[1].is_signed_with(secret)


def test_a_leaked_secret_signs_nothing_more(
    studio: Workspace, endpoint: Endpoint, secret: str, receiver: Receiver
) -> None:
    endpoints.rotate(endpoint, actor="test", keeps_old=False)
    finished(studio)
    work()
    with pytest.raises(WebhookVerificationError):
        receiver.heard[0].is_signed_with(secret)


def test_the_database_alone_holds_no_secret(endpoint: Endpoint, secret: str) -> None:
    stored = json.dumps(list(Endpoint.objects.values()), default=str)
    assert secret not in stored
    assert secret.removeprefix("whsec_") not in stored


def test_under_another_secret_key_the_delivery_says_to_rotate(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver, settings: Any
) -> None:
    settings.SECRET_KEY = "another key, which is also long enough to be one"
    finished(studio)
    assert work() == 0
    assert "Rotate" in only_delivery().last_error
    new = endpoints.rotate(endpoint, actor="test")
    endpoints.redeliver(only_delivery())
    assert work() == 1
    assert receiver.heard[0].is_signed_with(new)
