"""Which addresses a tenant-supplied URL may reach: public ones, and nothing else.

A name is resolved once and the connection goes to an address that was checked, so an answer that
changes between the check and the connect (DNS rebinding) changes nothing.
"""

import errno
import ipaddress
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, NoReturn

import httpx
import trio

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Special-purpose space that `ipaddress` calls global, or that carries an IPv4 address inside.
_CLOSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the limited broadcast
        "2001::/23",  # protocol assignments: Teredo, ORCHID…
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",  # documentation
    )
)
_UNICAST6 = ipaddress.IPv6Network("2000::/3")

_LOCAL_SUFFIXES = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "localdomain")
_BAD_CHARACTERS = re.compile(r"[\x00-\x20\x7f\\]")
_CREDENTIALS = re.compile(r"[^:/?#]*://[^/?#]*@")
_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)")
_OPEN_PORTS = frozenset((80, 443))


class BlockedUrl(Exception):
    """The URL leads, or may lead, to where it must not; the text says why, without the URL."""


class Origin(NamedTuple):
    """Scheme, host and port, as browsers compare them."""

    scheme: str
    host: str
    port: int


def _block(reason: str) -> NoReturn:
    raise BlockedUrl(reason)


def origin_of(url: str) -> Origin | None:
    """The origin of an http(s) URL; None for anything else, and for a URL that parses oddly."""
    if len(url) > 8192 or _BAD_CHARACTERS.search(url) or _CREDENTIALS.match(url):
        return None
    try:
        parsed = httpx.URL(url)
        port = parsed.port
    except (httpx.InvalidURL, ValueError, TypeError):
        return None
    host = parsed.raw_host.decode("ascii", "replace").lower()
    usual = {"http": 80, "https": 443}.get(parsed.scheme)
    if usual is None or not host:
        return None
    port = usual if port is None else port
    return Origin(parsed.scheme, host, port) if 0 < port < 65536 else None


def is_public(text: str) -> bool:
    """Whether an IP address is a unicast address of the public internet."""
    try:
        address: IpAddress = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None or address not in _UNICAST6:
            return False
    elif not address.is_global:
        return False
    return address.is_global and not any(
        address in network for network in _CLOSED if network.version == address.version
    )


def checked_origin(url: str) -> Origin:
    """The origin of a tenant's URL. Raises BlockedUrl for what no public site needs.

    Refused by form: other schemes, credentials, control characters and backslashes, ports below
    1024 but 80 and 443, names of the local network, and numbers that only some resolvers take for
    an address (decimal, octal, hexadecimal, shortened).
    """
    origin = origin_of(url)
    if origin is None:
        _block("not a plain http or https address")
    if origin.port not in _OPEN_PORTS and origin.port < 1024:
        _block(f"port {origin.port} is not allowed")
    host = origin.host.removeprefix("[").removesuffix("]")
    if ":" in host or _canonical_v4(host):
        if not is_public(host):
            _block("the address is not public")
        return origin._replace(host=host)
    name = host.removesuffix(".")
    last = name.rpartition(".")[2]
    if "" in name.split(".") or "%" in name:
        _block("the host is no name")
    if _NUMBER.fullmatch(last):
        _block("the host is a number in disguise")
    if "." not in name or any(name.endswith(f".{suffix}") for suffix in _LOCAL_SUFFIXES):
        _block("the host is a name of the local network")
    return origin


def _canonical_v4(host: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as the system resolves it. Raises OSError."""
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def checked_address(origin: Origin, resolver: Resolve = resolve) -> str:
    """One address to connect to. Raises BlockedUrl if any address of the name is not public.

    Raises OSError when the name does not resolve.
    """
    if ":" in origin.host or _canonical_v4(origin.host):
        addresses: Sequence[str] = (origin.host,)
    else:
        addresses = await resolver(origin.host, origin.port)
    if not addresses:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    if not all(is_public(address) for address in addresses):
        _block("the name leads to an address that is not public")
    return addresses[0]
