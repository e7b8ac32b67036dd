"""Which addresses webhooks may go to: of the public internet, and what is allowed by hand; the check is pure."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# the special registries of IANA as a table of our own: what Python calls global differs between its versions
_NOT_PUBLIC_4 = {
    "0.0.0.0/8": "unspecified",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "of a provider's own network",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "for documentation",
    "192.31.196.0/24": "reserved",
    "192.52.193.0/24": "reserved",
    "192.88.99.0/24": "reserved",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "reserved",
    "198.18.0.0/15": "for measurements",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_NOT_PUBLIC_6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::ffff:0:0/96": "an IPv4 address in IPv6",
    "64:ff9b::/96": "an IPv4 address in IPv6",
    "fc00::/7": "unique local",
    "fe80::/10": "link-local",
    "ff00::/8": "multicast",
    "2001::/23": "reserved",
    "2001:db8::/32": "for documentation",
    "2002::/16": "an IPv4 address in IPv6",
    "2620:4f:8000::/48": "reserved",
    "3fff::/20": "for documentation",
}
_PUBLIC_6 = ipaddress.ip_network("2000::/3")
_KINDS: list[tuple[Network, str]] = [
    (ipaddress.ip_network(text), kind) for text, kind in (_NOT_PUBLIC_4 | _NOT_PUBLIC_6).items()
]


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks as people write them: `10.1.0.0/16`, `fd00::/8`, `127.0.0.1`.

    Raises:
        ValueError: One of them is none; names it.
    """
    return tuple(ipaddress.ip_network(text) for text in texts)


def why_refused(address: Address, allowed: Iterable[Network] = ()) -> str | None:
    """What an address is that no webhook may go to, None for one that it may.

    Args:
        allowed: Networks to which they may go all the same.
    """
    if any(address.version == one.version and address in one for one in allowed):
        return None
    for network, kind in _KINDS:
        if address.version == network.version and address in network:
            return kind
    if address.version == 6 and (address not in _PUBLIC_6 or getattr(address, "scope_id", None)):  # noqa: PLR2004
        return "reserved"
    return None


def is_own(address: Address) -> bool:
    """Whether it is one of this machine: the system then sends from the address itself. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return bool(ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == address)
    except OSError:
        return False


def public_addresses(host: str, port: int, allowed: Iterable[Network]) -> list[Address]:
    """Every address of a host, once each of them is one that webhooks may go to.

    Raises:
        ValueError: One is not; or the host has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{host} has no address: {getattr(error, 'strerror', None) or error}") from None
    addresses = [ipaddress.ip_address(str(one[4][0])) for one in found]
    allowed = tuple(allowed)
    for one in addresses:
        kind = why_refused(one, allowed)
        if (
            kind is None
            and is_own(one)
            and not any(one.version == net.version and one in net for net in allowed)
        ):
            kind = "of this machine"
        if kind is not None:
            raise ValueError(
                f"{host} is at {one}, which is {kind}; --webhook-allow {one} lets webhooks go there"
            )
    return list(dict.fromkeys(addresses))
