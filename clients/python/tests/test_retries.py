"""What is sent again, and with what: against a site that answers as it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from loremotion import Client, ConnectionFailed, LoreMotionError, RateLimited, ServerError, retries

VIDEO: dict[str, Any] = {
    "id": "5e0b5b1e-0000-4000-8000-000000000001",
    "status": "queued",
    "progress": 0,
    "model": "preview",
    "prompt": "a fox",
    "seconds": "2",
    "size": "96x64",
    "created_at": 1,
    "lm": {
        "state": "queued",
        "seed": 1,
        "cost": {"quoted": 2, "held": 2, "charged": 0, "given_back": 0},
        "page_url": "https://clips.example/c/1/",
    },
}
Answer = httpx.Response | Exception


class Site(httpx.BaseTransport):
    """Answers with what it was given, in order, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have waited."""
    taken: list[float] = []
    monkeypatch.setattr("time.sleep", taken.append)
    return taken


@pytest.fixture
def client_of() -> Callable[[Site], Client]:
    return lambda site: Client("lm_key", "https://clips.example", transport=site)


def test_a_request_whose_answer_was_lost_is_sent_again_under_the_same_key(client_of: Callable[[Site], Client]) -> None:
    site = Site(httpx.ReadError("lost"), httpx.Response(503), httpx.Response(200, json=VIDEO))
    assert client_of(site).create("a fox", image=b"bytes").id == VIDEO["id"]
    assert len({request.headers["idempotency-key"] for request in site.asked}) == 1
    assert len({request.content for request in site.asked}) == 1, "the file goes along each time"


def test_it_waits_as_long_as_the_site_asks(client_of: Callable[[Site], Client], pauses: list[float]) -> None:
    site = Site(httpx.Response(429, headers={"retry-after": "7"}), httpx.Response(200, json=VIDEO))
    client_of(site).create("a fox")
    assert pauses == [7.0]


def test_what_the_site_calls_final_and_a_long_wait_are_the_answer(client_of: Callable[[Site], Client]) -> None:
    final = httpx.Response(429, headers={"retry-after": "1", "x-should-retry": "false"})
    hours = httpx.Response(429, headers={"retry-after": "7200"})
    for answer in (final, hours):
        with pytest.raises(RateLimited):
            client_of(Site(answer)).create("a fox")


def test_it_gives_up_and_says_whom_it_could_not_reach(client_of: Callable[[Site], Client]) -> None:
    with pytest.raises(ConnectionFailed, match=r"clips\.example"):
        client_of(Site(*[httpx.ConnectError("refused")] * retries.MAX_ATTEMPTS)).models()
    with pytest.raises(ServerError):
        client_of(Site(*[httpx.Response(502, text="<html>")] * retries.MAX_ATTEMPTS)).models()


def test_a_redirect_and_a_page_are_no_answer_of_a_site(client_of: Callable[[Site], Client]) -> None:
    moved = httpx.Response(301, headers={"location": "https://other.example/"})
    with pytest.raises(LoreMotionError, match=r"other\.example"):
        client_of(Site(moved)).models()
    with pytest.raises(LoreMotionError, match="base_url"):
        client_of(Site(httpx.Response(200, text="<html>"))).models()


def test_events_go_on_behind_the_last_that_was_heard(client_of: Callable[[Site], Client]) -> None:
    def stream(text: str) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=text)

    step = 'id: 5-0\nevent: step\ndata: {"step": 1, "steps": 2, "progress": 50}\n\n'
    site = Site(
        stream("retry: 1\n" + step), httpx.ReadError("broke"), stream('event: done\ndata: {"deleted": true}\n\n')
    )
    events = list(client_of(site).events("x"))
    assert [event.kind for event in events] == ["step", "done"]
    assert [request.headers.get("last-event-id") for request in site.asked] == [None, "5-0", "5-0"]


class Broken(httpx.SyncByteStream):
    """Some bytes, and then the connection breaks."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self.content
        raise httpx.ReadError("broke")


@pytest.mark.parametrize(("status", "rest"), [(206, b"456789"), (200, b"0123456789")])
def test_a_download_that_broke_goes_on_or_begins_anew(
    client_of: Callable[[Site], Client], tmp_path: Path, status: int, rest: bytes
) -> None:
    site = Site(
        httpx.Response(200, headers={"etag": '"a"'}, stream=Broken(b"0123")),
        httpx.Response(status, headers={"etag": '"a"'}, content=rest),
    )
    path = client_of(site).download("x", tmp_path / "clip.mp4")
    assert path.read_bytes() == b"0123456789"
    said: Any = site.asked[1].headers
    assert (said["range"], said["if-range"]) == ("bytes=4-", '"a"')


def test_a_download_that_fails_leaves_nothing(client_of: Callable[[Site], Client], tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"the one before")
    site = Site(*[httpx.Response(200, stream=Broken(b"0123")) for _ in range(retries.MAX_ATTEMPTS)])
    with pytest.raises(ConnectionFailed):
        client_of(site).download("x", tmp_path / "clip.mp4")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"clip.mp4": b"the one before"}
