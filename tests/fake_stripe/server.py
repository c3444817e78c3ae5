"""The HTTP side: Stripe's API below ``/v1/``, pages for a browser, and ``/_control/`` for whoever runs the test."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fake_stripe import pages
from tests.fake_stripe.errors import StripeRefused
from tests.fake_stripe.routes import Routes
from tests.fake_stripe.shapes import parse_form
from tests.fake_stripe.state import DAY_SECONDS, State
from tests.fake_stripe.webhooks import Webhooks

KEYS_LAST_SECONDS = DAY_SECONDS
"""Stripe keeps idempotency keys for a day at least. Here not a second longer."""


class LostAnswer(Exception):
    """What was asked was done, and the connection breaks before anybody hears so."""


class FakeStripe:
    """All of it, behind one lock: requests happen one after the other."""

    def __init__(self, url: str, *, webhook_url: str, secret: str, path: Path | None = None) -> None:
        self.url = url
        self.webhooks = Webhooks(webhook_url, secret)
        self.lock = threading.RLock()
        self.open_account(path)

    def open_account(self, path: Path | None = None) -> None:
        """Begin with what ``path`` remembers, or with nothing."""
        self.state = State(path)
        self.state.objects["site"] = {"id": "site", "object": "site", "url": self.url}
        self.routes = Routes(self.state)
        self.requests: list[str] = []
        self._failures: list[dict[str, Any]] = []
        self._sent = len(self.state.events)

    def api(self, method: str, path: str, body: str, key: str | None) -> tuple[int, dict[str, Any]]:
        """Answer one request of the API: status and body."""
        self.requests.append(f"{method} {path}")
        self.state.advance(0)  # what was due meanwhile has happened
        failure = self._failure_for(f"{method} {path}")
        if failure == "before":
            raise StripeRefused("An unknown error occurred.", status=500, kind="api_error")
        answer = self._answered(method, path, body, key)
        if failure == "after":
            raise LostAnswer
        return answer

    def _answered(self, method: str, path: str, body: str, key: str | None) -> tuple[int, dict[str, Any]]:
        if method == "GET":
            return 200, self.routes.get(path, parse_form(body))
        act: Callable[[], dict[str, Any]] = lambda: (  # noqa: E731 - one of two, and nothing else needs its name
            self.routes.delete(path, parse_form(body))
            if method == "DELETE"
            else self.routes.post(path, parse_form(body))
        )
        if key is None:
            return 200, act()
        known = self.state.answers.get(key)
        print_of = hashlib.sha256(f"{method} {path} {body}".encode()).hexdigest()
        if known is None or known["at"] + KEYS_LAST_SECONDS <= self.state.now():
            status, answer = self._tried(act)
            self.state.answers[key] = {"at": self.state.now(), "print": print_of, "status": status, "answer": answer}
            return status, answer
        if known["print"] != print_of:
            raise StripeRefused(
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
                kind="idempotency_error",
            )
        return known["status"], dict(known["answer"])

    def _tried(self, act: Callable[[], dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        """The answer that belongs to a key: also a refusal, unless nothing was even tried."""
        try:
            return 200, act()
        except StripeRefused as refusal:
            if not refusal.was_tried:
                raise
            return refusal.status, refusal.body

    def _failure_for(self, request: str) -> str | None:
        """How this request was asked to fail, once."""
        for failure in self._failures:
            if request.startswith(failure["request"]):
                self._failures.remove(failure)
                return str(failure["when"])
        return None

    # --- whoever runs the test ---------------------------------------------------------------------------------

    def control(self, name: str, asked: dict[str, Any]) -> Any:
        """What only the person behind the counter can do."""
        routes, state = self.routes, self.state
        acts: dict[str, Callable[[], Any]] = {
            "pay": lambda: routes.checkout.pay(**asked),
            "settle-slow": lambda: routes.checkout.settle_slow(**asked),
            "charge": lambda: routes.payments.charge(routes.payments.begin(metadata={}, **asked)),
            "refund": lambda: routes.payments.refund(asked),
            "fail-refund": lambda: routes.payments.fail_refund(**asked),
            "dispute": lambda: routes.payments.dispute(**asked),
            "close-dispute": lambda: routes.payments.close_dispute(**asked),
            "use-card": lambda: routes.customers.replace_card(asked["customer"], asked["card"]),
            "unpay": lambda: state.get(asked["invoice_id"], "invoice").update(status="open"),
            "collect": lambda: routes.subscriptions.collect(asked["invoice_id"]),
            "upgrade": lambda: routes.subscriptions.upgrade(asked["subscription"], asked["price"]),
            "heal": self._failures.clear,
            "rewrite": lambda: state.get(asked["object_id"], asked["kind"]).update(asked["fields"]),
            "get": lambda: state.get(asked["object_id"], asked["kind"]),
            "advance": lambda: state.advance(asked["seconds"]),
            "decline": lambda: setattr(state, "declines_left", asked["times"]),
            "fail": lambda: self._failures.append(asked),
            "chaos": lambda: self.webhooks.disturb(asked),
            "deliveries": lambda: self.webhooks.attempts,
            "events": lambda: state.events[asked.get("after", 0) :],
            "objects": lambda: list(state.of_kind(asked["kind"])),
            "requests": lambda: self.requests,
            "now": state.now,
            "reset": self.open_account,
            "remember": state.remember,
            "go-back": state.go_back,
        }
        return acts[name]()

    def after_request(self) -> None:
        """Send what happened, and keep it."""
        for event in self.state.events[self._sent :]:
            self.webhooks.send(event)
        if self._sent != len(self.state.events):
            self._sent = len(self.state.events)
            self.state.keep()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    stripe: FakeStripe

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the site's own log says what it asks for."""

    def _serve(self, method: str) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with self.stripe.lock:
            try:
                if address.path.startswith("/v1/"):
                    self._check_key()
                    asked = body if method == "POST" else address.query
                    status, answer = self.stripe.api(
                        method, address.path[4:], asked, self.headers.get("Idempotency-Key")
                    )
                    self._answer(status, json.dumps(answer), "application/json")
                elif address.path.startswith("/_control/"):
                    result = self.stripe.control(address.path[10:], json.loads(body or "{}"))
                    self._answer(200, json.dumps(result), "application/json")
                else:
                    self._page(method, address.path, dict(parse_qsl(body)))
            except StripeRefused as refusal:
                self._answer(refusal.status, json.dumps(refusal.body), "application/json")
            except LostAnswer:
                self.close_connection = True
            finally:
                self.stripe.after_request()

    def _check_key(self) -> None:
        if not self.headers.get("Authorization", "").startswith(("Bearer sk_", "Bearer rk_")):
            raise StripeRefused("Invalid API Key provided.", status=401, kind="invalid_request_error")

    def _page(self, method: str, path: str, form: dict[str, str]) -> None:
        page = pages.post(self.stripe.routes, path, form) if method == "POST" else pages.get(self.stripe.routes, path)
        if page.location:
            self.send_response(303)
            self.send_header("Location", page.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._answer(page.status, page.html, "text/html; charset=utf-8")

    def _answer(self, status: int, text: str, content_type: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Request-Id", f"req_{len(self.stripe.requests)}")
        self.end_headers()
        self.wfile.write(body)


def serve(port: int, *, webhook_url: str, secret: str, path: Path | None) -> None:
    """Serve on 127.0.0.1 until the process ends; prints the address once it listens."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    url = f"http://127.0.0.1:{server.server_address[1]}"
    Handler.stripe = FakeStripe(url, webhook_url=webhook_url, secret=secret, path=path)
    print(f"Stripe, an imitation for tests, is at {url}", flush=True)  # noqa: T201 - whoever started it waits for this
    server.serve_forever()
