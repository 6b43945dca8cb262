"""Where a request comes from, and who may say so."""

import pytest

from foretaste.api.clients import UNKNOWN, Clients

PROXIES = ("10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("forwarded", "peer", "expected"),
    [
        (None, "203.0.113.7", "203.0.113.7"),
        (None, None, UNKNOWN),
        ("198.51.100.1", None, UNKNOWN),
        ("198.51.100.1", "203.0.113.7", "203.0.113.7"),  # whoever asks directly is not believed
        ("198.51.100.1", "10.0.0.1", "198.51.100.1"),
        ("1.2.3.4, 198.51.100.1", "10.0.0.1", "198.51.100.1"),  # what a client wrote itself stands in front
        ("198.51.100.1, 10.0.0.2", "10.0.0.1", "198.51.100.1"),  # two proxies of ours
        ("10.0.0.3, 10.0.0.2", "::1", "10.0.0.3"),
        ("198.51.100.1, rubbish", "10.0.0.1", "10.0.0.1"),
        ("", "10.0.0.1", "10.0.0.1"),
        (",,,", "10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "10.0.0.1", "2001:db8::1"),
        ("198.51.100.1", "a socket file", "a socket file"),
    ],
)
def test_proxies_are_believed_as_far_as_they_are_ours(forwarded, peer, expected):
    assert Clients(PROXIES).address(forwarded, peer) == expected


def test_without_proxies_nobody_is_believed():
    assert Clients().address("198.51.100.1", "127.0.0.1") == "127.0.0.1"


def test_all_addresses_of_an_ipv6_site_are_counted_as_one():
    clients = Clients()
    one, two = clients.account(None, "2001:db8:1:2::5"), clients.account(None, "2001:db8:1:2:ffff::6")
    assert one == two == "2001:db8:1:2::/64"
    assert clients.account(None, "2001:db8:1:3::5") != one
    assert clients.account(None, "198.51.100.1") != clients.account(None, "198.51.100.2")


def test_memory_is_bounded():
    clients = Clients()
    for n in range(10_050):
        clients.account(None, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(clients._accounts) <= 10_000
