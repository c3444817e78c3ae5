"""Whoever does not say what they ask for is not waited for; whoever has asked is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from loremotion import header_deadline
from loremotion.bodies import BodyLimit
from loremotion.header_deadline import HeaderDeadline
from tests.patience import PATIENCE_SECONDS

GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with the body that it is sent."""
    body, has_more = b"", True
    while has_more:
        message = await receive()
        body, has_more = body + message.get("body", b""), message.get("more_body", False)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(header_deadline, "HEAD_SECONDS", PATIENCE_SECONDS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            BodyLimit(echo), http=HeaderDeadline, lifespan="off", log_config=None, timeout_keep_alive=600
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)


@pytest.fixture
def line(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connected:
        yield connected


def in_haste(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.3) -> None:
    """The server waits so long only for the head of what begins from now on."""
    monkeypatch.setattr(header_deadline, "HEAD_SECONDS", seconds)


def is_hung_up(line: socket.socket) -> bool:
    """Waits for the end of the line; raises TimeoutError if it stays."""
    return line.recv(1) == b""


@pytest.mark.parametrize("said", [b"", b"GET / HT", GET[:-2], GET[:-2] + b"X-Slow: " + b"a" * 1000])
def test_half_a_head_is_hung_up_on(port: int, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    in_haste(monkeypatch)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as line:
        line.sendall(said)
        assert is_hung_up(line)


def test_so_is_half_a_head_after_a_whole_request(line: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    line.sendall(GET)
    assert line.recv(64 * 1024).startswith(b"HTTP/1.1 200")
    in_haste(monkeypatch)
    line.sendall(GET[:-2])
    assert is_hung_up(line)


def test_who_has_asked_may_send_the_body_later(line: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    line.sendall(GET)
    assert line.recv(64 * 1024).startswith(b"HTTP/1.1 200")
    in_haste(monkeypatch, seconds=2.0)
    line.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\nab")
    line.settimeout(2.2)
    with pytest.raises(TimeoutError):
        line.recv(1)
    line.settimeout(PATIENCE_SECONDS)
    line.sendall(b"cd")
    answer = b""
    while not answer.endswith(b"abcd"):
        piece = line.recv(64 * 1024)
        assert piece, answer
        answer += piece


def test_a_whole_request_a_moment_later_is_answered_on_the_same_line(line: socket.socket) -> None:
    for _ in range(3):
        line.sendall(GET)
        assert line.recv(64 * 1024).startswith(b"HTTP/1.1 200")


def test_the_site_is_served_with_the_deadline_and_a_bound_of_connections() -> None:
    with open("Procfile") as file:
        web = next(text for text in file if text.startswith("web:"))
    assert " --http loremotion.header_deadline:HeaderDeadline " in web
    assert " --limit-concurrency " in web


# --- where a request ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 6",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: +6",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: \x0bchunked",
        b"X: a\rTransfer-Encoding: chunked",
        b"Host: another\r\nContent-Length: 6",
        b"Content-Length: 6\r\nContent-Length: 6",
        b"Content-Length: 6, 6",
        b"Content-Length:\r\n 6",
        b"X: a\r\n b\r\nContent-Length: 6",
        b"X: a\r\n\tb\r\nContent-Length: 6",
        b"Transfer-Encoding:\r\n chunked",
        b"X: a\nContent-Length: 6",
        b"X: a\nTransfer-Encoding: chunked",
        b"Content-Length: 6\r\n\nGET /hidden HTTP/1.1\r\nHost: 127.0.0.1",
        b"Content-Length: 6\n\r\nGET /hidden HTTP/1.1\r\nHost: 127.0.0.1",
    ],
)
def test_what_a_proxy_might_end_elsewhere_is_refused_with_all_that_follows(line: socket.socket, lines: bytes) -> None:
    """Else whoever is next on the proxy's connection gets the answer to a request that was hidden in a body."""
    line.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lines + b"\r\n\r\n0\r\n\r\nG" + GET[1:])
    said = all_that_is_said(line)
    assert said.startswith(b"HTTP/1.1 400")
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "request_line", [b"POST / HTTP/1.0", b"POST / HTTP/0.9", b"POST / HTTP/1.2", b"POST / HTTP/2.0"]
)
def test_chunks_are_read_of_http_1_1_alone(line: socket.socket, request_line: bytes) -> None:
    head = b"\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    line.sendall(request_line + head + b"0\r\n\r\n" + GET)
    said = all_that_is_said(line)
    assert said.startswith(b"HTTP/1.1 400")
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "body",
    [
        b"1\r\nx\r\n0\r\n\n",
        b"1\r\nx\r\n0\r\nX: y\n\n",
        b"1\r\nx\r\n0\r\nX: y\r\n z\r\n\r\n",
        b"1;a\rb\r\nx\r\n0\r\n\r\n",
        b"1;a\nb\r\nx\r\n0\r\n\r\n",
        b"1\r\nx\n0\r\n\r\n",
        b"0x1\r\nx\r\n0\r\n\r\n",
        b"1\r\nxy\r\n0\r\n\r\n",
    ],
)
def test_chunks_that_a_proxy_might_end_elsewhere_are_refused_with_all_that_follows(
    line: socket.socket, body: bytes
) -> None:
    line.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body + GET)
    said = all_that_is_said(line)
    assert said.startswith(b"HTTP/1.1 400")
    assert said.count(b"HTTP/1.1") == 1


def test_what_is_said_as_the_standard_has_it_is_understood(line: socket.socket) -> None:
    """Line feeds of a body, extensions of chunks, fields after the last one, several fields of one name."""
    head = b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nX:a\r\nX: \tb\r\nX:\r\nTransfer-Encoding: chunked\r\n\r\n"
    line.sendall(head + b"4;a=b\r\n\nx\n\n\r\n0\r\nX: y\r\n\r\n")
    answer = b""
    while not answer.endswith(b"\nx\n\n"):
        piece = line.recv(64 * 1024)
        assert piece, answer
        answer += piece
    line.sendall(b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n\na\n")
    assert all_that_is_said(line).endswith(b"\na\n")


def all_that_is_said(line: socket.socket) -> bytes:
    """Everything until the other side hangs up; raises TimeoutError if it does not."""
    said = b""
    while piece := line.recv(4096):
        said += piece
    return said
