"""Requests to addresses that people gave us: they reach the open internet alone, never this machine or its neighbours.

A name is resolved once for each request, every address it has is judged, and the connection goes to those very
addresses: a name that answers differently the second time gains nothing. Redirects are not followed.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import IO
from urllib.parse import quote, urlsplit

import certifi
from django.conf import settings
from django.utils.translation import gettext as _

from gpu_worker.open_addresses import is_open
from loremotion import database
from loremotion.refusals import Invalid

CONNECT_SECONDS = 6.0
"""To look a name up and to reach any of its addresses, all of it together. Resolvers ask again after five."""
MOST_LOOKUPS = 64
"""So many of a process are under way at once. A lookup can't be broken off: it lasts as long as ``resolv.conf`` says,
though nobody waits for it any more."""
SILENCE_SECONDS = 8.0
WHOLE_SECONDS = 12.0
"""From the first byte of TLS to the last one that we read, however slowly they come."""
ANSWER_BYTES = 1_024
"""So much of an answer is read and kept."""
_PIECE_BYTES = 64 * 1024

Resolver = Callable[[str, int], Sequence[str]]

USUAL_PORTS = {"https": 443, "http": 80}
FIRST_FREE_PORT = 1024
"""Below it lie mail, directories, databases of names and the like, which may take what we send for their own. GitLab
draws the line there too."""
_HARMLESS_IN_A_PATH = "/%:@!$&'()*+,;=~-._"
_lookups = threading.BoundedSemaphore(MOST_LOOKUPS)


class Unreachable(Exception):
    """The request did not get an answer; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: ``addresses`` are numeric and have been judged."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``text`` is the beginning of the body."""

    status: int
    text: str

    @property
    def is_fine(self) -> bool:
        return 200 <= self.status < 300


def by_dns(host: str, port: int) -> list[str]:
    """Every address that the system's resolver has for ``host``."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def target_of(
    url: str,
    *,
    resolve: Resolver | None = None,
    deadline: float | None = None,
    networks: Sequence[IPv4Network | IPv6Network] | None = None,
) -> Target:
    """The target that ``url`` leads to, if a request may go there.

    Args:
        deadline: when on the monotonic clock its name must have been looked up; in ``CONNECT_SECONDS`` by default.
        networks: that are open though they are private; those for webhooks by default.

    Raises:
        Invalid: it may not, or it is no address; says which.
    """
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port or USUAL_PORTS.get(parts.scheme, 0)
    except ValueError:
        raise _refusal(_("That isn't a valid URL.")) from None
    if parts.scheme not in ("https", "http") or not host:
        raise _refusal(_("The URL must start with https:// and have a host name."))
    if parts.username is not None or parts.password is not None:
        raise _refusal(_("The URL can't contain a user name or password."))
    if port < FIRST_FREE_PORT and port not in USUAL_PORTS.values():
        raise _refusal(
            _("We don't call port %(port)s.") % {"port": port},
            next_step=_("Use port 443, or one from %(first)s on.") % {"first": FIRST_FREE_PORT},
        )
    database.give_back()  # while name servers, and whoever is at the address, are asked
    try:
        addresses = tuple(dict.fromkeys(_looked_up(host, port, resolve or by_dns, deadline)))
    except TimeoutError:
        raise _refusal(
            _("The name servers of %(host)s don't answer.") % {"host": host}, next_step=_("Try again later.")
        ) from None
    except (OSError, UnicodeError):
        addresses = ()
    if not addresses:
        raise _refusal(_("We can't find %(host)s.") % {"host": host}, next_step=_("Check the spelling."))
    networks = settings.WEBHOOK_PRIVATE_NETWORKS if networks is None else networks
    if not all(is_open(address) or _is_within(address, networks) for address in addresses):
        raise _refusal(
            _("%(host)s is on a private network.") % {"host": host},
            next_step=_("Use a URL that the internet can reach."),
        )
    if parts.scheme == "http" and not all(_is_within(address, networks) for address in addresses):
        raise _refusal(_("The URL must start with https://."))
    path = quote(parts.path or "/", safe=_HARMLESS_IN_A_PATH)
    query = f"?{quote(parts.query, safe=_HARMLESS_IN_A_PATH + '?')}" if parts.query else ""
    return Target(parts.scheme, host, port, path + query, addresses)


def post(url: str, *, body: bytes, headers: Mapping[str, str], resolve: Resolver | None = None) -> Answer:
    """Send ``body`` to ``url`` and say what came back, within about ``CONNECT_SECONDS + WHOLE_SECONDS``.

    Raises:
        Invalid: the address leads, by now, where no request may go.
        Unreachable: no answer came, or none in time.
    """
    networks = settings.WEBHOOK_PRIVATE_NETWORKS
    with _open(url, "POST", body=body, headers=headers, resolve=resolve, networks=networks) as response:
        text = response.read(ANSWER_BYTES).decode(errors="replace").replace("\x00", "")
        return Answer(response.status, text)


def fetch(url: str, *, into: IO[bytes], most_bytes: int, resolve: Resolver | None = None) -> int:
    """Write what is at ``url`` into a file, as fast as ``post``. Returns how many bytes it has.

    Raises:
        Invalid: the address leads where no request may go.
        Unreachable: it isn't there, is larger than ``most_bytes``, or did not come in time.
    """
    headers, networks = {"Accept-Encoding": "identity"}, settings.INPUT_PRIVATE_NETWORKS
    with _open(url, "GET", headers=headers, resolve=resolve, networks=networks) as response:
        if response.status != HTTPStatus.OK:
            moved = " It redirects, which is not followed." if 300 <= response.status < 400 else ""
            raise Unreachable(f"The answer was {response.status}.{moved}")
        size_bytes = 0
        while piece := response.read(_PIECE_BYTES):
            size_bytes += len(piece)
            if size_bytes > most_bytes:
                raise Unreachable(f"It is larger than {most_bytes / 1e6:g} MB.")
            into.write(piece)
        return size_bytes


@contextmanager
def _open(
    url: str,
    method: str,
    *,
    headers: Mapping[str, str],
    networks: Sequence[IPv4Network | IPv6Network],
    body: bytes | None = None,
    resolve: Resolver | None,
) -> Iterator[http.client.HTTPResponse]:
    """Yield the answer, of which the block reads what it wants, all of it within ``WHOLE_SECONDS``."""
    connected_by = _connected_by()
    target = target_of(url, resolve=resolve, deadline=connected_by, networks=networks)
    try:
        line = _connect(target, connected_by)
    except OSError as error:
        raise Unreachable(f"No connection: {_words(error)}") from error
    too_late = threading.Event()
    deadline = threading.Timer(WHOLE_SECONDS, _hang_up, [line, too_late])
    deadline.daemon = True
    deadline.start()
    try:
        if isinstance(line, ssl.SSLSocket):
            line.do_handshake()
        with _answer(line, target, method, body, headers) as response:
            yield response
    except (OSError, http.client.HTTPException, ValueError) as error:
        if too_late.is_set():
            raise Unreachable(f"It took longer than {WHOLE_SECONDS:g} seconds.") from error
        raise Unreachable(_words(error)) from error
    finally:
        deadline.cancel()
        line.close()


def _connected_by() -> float:
    return time.monotonic() + CONNECT_SECONDS


def _looked_up(host: str, port: int, resolve: Resolver, deadline: float | None) -> Sequence[str]:
    """What ``resolve`` answers until the deadline.

    Raises:
        TimeoutError: it hasn't answered by then, or too many lookups of others are under way.
    """
    deadline = _connected_by() if deadline is None else deadline
    places = _lookups
    if not places.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise TimeoutError
    found: Future[Sequence[str]] = Future()

    def look_up() -> None:
        try:
            found.set_result(resolve(host, port))
        except Exception as error:  # whoever waits for the result raises it
            found.set_exception(error)
        finally:
            places.release()

    threading.Thread(target=look_up, name="lookup", daemon=True).start()
    return found.result(timeout=max(0.0, deadline - time.monotonic()))


def _answer(
    line: socket.socket, target: Target, method: str, body: bytes | None, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    line.settimeout(SILENCE_SECONDS)
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = line
    host = f"[{target.host}]" if ":" in target.host else target.host
    named = host if target.port == USUAL_PORTS[target.scheme] else f"{host}:{target.port}"
    connection.request(method, target.path, body, {"Host": named, "Connection": "close", **headers})
    return connection.getresponse()


def _connect(target: Target, deadline: float) -> socket.socket:
    """Connect to the first of the judged addresses that answers; under https with TLS that has yet to shake hands."""
    failure: OSError = TimeoutError()
    for number, address in enumerate(target.addresses):
        left_seconds = deadline - time.monotonic()
        if left_seconds <= 0:
            break
        # A silent address leaves the next ones their share.
        share_seconds = left_seconds / min(2, len(target.addresses) - number)
        try:
            line = socket.create_connection((address, target.port), timeout=share_seconds)
        except OSError as error:
            failure = error
            continue
        if target.scheme == "http":
            return line
        return _tls().wrap_socket(line, server_hostname=target.host, do_handshake_on_connect=False)
    raise failure


@cache
def _tls() -> ssl.SSLContext:
    """The TLS context: it trusts what the system does (``SSL_CERT_FILE`` names another list), and what certifi does."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _hang_up(line: socket.socket, too_late: threading.Event) -> None:
    too_late.set()  # first: who reads from the line wakes before this thread goes on
    try:
        # Of the line under TLS: an SSLSocket's own would take that away from under the thread that reads and writes it.
        socket.socket.shutdown(line, socket.SHUT_RDWR)
    except OSError:
        return  # it ended just now


def _is_within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    known = ip_address(address.partition("%")[0])
    if isinstance(known, IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    return any(known in network for network in networks)


def _refusal(message: str, *, next_step: str = "") -> Invalid:
    return Invalid("invalid_url", message, next_step=next_step, field="url")


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Its certificate isn't valid: {error.verify_message}."
    if isinstance(error, TimeoutError):
        return "It took too long to answer."
    return f"{type(error).__name__}: {error}"[:300]
