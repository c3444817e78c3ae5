"""Events on their way to the site: signed, retried, and disturbed as far as was asked for."""

from __future__ import annotations

import json
import queue
import random
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from stripe import WebhookSignature

from tests.fake_stripe.state import Object

RETRY_SECONDS = (1, 2, 4, 8, 16)
THIN_PATHS = {
    "checkout.session": "checkout/sessions",
    "subscription_schedule": "subscription_schedules",
    "payment_intent": "payment_intents",
}


def signed(event: Object, secret: str, *, is_thin: bool = False) -> tuple[bytes, str]:
    """The body of a delivery, and its ``Stripe-Signature``."""
    body = json.dumps(thin(event) if is_thin else event, indent=2)
    return body.encode(), WebhookSignature.generate_signature_header(body, secret)


def thin(event: Object) -> Object:
    """The same event as a notification, which only says where to look."""
    subject = event["data"]["object"]
    path = THIN_PATHS.get(subject["object"], f"{subject['object']}s")
    return {
        "id": event["id"],
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "livemode": event["livemode"],
        "created": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(event["created"])),
        "context": None,
        "reason": None,
        "related_object": {"id": subject["id"], "type": subject["object"], "url": f"/v1/{path}/{subject['id']}"},
    }


@dataclass
class Chaos:
    """What goes wrong on the way. Shares are of deliveries, between 0 and 1."""

    duplicate_share: float = 0.0
    drop_share: float = 0.0
    delay_seconds: float = 0.0
    is_shuffled: bool = False
    is_thin: bool = False
    seed: int = 0


class Webhooks:
    """Delivers every event to ``url`` in a thread of its own, and again while it is not answered with 2xx."""

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self.secret = secret
        self.chaos = Chaos()
        self._chance = random.Random(0)
        self._waiting: queue.PriorityQueue[tuple[float, int, int, Object]] = queue.PriorityQueue()
        self.attempts = 0
        self._count = 0
        if url:
            threading.Thread(target=self._run, daemon=True).start()

    def disturb(self, asked: dict[str, Any]) -> None:
        self.chaos = Chaos(**asked)
        self._chance = random.Random(self.chaos.seed)

    def send(self, event: Object) -> None:
        chance, chaos = self._chance.random, self.chaos
        if not self.url or chance() < chaos.drop_share:
            return
        for _ in range(2 if chance() < chaos.duplicate_share else 1):
            pause = chaos.delay_seconds + (chance() if chaos.is_shuffled else 0.0)
            self._enqueue(event, pause, attempt=0)

    def _enqueue(self, event: Object, pause_seconds: float, attempt: int) -> None:
        self._count += 1
        self._waiting.put((time.monotonic() + pause_seconds, self._count, attempt, event))

    def _run(self) -> None:
        while True:
            due, number, attempt, event = self._waiting.get()
            if (left := due - time.monotonic()) > 0:
                self._waiting.put((due, number, attempt, event))
                time.sleep(min(left, 0.02))
            elif not self._is_taken(event) and attempt < len(RETRY_SECONDS):
                self._enqueue(event, RETRY_SECONDS[attempt], attempt + 1)

    def _is_taken(self, event: Object) -> bool:
        self.attempts += 1
        body, signature = signed(event, self.secret, is_thin=self.chaos.is_thin)
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
        request = urllib.request.Request(self.url, body, headers)  # noqa: S310 - the address is given at the start
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return 200 <= int(answer.status) < 300
        except (urllib.error.URLError, OSError):
            return False
