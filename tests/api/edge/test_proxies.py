"""Who the client is: what the nearest proxy of ours was told, never what the client says itself."""

from ipaddress import ip_network

import pytest

from api.edge.proxies import client_of

OURS = [ip_network("10.0.0.0/8"), ip_network("::1/128")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("9.9.9.9", ["1.2.3.4"], "9.9.9.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4, 10.0.0.2"], "1.2.3.4"),
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.1"),
        ("10.0.0.1", ["not an address"], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.4, "], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("::1", ["1.2.3.4"], "1.2.3.4"),
    ],
)
def test_the_client_is_the_first_hop_that_is_not_ours(
    peer: str, forwarded: list[str], client: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert client_of(peer, headers, OURS) == (client, "http")


@pytest.mark.parametrize(("peer", "scheme"), [("10.0.0.1", "https"), ("9.9.9.9", "http")])
def test_only_our_proxies_say_that_it_was_encrypted(peer: str, scheme: str) -> None:
    assert client_of(peer, [(b"x-forwarded-proto", b" HTTPS ")], OURS)[1] == scheme
    assert client_of(peer, [(b"x-forwarded-proto", b" HTTPS ")], [])[1] == "http"
