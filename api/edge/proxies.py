"""Who the client is when a trusted proxy stands in front (X-Forwarded-For, X-Forwarded-Proto)."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from api.edge.requests import Header

Networks = Sequence[IPv4Network | IPv6Network]


def is_trusted(host: str, trusted: Networks) -> bool:
    """Tell whether `host` is one of our own proxies."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in trusted)


def client_of(peer: str, headers: Sequence[Header], trusted: Networks) -> tuple[str, str]:
    """Return (client host, scheme).

    Walks X-Forwarded-For from the right past our own proxies only, so that a client cannot choose
    its address by sending the header itself.
    """
    if not trusted or not is_trusted(peer, trusted):
        return peer, "http"
    scheme = "http"
    hops: list[str] = []
    for name, value in headers:
        if name == b"x-forwarded-for":
            hops += [hop.strip() for hop in value.decode("latin-1").split(",")]
        elif name == b"x-forwarded-proto" and value.strip().lower() == b"https":
            scheme = "https"
    for hop in reversed(hops):
        if not is_trusted(hop, trusted):
            return (hop if _is_address(hop) else peer), scheme
    return peer, scheme


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
