"""Where a request comes from: as much of it as is needed to count, and no more."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import timedelta
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

IPV4_PREFIX_BITS = 24
IPV6_PREFIX_BITS = 56
PROXIES_SAY = frozenset({"Forwarded", "Via", "X-Real-Ip"})
"""Headers that no browser sends of itself."""
KEPT = timedelta(days=7)
"""How long it is known, hashed, from which network a visitor came or something was done."""


def fingerprint_of(request: HttpRequest) -> str:
    """The caller's network prefix, hashed with the day: enough to count, not enough to follow."""
    return _hashed(prefix_of(request), f"{timezone.now():%Y-%m-%d}", settings.SECRET_KEY)


def lasting_fingerprint_of(request: HttpRequest) -> str:
    """The caller's network prefix, hashed without the day, for bans: see ``lasting_fingerprint``."""
    return lasting_fingerprint(prefix_of(request))


def lasting_fingerprints_of(request: HttpRequest) -> tuple[str, ...]:
    """The lasting fingerprints of the caller's network under the present key and each former one: bans hold either."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return tuple(lasting_fingerprint(prefix_of(request), key=key) for key in keys)


def lasting_fingerprint(prefix: str, *, key: str = "") -> str:
    """The hash of a network's first address (``prefix_of``, ``prefix_around``), under ``SECRET_KEY`` unless another key
    is named."""
    return _hashed(prefix, "lasting", key or settings.SECRET_KEY)


def prefix_of(request: HttpRequest) -> str:
    """The first address of the caller's network (IPv4 /24, IPv6 /56): what limits count and sessions show."""
    return prefix_around(_address_of(request))


@lru_cache(1024)
def prefix_around(text: str) -> str:
    """The first address of the network around an address, or around a network that is no larger.

    Raises:
        ValueError: it is neither, or it is larger than /24, /56 for IPv6.
    """
    given = ipaddress.ip_network(text, strict=False)
    if given.version == 6 and (inner := given.network_address.ipv4_mapped) is not None:
        given = ipaddress.ip_network((inner, max(0, given.prefixlen - 96)), strict=False)
    bits = IPV4_PREFIX_BITS if given.version == 4 else IPV6_PREFIX_BITS
    if given.prefixlen < bits:
        raise ValueError(f"{text} is larger than /{bits}.")
    return str(ipaddress.ip_network((given.network_address, bits), strict=False).network_address)


def _hashed(prefix: str, when: str, key: str) -> str:
    return hashlib.sha256(f"{key}|{when}|{prefix}".encode()).hexdigest()[:32]


def is_loopback(request: HttpRequest) -> bool:
    """Whether the caller sits at this machine, and no proxy speaks for somebody else."""
    if any(name in PROXIES_SAY or name.startswith("X-Forwarded-") for name in request.headers):
        return False
    return ipaddress.ip_address(_address_of(request)).is_loopback


def _address_of(request: HttpRequest) -> str:
    """The caller's address: behind N trusted proxies, the N-th forwarded one from the right."""
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    trusted = settings.TRUSTED_PROXIES
    address = forwarded[-trusted] if trusted and len(forwarded) >= trusted else request.META["REMOTE_ADDR"]
    try:
        found = ipaddress.ip_address(address)
        # A socket for both kinds calls IPv4 callers ::ffff:192.0.2.1: all of them would be one network of IPv6.
        return str(found.ipv4_mapped or found) if found.version == 6 else str(found)
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - an address to count under, not one to bind to
