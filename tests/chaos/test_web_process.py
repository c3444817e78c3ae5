"""The web process is killed while people are in the middle of something, and serves for long without growing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor
from tests.patience import PATIENCE_SECONDS
from tests.prepared_site import NewSite

REQUESTS = 2_000
MOST_GROWTH_BYTES = 32 * 2**20
ADDRESSES = ("/", "/pricing/", "/v1/models", "/account/login/", "/robots.txt")


@pytest.fixture(scope="module")
def site(new_site: NewSite) -> Iterator[Stack]:
    with Stack(new_site("web"), is_prepared=True, processes=("web", "reports", "beat", "gpu")) as running:
        running.wait_for_worker()
        yield running


@pytest.fixture
def visitor(site: Stack) -> Iterator[Visitor]:
    with Visitor(site.url) as newcomer:
        yield newcomer


def start_anew(site: Stack) -> None:
    site.kill("web")
    site.launch("web")
    site.wait_for_site()


def test_who_watches_when_it_is_killed_hears_the_end_from_the_next(site: Stack, visitor: Visitor) -> None:
    video_id = visitor.create("a red circle moving right", steps=50)["id"]
    heard = []
    for event, _ in visitor.events(video_id):
        if event == "step":
            heard.append(event)
            break
    start_anew(site)
    heard += [event for event, _ in visitor.events(video_id)]
    assert heard[-1] == "done"
    assert visitor.video(video_id)["status"] == "completed"


def test_killed_in_the_middle_of_an_upload_nothing_of_it_is_left(site: Stack, visitor: Visitor) -> None:
    visitor.arrive()
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())
    head = (
        "POST /generations/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Cookie: {cookies}\r\nX-CSRFToken: {visitor.client.cookies['csrftoken']}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 20000000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    )
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE_SECONDS) as sender:
        sender.sendall(head.encode() + b"\x89PNG" * 2_000_000)
        start_anew(site)
    with psycopg.connect(site.stores.database_url) as database:
        assert database.execute("SELECT count(*) FROM generation_upload").fetchone() == (0,)
    inputs = Path(site.environment["MEDIA_DIR"]) / "inputs"
    assert not [path for path in inputs.rglob("*") if path.is_file()]


def test_thousands_of_requests_leave_it_as_large_as_it_was(site: Stack, visitor: Visitor) -> None:
    process = psutil.Process(site.pid("web"))

    def ask(times: int) -> int:
        for number in range(times):
            assert visitor.client.get(ADDRESSES[number % len(ADDRESSES)]).status_code in (200, 429)
        return int(process.memory_info().rss)

    before = ask(200)
    assert ask(REQUESTS) - before < MOST_GROWTH_BYTES
