"""Whoever is slow keeps nobody from the site: more of them than there are connections, and the others are served.

Without that, the connections of the pool are all lent out, and the next request is refused after ten seconds.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from loremotion.local import preparation
from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor
from tests.patience import PATIENCE_SECONDS
from tests.prepared_site import NewSite

POOL = 2
MANY = POOL + 2
CLIP_BYTES = 48 * 2**20
"""More than the buffers of all sockets on the way."""


class SilentServer:
    """Takes connections and what is sent, and says nothing until it is closed. ``arrived`` counts what came."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lines: list[socket.socket] = []
        self._came = threading.Semaphore(0)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._lines.append(self._listener.accept()[0])
                self._came.release()

    def wait_for(self, callers: int) -> None:
        """Until so many have connected."""
        for _ in range(callers):
            assert self._came.acquire(timeout=PATIENCE_SECONDS)

    def hang_up(self) -> None:
        for line in self._lines:
            line.close()
        self._lines.clear()

    def close(self) -> None:
        self._listener.close()
        self.hang_up()


@pytest.fixture(scope="module")
def silent() -> Iterator[SilentServer]:
    server = SilentServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(silent: SilentServer, new_site: NewSite) -> Iterator[Stack]:
    """A site with few connections, whose payment provider and challenge service never answer."""
    settings = {
        "DATABASE_POOL_SIZE": str(POOL),
        "STRIPE_SECRET_KEY": "sk_test_slow",
        "STRIPE_API_BASE": f"http://{silent.address}",
        "TURNSTILE_SITE_KEY": "site",
        "TURNSTILE_SECRET_KEY": "secret",
        "TURNSTILE_API_BASE": f"http://{silent.address}",
        "OIDC_NAME": "Silent",
        "OIDC_SERVER_URL": f"http://{silent.address}",
        "OIDC_CLIENT_ID": "site",
        "OIDC_CLIENT_SECRET": "secret",
        "WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8",
        "VISITORS_PER_NETWORK_PER_DAY": "4",  # the third and those after bring a proof
    }
    with Stack(new_site("slow"), is_prepared=True, processes=("web",), settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def visitor(site: Stack) -> Iterator[Visitor]:
    """Somebody with a finished clip, their first, and the second newcomer of their network."""
    with Visitor(site.url) as known, Visitor(site.url) as second:
        video_id = known.create("a red circle")["id"]
        second.create("a red circle")
        finish(site, video_id)
        yield known


def finish(site: Stack, video_id: str) -> None:
    """Make the clip by hand, as large as those of real models are."""
    key = f"clips/{video_id}/clip.mp4"
    path = Path(site.environment["MEDIA_DIR"], key)
    path.parent.mkdir(parents=True)
    with path.open("wb") as clip:
        clip.truncate(CLIP_BYTES)
    with psycopg.connect(site.stores.database_url) as database:
        database.execute(
            "INSERT INTO generation_clip (generation_id, width, height, num_frames, fps,"
            " duration_seconds, size_bytes, sha256, has_audio, created_at, expires_at)"
            " VALUES (%s, 1, 1, 1, 1, 1, %s, '', false, now(), now() + interval '1 day')",
            [video_id, CLIP_BYTES],
        )
        database.execute(
            "UPDATE generation_generation SET state = 'succeeded', finished_at = now() WHERE id = %s", [video_id]
        )


def in_pieces(request: httpx.Request) -> httpx.Request:
    """The same request as programs send it that do not know beforehand how much it will be."""
    body = request.read()
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    return httpx.Request(request.method, request.url, headers=headers, content=iter([body[:9], body[9:], b""]))


def test_who_sends_piece_by_piece_without_a_length_is_served(site: Stack, visitor: Visitor) -> None:
    browser = visitor.client
    ask = {"prompt": "a red circle", "model": "preview"}
    token = {"X-CSRFToken": browser.cookies["csrftoken"]}
    form = {**form_of(browser), **ask}
    wrong = {**form_of(browser), "login": "nobody@example.org", "password": "x"}
    as_multipart: dict[str, Any] = {name: (None, value) for name, value in form.items()}
    sent = [
        browser.build_request("POST", "/v1/videos", json=ask, headers=token),
        browser.build_request("POST", "/generations/", files=as_multipart),
        browser.build_request("POST", "/account/login/", data=wrong),
    ]
    made, led_on, told = (browser.send(in_pieces(request)) for request in sent)
    assert (made.status_code, made.json()["prompt"]) == (200, "a red circle"), made.text
    assert (led_on.status_code, led_on.headers["Location"][:13]) == (302, "/generations/")
    assert told.status_code == 200
    assert "nobody@example.org" in told.text
    too_much = browser.build_request("POST", "/v1/videos", content=b"x" * (1024**2 + 1), headers=token)
    refused = browser.send(in_pieces(too_much))
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


def form_of(browser: httpx.Client) -> dict[str, str]:
    if "csrftoken" not in browser.cookies:
        browser.get("/")
    return {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}


def price_of_a_pack(site: Stack) -> str:
    with psycopg.connect(site.stores.database_url) as database:
        found: Any = database.execute("SELECT id FROM shop_price WHERE pack_id IS NOT NULL LIMIT 1").fetchone()
    return str(found[0])


def buy(site: Stack, visitor: Visitor) -> None:
    form = {**form_of(visitor.client), "price": price_of_a_pack(site), "order": str(uuid4())}
    visitor.client.post("/billing/buy/", data=form, timeout=PATIENCE_SECONDS)


def sign_in_elsewhere(site: Stack, visitor: Visitor) -> None:
    """By a provider, whose answers the site waits for."""
    with httpx.Client(base_url=site.url, timeout=PATIENCE_SECONDS) as stranger:
        stranger.post("/account/oidc/sso/login/", data=form_of(stranger))


def come_anew(site: Stack, visitor: Visitor) -> None:
    with httpx.Client(base_url=site.url, timeout=PATIENCE_SECONDS) as stranger:
        form = {**form_of(stranger), "prompt": "a fox", "cf-turnstile-response": "good"}
        stranger.post("/generations/", data=form)


def is_served(site: Stack) -> None:
    """Pages, the API and the check of the balancer answer everybody else."""
    with httpx.Client(base_url=site.url, timeout=PATIENCE_SECONDS) as other:
        for address in ("/", "/livez", "/readyz", "/v1/models", "/pricing/"):
            answer = other.get(address)
            assert answer.status_code == 200, (address, answer.status_code)


@pytest.mark.parametrize("slow", [buy, come_anew, sign_in_elsewhere])
def test_who_waits_for_somebody_silent_holds_no_connection(
    site: Stack, visitor: Visitor, silent: SilentServer, slow: Callable[[Stack, Visitor], None]
) -> None:
    form_of(visitor.client)
    with many(lambda: slow(site, visitor), silent):
        is_served(site)


@contextlib.contextmanager
def many(slow: Callable[[], object], silent: SilentServer) -> Iterator[None]:
    """So many of them as are more than there are connections wait for the silent server until the end of the block."""
    waiting = [threading.Thread(target=slow) for _ in range(MANY)]
    for one in waiting:
        one.start()
    try:
        silent.wait_for(MANY)
        yield
    finally:
        silent.hang_up()
        for one in waiting:
            one.join(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def staff(site: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, timeout=PATIENCE_SECONDS) as browser:
        login = {"login": preparation.STAFF_EMAIL, "password": preparation.staff_password(site.folder)}
        assert browser.post("/account/login/", data={**form_of(browser), **login}).status_code == 302
        yield browser


def test_who_waits_for_a_webhooks_receiver_holds_no_connection(
    site: Stack, visitor: Visitor, staff: httpx.Client, silent: SilentServer
) -> None:
    token = {"X-CSRFToken": staff.cookies["csrftoken"]}
    wanted = {"name": "silent", "url": f"http://{silent.address}/", "event_types": ["video.completed"]}
    made = staff.post("/v1/webhook_endpoints", json=wanted, headers=token)
    assert made.status_code == 200, made.text
    test = f"/v1/webhook_endpoints/{made.json()['id']}/test"
    with many(lambda: staff.post(test, json={}, headers=token), silent):
        is_served(site)


@pytest.fixture(scope="module")
def payment_ids(site: Stack) -> list[int]:
    """Money that once came, and could go back."""
    with psycopg.connect(site.stores.database_url) as database:
        made = database.execute(
            "INSERT INTO shop_payment (source, workspace, purse, price_id, stripe_payment_intent_id, stripe_invoice_id,"
            " amount_minor, currency, credits, rollover_credits, refunded_minor, disputed_minor, dispute_status,"
            " clawed_credits, receipt_url, invoice_url, paid_at)"
            " SELECT 'order:slow' || n, gen_random_uuid(), gen_random_uuid(), %s, 'pi_slow' || n, '', 500, 'usd', 500,"
            " 0, 0, 0, '', 0, '', '', now() FROM generate_series(1, %s) n RETURNING id",
            [price_of_a_pack(site), MANY],
        ).fetchall()
    return [int(row[0]) for row in made]


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_staff_who_refunds_while_stripe_is_silent_keeps_nobody_waiting_and_is_told(
    site: Stack, staff: httpx.Client, silent: SilentServer, payment_ids: list[int], is_confirmed: bool
) -> None:
    form = {**form_of(staff), "amount": "2.50"}
    if is_confirmed:
        form |= {"confirm": "Refund", "attempt": str(uuid4()), "after_refunds": "0", "reason": "Asked for it"}
    left, said = iter(payment_ids), list[httpx.Response]()
    with many(lambda: said.append(staff.post(f"/admin/shop/payment/{next(left)}/refund/", data=form)), silent):
        is_served(site)
    assert [answer.status_code for answer in said] == [200] * MANY
    assert all("responding right now" in answer.text for answer in said)


@pytest.mark.parametrize("address", ["/generations/", "/v1/videos", "/account/login/", "/admin/login/"])
def test_who_sends_slowly_holds_no_connection(site: Stack, address: str) -> None:
    head = f"POST {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n"
    kind = "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    with contextlib.ExitStack() as senders:
        for _ in range(MANY):
            sender = senders.enter_context(socket.create_connection(("127.0.0.1", site.port), PATIENCE_SECONDS))
            sender.sendall(f"{head}{kind}".encode())
            assert sender.recv(12) == b"HTTP/1.1 100"
            sender.sendall(b"--x\r\n")
        is_served(site)


@pytest.mark.parametrize("address", ["/generations/{id}/clip.mp4", "/v1/videos/{id}/content", "/data/export.zip"])
def test_who_does_not_read_holds_no_connection(site: Stack, visitor: Visitor, address: str) -> None:
    finished_id = visitor.client.get("/v1/videos").json()["data"][-1]["id"]
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())
    asked = f"GET {address.format(id=finished_id)} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n\r\n"
    with contextlib.ExitStack() as readers:
        for _ in range(MANY):
            reader = readers.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(PATIENCE_SECONDS)
            reader.connect(("127.0.0.1", site.port))
            reader.sendall(asked.encode())
            assert reader.recv(12) == b"HTTP/1.1 200"
        is_served(site)
