"""Sites that are none, answers that were lost, and settings that cannot be."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from loremotion import (
    AsyncClient,
    Client,
    ClipFailed,
    Conflict,
    ConnectionFailed,
    LoreMotionError,
    NotConfigured,
    NotFound,
    ServerError,
)
from loremotion.downloads import Download
from loremotion.objects import Video, picture_of
from tests.test_retries import VIDEO, Answer, Site

BASE = "https://clips.example"
CANCELLED = {**VIDEO, "status": "failed", "lm": {**VIDEO["lm"], "state": "cancelled"}}
MADE = {**VIDEO, "status": "completed", "lm": {**VIDEO["lm"], "state": "completed"}}
LOST = httpx.ReadError("lost")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have waited."""
    taken: list[float] = []

    async def take(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr("time.sleep", taken.append)
    monkeypatch.setattr("asyncio.sleep", take)
    return taken


def ended() -> httpx.Response:
    said = {"code": "already_ended", "message": "This clip has already finished."}
    return httpx.Response(409, json={"error": said})


def gone() -> httpx.Response:
    return httpx.Response(404, json={"error": {"code": "not_found", "message": "There's nothing here."}})


def client_of(*answers: Answer, base_url: str = BASE) -> tuple[Client, Site]:
    site = Site(*answers)
    return Client("lm_key", base_url, transport=site), site


def in_async(call: Callable[[AsyncClient], Any], *answers: Answer) -> Any:
    """What ``call`` came to with a client that is awaited."""
    site = Site(*answers)

    async def run() -> Any:
        transport = httpx.MockTransport(site.handle_request)
        async with AsyncClient("lm_key", BASE, transport=transport) as client:
            return await call(client)

    return asyncio.run(run())


def test_what_the_first_try_did_is_no_error_of_the_second() -> None:
    client_of(LOST, gone())[0].delete("x")
    assert client_of(LOST, ended(), httpx.Response(200, json=CANCELLED))[0].cancel("x").state == "cancelled"
    in_async(lambda client: client.delete("x"), LOST, gone())
    again = in_async(lambda client: client.cancel("x"), LOST, ended(), httpx.Response(200, json=CANCELLED))
    assert again.state == "cancelled"


def test_what_the_first_try_did_not_do_is_one() -> None:
    with pytest.raises(NotFound):
        client_of(gone())[0].delete("x")
    with pytest.raises(NotFound):
        client_of(LOST, gone())[0].get("x")
    with pytest.raises(Conflict):
        client_of(ended())[0].cancel("x")
    with pytest.raises(Conflict):
        client_of(LOST, ended(), httpx.Response(200, json=MADE))[0].cancel("x")


@pytest.mark.parametrize("base_url", [f"{BASE}/clips", f"{BASE}/clips/", f"{BASE}/clips/v1", f" {BASE}/clips/v1/\n"])
def test_a_site_may_lie_under_a_path_and_be_given_as_openai_clients_are(base_url: str) -> None:
    client, site = client_of(httpx.Response(200, json=VIDEO), base_url=base_url)
    client.get("x")
    assert str(site.asked[0].url) == f"{BASE}/clips/v1/videos/x"


@pytest.mark.parametrize(
    "base_url", ["clips.example", "https://", "ftp://clips.example", "https://clips.example:port", f"{BASE}/?a=1"]
)
def test_what_is_no_address_is_said_at_once(base_url: str) -> None:
    with pytest.raises(NotConfigured, match="base_url"):
        Client("lm_key", base_url)


def test_a_key_is_trimmed_and_one_that_cannot_be_is_not_shown() -> None:
    site = Site(httpx.Response(200, json=VIDEO))
    Client(" lm_key\n", BASE, transport=site).get("x")
    assert site.asked[0].headers["authorization"] == "Bearer lm_key"
    for key in ("lm_sécret", "lm_\nsecret"):
        with pytest.raises(NotConfigured) as refused:
            Client(key, BASE)
        assert key not in str(refused.value)


def test_a_name_is_one_step_of_a_path() -> None:
    client, site = client_of(httpx.Response(200, json=VIDEO))
    client.get("../a/b?c#d")
    assert site.asked[0].url.raw_path == b"/v1/videos/..%2Fa%2Fb%3Fc%23d"
    for name in ("", ".", ".."):
        with pytest.raises(LoreMotionError, match="id"):
            client.delete(name)


@pytest.mark.parametrize("page", [httpx.Response(200, text="<html>"), httpx.Response(200, json=["something", "else"])])
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.wait("x"),
        lambda client: client.get("x"),
        lambda client: client.models(),
        lambda client: client.share("x"),
    ],
)
def test_another_sites_answer_is_told_apart(call: Callable[[Client], Any], page: httpx.Response) -> None:
    with pytest.raises(LoreMotionError, match="base_url"):
        call(client_of(page)[0])


@pytest.mark.parametrize("said", [{"error": {"message": {"a": 1}, "code": 7}}, {"error": "no"}, ["no"], "no", None])
def test_an_error_in_other_words_is_still_one(said: object) -> None:
    with pytest.raises(LoreMotionError, match="answered 418") as refused:
        client_of(httpx.Response(418, json=said))[0].get("x")
    assert getattr(refused.value, "code", None) == ""


def moved() -> httpx.Response:
    return httpx.Response(302, headers={"location": "https://other.example/"})


def page() -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/html; charset=utf-8"}, text="<html>")


@pytest.mark.parametrize(("answers", "says"), [((moved, page), "other.example"), ((page,), "base_url")])
def test_a_page_is_not_downloaded_as_a_clip(
    answers: tuple[Callable[[], httpx.Response], ...], says: str, tmp_path: Path
) -> None:
    with pytest.raises(LoreMotionError, match=says):
        client_of(*(answer() for answer in answers))[0].download("x", tmp_path / "clip.mp4")
    with pytest.raises(LoreMotionError, match=says):
        in_async(lambda client: client.download("x", tmp_path / "clip.mp4"), *(answer() for answer in answers))
    assert list(tmp_path.iterdir()) == []


def test_a_download_goes_on_where_the_site_keeps_its_clips_without_the_key(tmp_path: Path) -> None:
    client, site = client_of(moved(), httpx.Response(200, content=b"clip"))
    assert client.download("x", tmp_path / "a.mp4").read_bytes() == b"clip"
    assert [request.url.host for request in site.asked] == ["clips.example", "other.example"]
    assert "authorization" not in site.asked[1].headers
    path = in_async(
        lambda client: client.download("x", tmp_path / "b.mp4"), moved(), httpx.Response(200, content=b"clip")
    )
    assert path.read_bytes() == b"clip"


def test_a_download_is_tried_again_as_the_site_asks_and_comes_as_it_is(tmp_path: Path, pauses: list[float]) -> None:
    busy = {"retry-after": "7"}
    client, site = client_of(httpx.Response(503, headers=busy), httpx.Response(200, content=b"clip"))
    assert client.download("x", tmp_path / "a.mp4").read_bytes() == b"clip"
    assert pauses == [7.0]
    assert site.asked[0].headers["accept-encoding"] == "identity", "or the rest would be counted in other bytes"
    answers = (httpx.Response(503, headers=busy), httpx.Response(200, content=b"clip"))
    path = in_async(lambda client: client.download("x", tmp_path / "b.mp4"), *answers)
    assert path.read_bytes() == b"clip"
    with pytest.raises(ServerError):
        client_of(*[httpx.Response(503)] * 3)[0].download("x", tmp_path / "c.mp4")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_events_of_a_site_that_has_moved_or_talks_nonsense_end_with_its_name() -> None:
    with pytest.raises(LoreMotionError, match=r"other\.example"):
        list(client_of(moved())[0].events("x"))
    nonsense = httpx.Response(200, headers={"content-type": "text/event-stream"}, text="event: step\ndata: {\n\n")
    with pytest.raises(LoreMotionError, match="base_url"):
        list(client_of(nonsense)[0].events("x"))


def test_events_come_back_when_the_site_asks(pauses: list[float]) -> None:
    busy = httpx.Response(503, headers={"retry-after": "7"})
    done = httpx.Response(
        200, headers={"content-type": "text/event-stream"}, text='event: done\ndata: {"deleted": true}\n\n'
    )
    assert [event.kind for event in client_of(busy, done)[0].events("x")] == ["done"]
    assert pauses == [7.0]


class Endless(httpx.AsyncByteStream, httpx.SyncByteStream):
    """Events without end, until they are closed."""

    is_closed = False
    EVENT = b'event: step\ndata: {"progress": 1}\n\n'

    def __iter__(self) -> Generator[bytes]:
        while True:
            yield self.EVENT

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        while True:
            yield self.EVENT

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


def test_events_that_nobody_waits_for_any_more_close_their_connection() -> None:
    def stream(endless: Endless) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=endless)

    one, other = Endless(), Endless()
    events = client_of(stream(one))[0].events("x")
    assert next(events).kind == "step"
    events.close()
    assert one.is_closed

    async def look(client: AsyncClient) -> None:
        awaited = client.events("x")
        assert (await anext(awaited)).kind == "step"
        await awaited.aclose()

    in_async(look, stream(other))
    assert other.is_closed


@pytest.mark.parametrize("proposed", ["nan", "inf", "-5", "0", "1e300"])
def test_it_looks_again_neither_at_once_nor_never(proposed: str, pauses: list[float]) -> None:
    waiting = httpx.Response(200, json=VIDEO, headers={"openai-poll-after-ms": proposed})
    assert client_of(waiting, httpx.Response(200, json=MADE))[0].wait("x").is_completed
    assert 0.1 <= pauses[0] <= 60


def test_a_clip_that_is_waited_for_keeps_its_key() -> None:
    client, site = client_of(httpx.Response(200, json=MADE), httpx.Response(200, json=MADE))
    client.generate("a fox", idempotency_key="mine")
    assert site.asked[0].headers["idempotency-key"] == "mine"


def test_errors_come_whole_from_another_process() -> None:
    failed = pickle.loads(pickle.dumps(ClipFailed(Video.from_json(CANCELLED))))  # noqa: S301  # our own
    assert (type(failed), str(failed), failed.video.state) == (ClipFailed, "The clip was cancelled.", "cancelled")
    with pytest.raises(NotFound) as refused:
        client_of(gone())[0].get("x")
    error = pickle.loads(pickle.dumps(refused.value))  # noqa: S301
    assert (str(error), error.status, error.code) == ("There's nothing here.", 404, "not_found")


def garbled() -> httpx.Response:
    headers = {"content-encoding": "gzip", "content-type": "text/event-stream"}
    return httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"no gzip"))


@pytest.mark.parametrize(
    "call",
    [
        lambda client, path: client.get("x"),
        lambda client, path: client.download("x", path),
        lambda client, path: list(client.events("x")),
    ],
)
def test_an_answer_that_cannot_be_unpacked_is_a_connection_that_failed(
    call: Callable[[Client, Path], Any], tmp_path: Path
) -> None:
    with pytest.raises(ConnectionFailed):
        call(client_of(*[garbled() for _ in range(3)])[0], tmp_path / "clip.mp4")


@pytest.mark.parametrize("key", ["", "a b", "é", "a\nb", "a" * 256])
def test_an_idempotency_key_that_no_site_takes_is_refused_and_not_replaced(key: str) -> None:
    client, site = client_of()
    with pytest.raises(LoreMotionError, match="idempotency_key"):
        client.create("a fox", idempotency_key=key)
    assert site.asked == []


def test_two_downloads_to_one_place_and_one_to_a_long_name_do_not_meet(tmp_path: Path) -> None:
    with Download(tmp_path / "clip.mp4") as one, Download(tmp_path / "clip.mp4") as other:
        one.write(b"one")
        other.write(b"other")
    assert (tmp_path / "clip.mp4").read_bytes() == b"one", "the last that was whole"
    long = tmp_path / ("a" * 250 + ".mp4")
    assert client_of(httpx.Response(200, content=b"clip"))[0].download("x", long).read_bytes() == b"clip"


def test_a_picture_that_is_none_is_none() -> None:
    for address in ("data:image/jpeg;base64,é", "data:image/jpeg;base64,a", "data:text/html;base64,YQ==", None):
        assert picture_of(address) is None
