"""Where a request comes from."""

import ipaddress
from collections.abc import Callable, Iterable, Sequence

Headers = Sequence[tuple[bytes, bytes]]
"""As ASGI has them: names in small letters."""
Header = Callable[[str], str | None]
"""The value of a header by its small-letter name."""
_MOST_KNOWN = 10_000
UNKNOWN = "unknown"
"""The address of a client that has none (a socket file)."""


class Clients:
    """Addresses of clients. What ``X-Forwarded-For`` says is believed as far as trusted proxies wrote it."""

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(network) for network in trusted_proxies]
        self._accounts: dict[str, str] = {}

    def address(self, forwarded: str | None, peer: str | None) -> str:
        """The client's address: the peer's, or the last one that a trusted proxy was asked by and that is no proxy.

        ``forwarded`` is the value of ``X-Forwarded-For``; the nearest proxy wrote its end.
        """
        if peer is None:
            return UNKNOWN
        if forwarded is None or not self._is_trusted(peer):
            return peer
        for hop in reversed(forwarded.split(",")):
            text = hop.strip()
            if not _is_address(text):
                return peer
            peer = text
            if not self._is_trusted(peer):
                return peer
        return peer

    def account(self, forwarded: str | None, peer: str | None) -> str:
        """Under what the client's requests are counted: its address, for IPv6 the network of its site (/64)."""
        address = self.address(forwarded, peer)
        account = self._accounts.get(address)
        if account is None:
            if len(self._accounts) >= _MOST_KNOWN:
                self._accounts.clear()
            account = self._accounts[address] = _site(address)
        return account

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _site(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((int(parsed), 64), strict=False))
