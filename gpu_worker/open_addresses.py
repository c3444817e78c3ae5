"""Which addresses are everybody's: what a name that somebody else gave us may lead to."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

# They carry an IPv4 address inside, which a gateway would go to: NAT64, 6to4, Teredo.
_DISGUISES = [ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]
# Nobody's on the internet, whatever Python's own table says of them: the relays of 6to4, addresses of sites, examples.
_NOWHERE = [ip_network(text) for text in ("192.88.99.0/24", "fec0::/10", "3fff::/20")]


def is_open(address: str) -> bool:
    """Whether everybody on the internet means the same machine by it."""
    known = ip_address(address.partition("%")[0])
    if isinstance(known, IPv6Address):
        if known.ipv4_mapped is not None:
            known = known.ipv4_mapped
        elif any(known in network for network in _DISGUISES):
            return False
    if any(known in network for network in _NOWHERE):
        return False
    return known.is_global and not known.is_multicast and not known.is_reserved
