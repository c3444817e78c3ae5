"""Addresses that people give lead to the open internet, or nowhere."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from loremotion import outbound
from loremotion.refusals import Invalid
from tests.patience import PATIENCE_SECONDS
from tests.webhooks.receiver import Receiver

OPEN = "93.184.216.34"


def resolver(*addresses: str) -> outbound.Resolver:
    """A name service that says the same of every name."""
    return lambda host, port: list(addresses)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def loopback_is_permitted(settings: Settings) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "10.0.0.8", "172.16.4.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "224.0.0.1",
        "255.255.255.255", "240.0.0.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::",
        "::127.0.0.1", "192.88.99.1", "::ffff:192.88.99.1", "fec0::1", "3fff::1",
    ],
)  # fmt: skip
def test_an_address_within_is_refused_even_beside_one_outside(address: str) -> None:
    for addresses in ([address], [OPEN, address]):
        with pytest.raises(Invalid, match="private network"):
            outbound.target_of("https://hooks.example/", resolve=resolver(*addresses))


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.example", "ftp://hooks.example/", "file:///etc/passwd", "gopher://hooks.example/", "https://",
        "https://user:password@hooks.example/", "https://user@hooks.example/", "https://hooks.example:port/",
        "https://[::1", "javascript:alert(1)", "https://hooks.example:99999/",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        outbound.target_of(url, resolve=resolver(OPEN))


def test_plain_http_is_refused_on_the_open_internet() -> None:
    with pytest.raises(Invalid, match="https"):
        outbound.target_of("http://hooks.example/", resolve=resolver(OPEN))


@pytest.mark.parametrize("port", [1, 22, 25, 389, 1023])
def test_ports_of_other_services_are_not_called(port: int) -> None:
    with pytest.raises(Invalid, match=f"port {port}"):
        outbound.target_of(f"https://hooks.example:{port}/", resolve=resolver(OPEN))


@pytest.mark.parametrize("port", [80, 443, 1024, 8443, 65535])
def test_ports_of_web_servers_are_called(port: int) -> None:
    assert outbound.target_of(f"https://hooks.example:{port}/", resolve=resolver(OPEN)).port == port


def test_a_name_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(Invalid, match=r"find hooks\.example"):
        outbound.target_of("https://hooks.example/", resolve=resolver())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost", "[::1]"])
def test_however_this_machine_is_spelled_it_is_refused(host: str) -> None:
    with pytest.raises(Invalid):
        outbound.target_of(f"https://{host}/")


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="192.168.0.0/16"))
def test_no_private_address_passes_in_any_disguise(address: object) -> None:
    for spelled in (str(address), f"::ffff:{address}"):
        with pytest.raises(Invalid):
            outbound.target_of("https://hooks.example/", resolve=resolver(spelled))


def test_an_address_outside_passes_with_its_path() -> None:
    target = outbound.target_of("https://hooks.example:8443/a b/ü?q=1&r=ü", resolve=resolver(OPEN, "2606:2800::1"))
    assert (target.host, target.port, target.path) == ("hooks.example", 8443, "/a%20b/%C3%BC?q=1&r=%C3%BC")
    assert target.addresses == (OPEN, "2606:2800::1")


def test_a_network_that_the_operator_names_is_open_without_tls(settings: Settings) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("10.1.0.0/16")]
    assert outbound.target_of("http://hooks.example/", resolve=resolver("10.1.2.3")).port == 80
    with pytest.raises(Invalid):
        outbound.target_of("http://hooks.example/", resolve=resolver("10.2.2.3"))
    with pytest.raises(Invalid):
        outbound.target_of("http://hooks.example/", resolve=resolver("10.1.2.3", OPEN))


# --- what is sent --------------------------------------------------------------------------------------------------


def test_the_request_goes_to_the_address_that_was_judged(receiver: Receiver, loopback_is_permitted: None) -> None:
    asked: list[str] = []

    def once(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else [OPEN]  # a second look would lead elsewhere

    url = f"http://hooks.example:{receiver.port}/hooks?a=1"
    answer = outbound.post(url, body=b"{}", headers={"X-Ours": "1"}, resolve=once)
    assert (answer.status, answer.text) == (200, "heard you")
    assert asked == ["hooks.example"]
    assert receiver.heard[0].headers["Host"] == f"hooks.example:{receiver.port}"
    assert receiver.heard[0].path == "/hooks?a=1"


def test_a_name_that_has_moved_inside_since_is_refused_and_nothing_is_sent(receiver: Receiver) -> None:
    with pytest.raises(Invalid, match="private network"):
        outbound.post(f"https://hooks.example:{receiver.port}/", body=b"", headers={}, resolve=resolver("127.0.0.1"))
    assert receiver.heard == []


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver, loopback_is_permitted: None) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", "http://169.254.169.254/latest/meta-data/")
        handler.end_headers()

    receiver.answering = elsewhere
    assert outbound.post(receiver.url, body=b"", headers={}).status == 307
    assert len(receiver.heard) == 1


def test_of_a_long_answer_the_beginning_is_kept(receiver: Receiver, loopback_is_permitted: None) -> None:
    def long(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"a\x00" * 1_000_000)

    receiver.answering = long
    answer = outbound.post(receiver.url, body=b"", headers={})
    assert len(answer.text) <= outbound.ANSWER_BYTES
    assert "\x00" not in answer.text


@pytest.mark.parametrize("drip", [b"HTTP/1.1 100 Continue\r\n\r\n", b"a"])
def test_an_answer_that_drips_is_cut_off(
    receiver: Receiver, loopback_is_permitted: None, monkeypatch: pytest.MonkeyPatch, drip: bytes
) -> None:
    monkeypatch.setattr(outbound, "WHOLE_SECONDS", 0.3)

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        try:
            while True:
                handler.wfile.write(drip)
                time.sleep(0.01)
        except OSError:
            return  # hung up on, as it should be

    receiver.answering = dripping
    with pytest.raises(outbound.Unreachable, match="longer than"):  # of what has no end
        outbound.post(receiver.url, body=b"", headers={})


def test_who_reads_before_the_deadline_has_done_hanging_up_is_told_of_the_deadline(
    receiver: Receiver, loopback_is_permitted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "WHOLE_SECONDS", 0.05)
    told, hang_up = threading.Event(), outbound._hang_up

    def slow(line: socket.socket, too_late: threading.Event) -> None:
        hang_up(line, too_late)
        told.wait(PATIENCE_SECONDS)  # the thread of the deadline gets no turn until the reader has answered

    monkeypatch.setattr(outbound, "_hang_up", slow)

    def silent(handler: BaseHTTPRequestHandler) -> None:
        told.wait(PATIENCE_SECONDS)

    receiver.answering = silent
    with pytest.raises(outbound.Unreachable, match="longer than"):
        outbound.post(receiver.url, body=b"", headers={})
    told.set()


def test_who_does_not_answer_is_unreachable(loopback_is_permitted: None) -> None:
    with Receiver() as gone:
        url = gone.url
    with pytest.raises(outbound.Unreachable, match="No connection"):
        outbound.post(url, body=b"", headers={})


def test_however_many_addresses_are_silent_they_have_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, given_seconds = [0.0], list[float]()

    def silent(address: tuple[str, int], timeout: float) -> None:
        given_seconds.append(timeout)
        clock[0] += timeout
        raise TimeoutError

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(socket, "create_connection", silent)
    many = resolver(*(f"93.184.216.{number}" for number in range(30)))
    with pytest.raises(outbound.Unreachable, match="too long"):
        outbound.post("https://hooks.example/", body=b"", headers={}, resolve=many)
    assert len(given_seconds) > 1
    assert sum(given_seconds) <= outbound.CONNECT_SECONDS


def test_a_name_and_all_of_its_addresses_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, given_seconds = [0.0], list[float]()

    def slow(host: str, port: int) -> list[str]:
        clock[0] += outbound.CONNECT_SECONDS - 1
        return [OPEN]

    def silent(address: tuple[str, int], timeout: float) -> None:
        given_seconds.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(socket, "create_connection", silent)
    with pytest.raises(outbound.Unreachable, match="too long"):
        outbound.post("https://hooks.example/", body=b"", headers={}, resolve=slow)
    assert given_seconds == [1.0]


@pytest.fixture
def silent_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[outbound.Resolver]:
    """Name servers that never answer, and little patience with them."""
    monkeypatch.setattr(outbound, "CONNECT_SECONDS", 0.05)
    over = threading.Event()

    def silent(host: str, port: int) -> list[str]:
        over.wait(PATIENCE_SECONDS)
        return []

    yield silent
    over.set()


def test_name_servers_that_never_answer_are_waited_for_until_the_deadline(silent_resolver: outbound.Resolver) -> None:
    for ask in (
        lambda: outbound.target_of("https://hooks.example/", resolve=silent_resolver),
        lambda: outbound.post("https://hooks.example/", body=b"", headers={}, resolve=silent_resolver),
    ):
        with pytest.raises(Invalid, match=r"name servers of hooks\.example don't answer"):
            ask()


def test_so_many_lookups_are_under_way_at_once(
    silent_resolver: outbound.Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(outbound, "_lookups", threading.BoundedSemaphore(2))

    def counted(host: str, port: int) -> list[str]:
        asked.append(host)
        return list(silent_resolver(host, port))

    for number in range(4):
        with pytest.raises(Invalid, match="don't answer"):
            outbound.target_of(f"https://{number}.hooks.example/", resolve=counted)
    assert asked == ["0.hooks.example", "1.hooks.example"]


def test_what_breaks_in_a_lookup_is_raised_to_whoever_asked() -> None:
    def broken(host: str, port: int) -> list[str]:
        raise RuntimeError("of the resolver")

    with pytest.raises(RuntimeError, match="of the resolver"):
        outbound.target_of("https://hooks.example/", resolve=broken)


# --- TLS -----------------------------------------------------------------------------------------------------------


def certificate_for(name: str, folder: Path) -> Path:
    """A certificate and its key in one file, signed by nobody but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return file


@pytest.fixture
def secure_receiver(tmp_path: Path, loopback_is_permitted: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """With a certificate for ``hooks.example``, which this process trusts for the test."""
    file = certificate_for("hooks.example", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    outbound._tls.cache_clear()
    with Receiver(tls=context) as running:
        yield running
    outbound._tls.cache_clear()


def test_the_certificate_is_that_of_the_name_though_the_connection_goes_to_a_number(secure_receiver: Receiver) -> None:
    url = f"https://hooks.example:{secure_receiver.port}/"
    assert outbound.post(url, body=b"{}", headers={}, resolve=resolver("127.0.0.1")).status == 200


def test_another_names_certificate_does_not_hold(secure_receiver: Receiver) -> None:
    url = f"https://other.example:{secure_receiver.port}/"
    with pytest.raises(outbound.Unreachable, match="certificate isn't valid"):
        outbound.post(url, body=b"{}", headers={}, resolve=resolver("127.0.0.1"))
    assert secure_receiver.heard == []


def test_a_line_that_is_hung_up_on_is_under_tls_still() -> None:
    near, far = socket.socketpair()
    tls = ssl.create_default_context()
    with far, tls.wrap_socket(near, server_hostname="hooks.example", do_handshake_on_connect=False) as line:
        outbound._hang_up(line, threading.Event())
        assert line.read(1) == b""  # a line without TLS has nothing to read with
