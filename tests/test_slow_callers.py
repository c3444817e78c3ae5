"""Whoever is slow keeps nobody from the site: more of them than there are connections, and the others are served.

Without that, the connections of the pool are all lent out, and the next request is refused after ten seconds. Those who
are waited for here are silent until a test has looked (``tests.patient_site``), so what holds a connection is seen
however long anything takes.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from loremotion.local import preparation
from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor
from tests.patience import PATIENCE_SECONDS, wait_until
from tests.patient_site import servers
from tests.patient_site.callers import MANY, POOL, SLOW, Slow, Visitors, form_of, price_of_a_pack, token_of
from tests.patient_site.silent_server import SilentServer
from tests.prepared_site import NewSite

CLIP_BYTES = 48 * 2**20
"""More than the buffers of all sockets on the way."""


@pytest.fixture(scope="module")
def silent() -> Iterator[Mapping[str, SilentServer]]:
    """Whom the site waits for, by what it waits for."""
    by_name = {name: SilentServer() for name in servers.NAMES}
    yield by_name
    for server in by_name.values():
        server.close()


@pytest.fixture(scope="module")
def site(silent: Mapping[str, SilentServer], new_site: NewSite) -> Iterator[Stack]:
    """A patient site with few connections."""
    providers = silent[servers.PROVIDERS].address
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.patient_site.settings",
        servers.VARIABLE: json.dumps({name: server.address for name, server in silent.items()}),
        "DATABASE_POOL_SIZE": str(POOL),
        "STRIPE_SECRET_KEY": "sk_test_slow",
        "STRIPE_API_BASE": f"http://{providers}",
        "TURNSTILE_SITE_KEY": "site",
        "TURNSTILE_SECRET_KEY": "secret",
        "TURNSTILE_API_BASE": f"http://{providers}",
        "OIDC_NAME": "Silent",
        "OIDC_SERVER_URL": f"http://{providers}",
        "OIDC_CLIENT_ID": "site",
        "OIDC_CLIENT_SECRET": "secret",
        "WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8",
        "TRUSTED_PROXIES": "1",  # so that a caller may come from another network
        "VISITORS_PER_NETWORK_PER_DAY": "4",  # the third and those after bring a proof
    }
    with Stack(new_site("slow"), is_prepared=True, processes=("web",), settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def visitors(site: Stack) -> Iterator[Visitors]:
    with Visitor(site.url) as first, Visitor(site.url) as second:
        for each in (first, second):
            each.client.timeout = PATIENCE_SECONDS
        finished_id = first.create("a red circle")["id"]
        finish(site, finished_id)
        yield Visitors(site, first, finished_id, second, second.create("a red circle")["id"])


def finish(site: Stack, video_id: str) -> None:
    """Make the clip by hand."""
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


def test_who_sends_piece_by_piece_without_a_length_is_served(visitors: Visitors) -> None:
    browser = visitors.first.client
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


def is_served(site: Stack) -> None:
    """Pages, the API and the check of the balancer answer everybody else."""
    with httpx.Client(base_url=site.url, timeout=PATIENCE_SECONDS) as other:
        for address in ("/", "/livez", "/readyz", "/v1/models", "/pricing/"):
            answer = other.get(address)
            assert answer.status_code == 200, (address, answer.status_code)


@pytest.mark.parametrize("slow", SLOW, ids=lambda slow: f"{slow.act.__name__}-{slow.at}")
def test_who_waits_for_somebody_silent_holds_no_connection(
    visitors: Visitors, silent: Mapping[str, SilentServer], slow: Slow
) -> None:
    for each in (visitors.first, visitors.second):
        form_of(each.client)
    with many(lambda number: slow.act(visitors, number), silent[slow.at], slow.callers, slow.arrivals):
        is_served(visitors.site)


def test_together_they_could_hold_every_connection() -> None:
    assert min(slow.arrivals for slow in SLOW) >= POOL


@contextlib.contextmanager
def many(
    act: Callable[[int], httpx.Response], at: SilentServer, callers: int = MANY, arrivals: int = MANY
) -> Iterator[list[Future[httpx.Response]]]:
    """So many wait, at the silent server or in line, from the beginning of the block to its end."""
    with ThreadPoolExecutor(callers) as threads, at.silent():
        asked = [threads.submit(act, number) for number in range(callers)]
        wait_until(lambda: at.waiting >= arrivals or answers_to(asked), what=lambda: f"{at.waiting} wait")
        assert answers_to(asked) == []
        yield asked
        assert answers_to(asked) == []


def answers_to(asked: list[Future[httpx.Response]]) -> list[object]:
    return [each.exception() or each.result() for each in asked if each.done()]


@pytest.fixture(scope="module")
def staff(site: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, timeout=PATIENCE_SECONDS) as browser:
        login = {"login": preparation.STAFF_EMAIL, "password": preparation.staff_password(site.folder)}
        assert browser.post("/account/login/", data={**form_of(browser), **login}).status_code == 302
        yield browser


def test_who_waits_for_a_webhooks_receiver_holds_no_connection(
    site: Stack, staff: httpx.Client, silent: Mapping[str, SilentServer]
) -> None:
    token, receiver = token_of(staff), silent[servers.PROVIDERS]
    wanted = {"name": "silent", "url": f"http://{receiver.address}/", "event_types": ["video.completed"]}
    made = staff.post("/v1/webhook_endpoints", json=wanted, headers=token)
    assert made.status_code == 200, made.text
    test = f"/v1/webhook_endpoints/{made.json()['id']}/test"
    with many(lambda _: staff.post(test, json={}, headers=token), receiver):
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
    site: Stack, staff: httpx.Client, silent: Mapping[str, SilentServer], payment_ids: list[int], is_confirmed: bool
) -> None:
    form = {**form_of(staff), "amount": "2.50"}
    if is_confirmed:
        form |= {"confirm": "Refund", "attempt": str(uuid4()), "after_refunds": "0", "reason": "Asked for it"}

    def refund(number: int) -> httpx.Response:
        return staff.post(f"/admin/shop/payment/{payment_ids[number]}/refund/", data=form)

    with many(refund, silent[servers.PROVIDERS]) as asked:
        is_served(site)
    said = [each.result() for each in asked]
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
def test_who_does_not_read_holds_no_connection(visitors: Visitors, address: str) -> None:
    site, browser = visitors.site, visitors.first.client
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    path = address.format(id=visitors.finished_id)
    asked = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n\r\n"
    with contextlib.ExitStack() as readers:
        for _ in range(MANY):
            reader = readers.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(PATIENCE_SECONDS)
            reader.connect(("127.0.0.1", site.port))
            reader.sendall(asked.encode())
            assert reader.recv(12) == b"HTTP/1.1 200"
        is_served(site)


@pytest.mark.parametrize(("address", "prefer"), [("/v1/videos/{id}", "wait=999"), ("/v1/videos/{id}/events", "")])
def test_who_waits_for_a_clip_holds_no_connection(visitors: Visitors, address: str, prefer: str) -> None:
    browser, path = visitors.second.client, address.format(id=visitors.open_id)
    with contextlib.ExitStack() as watchers:
        watched = []
        for _ in range(MANY):
            answer = watchers.enter_context(browser.stream("GET", path, headers={"Prefer": prefer}))
            watched.append(answer.iter_raw())
            assert next(watched[-1]), answer.status_code
        is_served(visitors.site)
