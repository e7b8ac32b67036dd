"""Where webhooks may go: every range that is not public is refused, whatever it is called."""

import ipaddress
import socket

import pytest

from prismq_worker_sdk.taskmanager import addresses
from prismq_worker_sdk.taskmanager.addresses import is_own, networks, public_addresses, why_refused

REFUSED = {
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.1"],
    "of a provider's own network": ["100.64.0.1", "100.127.255.255"],
    "link-local": ["169.254.169.254", "fe80::1", "febf::1"],
    "unique local": ["fc00::1", "fd12:3456::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "reserved": [
        "192.0.0.8",
        "240.0.0.1",
        "255.255.255.255",
        "2001::1",
        "2001:20::1",
        "fec0::1",
        "::7f00:1",
        "100::1",
        "4000::1",
        "5f00::1",
        "64:ff9b:1::1",
    ],
    "for documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "for measurements": ["198.18.0.1", "198.19.255.255"],
    "an IPv4 address in IPv6": ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::1"],
}
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "11.0.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450:4001::1",
]


@pytest.mark.parametrize(("kind", "address"), [(kind, one) for kind, some in REFUSED.items() for one in some])
def test_what_is_not_public_is_refused(kind, address):
    assert why_refused(ipaddress.ip_address(address)) == kind


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_not(address):
    assert why_refused(ipaddress.ip_address(address)) is None


def test_what_is_allowed_by_hand_is_not_refused_and_nothing_beside_it():
    allowed = networks(["10.1.0.0/16", "::1"])

    assert why_refused(ipaddress.ip_address("10.1.2.3"), allowed) is None
    assert why_refused(ipaddress.ip_address("::1"), allowed) is None
    assert why_refused(ipaddress.ip_address("10.2.0.1"), allowed) == "private"
    assert why_refused(ipaddress.ip_address("::ffff:10.1.2.3"), allowed) == "an IPv4 address in IPv6"


def test_an_address_of_this_machine_is_known():
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address("8.8.8.8"))


def found(*texts):
    return lambda *_arguments, **_more: [(None, None, None, "", (text, 443)) for text in texts]


def test_one_bad_address_of_a_name_refuses_it(monkeypatch):
    monkeypatch.setattr(addresses, "is_own", lambda _address: False)
    monkeypatch.setattr(socket, "getaddrinfo", found("8.8.8.8", "10.0.0.1"))
    with pytest.raises(
        ValueError, match=r"hooks.example is at 10.0.0.1, which is private; --webhook-allow 10.0.0.1"
    ):
        public_addresses("hooks.example", 443, ())
    assert len(public_addresses("hooks.example", 443, networks(["10.0.0.0/8"]))) == 2


def test_a_public_address_of_this_machine_is_refused_unless_it_is_allowed(monkeypatch):
    monkeypatch.setattr(addresses, "is_own", lambda _address: True)
    monkeypatch.setattr(socket, "getaddrinfo", found("8.8.8.8"))
    with pytest.raises(ValueError, match="which is of this machine"):
        public_addresses("hooks.example", 443, ())
    assert public_addresses("hooks.example", 443, networks(["8.8.8.8"]))


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "localhost"])
def test_other_ways_to_write_loopback_are_refused_too(host):
    with pytest.raises(ValueError, match="which is loopback"):
        public_addresses(host, 80, ())
