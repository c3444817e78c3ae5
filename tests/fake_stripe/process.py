"""The imitation as a process of its own, and the controls that a test holds in its hands."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fake_stripe.state import Object

CARD = "4242424242424242"
SECRET = "whsec_fake"


class FakeStripeProcess:
    """Started on entering, ended on leaving.

    Args:
        webhook_url: where events go. Without it they are kept, and the test carries them itself.
    """

    def __init__(self, *, webhook_url: str = "", secret: str = SECRET, state: Path | None = None) -> None:
        self.secret = secret
        self._command = [sys.executable, "-m", "tests.fake_stripe", "--secret", secret, "--webhook-url", webhook_url]
        self._command += ["--state", str(state)] if state else []
        self.url = ""

    def __enter__(self) -> Self:
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, cwd=root, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().rsplit(" ", 1)[-1].strip()
        assert self.url.startswith("http"), "the imitation of Stripe did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def control(self, name: str, **asked: Any) -> Any:
        """What only whoever is behind the counter can do; see ``server.FakeStripe.control``."""
        request = urllib.request.Request(f"{self.url}/_control/{name}", json.dumps(asked).encode())  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return json.loads(answer.read())

    # --- the words that tests use --------------------------------------------------------------------------------

    def pay(self, session_id: str, *, card: str = CARD, is_slow: bool = False) -> Object:
        session: Object = self.control("pay", session_id=session_id, card=card, email="buyer@x.test", is_slow=is_slow)
        return session

    def refund(self, payment_intent: str, amount: int | None = None) -> Object:
        asked = {"payment_intent": payment_intent} | ({"amount": amount} if amount is not None else {})
        refund: Object = self.control("refund", **asked)
        return refund

    def dispute(self, payment_intent: str, amount: int | None = None) -> Object:
        charge = next(one for one in self.objects("charge") if one["payment_intent"] == payment_intent)
        dispute: Object = self.control("dispute", charge_id=charge["id"], amount=amount)
        return dispute

    def close_dispute(self, dispute_id: str, status: str) -> Object:
        dispute: Object = self.control("close-dispute", dispute_id=dispute_id, status=status)
        return dispute

    def advance(self, *, days: float = 0, seconds: float = 0) -> None:
        self.control("advance", seconds=int(days * 86_400 + seconds))

    def events(self, after: int = 0) -> list[Object]:
        """What has happened since the ``after``-th event, oldest first."""
        events: list[Object] = self.control("events", after=after)
        return events

    def objects(self, kind: str) -> list[Object]:
        """All objects of a kind, newest first."""
        objects: list[Object] = self.control("objects", kind=kind)
        return objects

    def requests(self) -> list[str]:
        """Every request of the API so far: ``POST checkout/sessions``."""
        requests: list[str] = self.control("requests")
        return requests

    def fail(self, request: str, *, when: str) -> None:
        """The next request that begins so fails: ``before`` anything is done, or ``after``, its answer being lost."""
        self.control("fail", request=request, when=when)

    def decline(self, times: int = 1) -> None:
        self.control("decline", times=times)
