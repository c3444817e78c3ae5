"""Where a request comes from: as much of it as is needed to count, and no more."""

from __future__ import annotations

import hashlib
import ipaddress

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

IPV4_PREFIX_BITS = 24
IPV6_PREFIX_BITS = 56


def fingerprint_of(request: HttpRequest) -> str:
    """The caller's network prefix, hashed with the day: enough to count, not enough to follow."""
    salted = f"{settings.SECRET_KEY}|{timezone.now():%Y-%m-%d}|{prefix_of(request)}"
    return hashlib.sha256(salted.encode()).hexdigest()[:32]


def prefix_of(request: HttpRequest) -> str:
    """The first address of the caller's network (IPv4 /24, IPv6 /56): what limits count and sessions show."""
    address = ipaddress.ip_address(_address_of(request))
    bits = IPV4_PREFIX_BITS if address.version == 4 else IPV6_PREFIX_BITS
    return str(ipaddress.ip_network((address, bits), strict=False).network_address)


def is_loopback(request: HttpRequest) -> bool:
    """Whether the caller sits at this machine, and no proxy speaks for somebody else."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    return ipaddress.ip_address(_address_of(request)).is_loopback


def _address_of(request: HttpRequest) -> str:
    """Behind N trusted proxies the N-th address from the right is the one that the outermost of them saw."""
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    trusted = settings.TRUSTED_PROXIES
    address = forwarded[-trusted] if trusted and len(forwarded) >= trusted else request.META["REMOTE_ADDR"]
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - an address to count under, not one to bind to
