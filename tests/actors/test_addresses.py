"""A tenant's URL reaches the public internet and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.addresses import (
    BlockedUrl,
    Origin,
    checked_address,
    checked_origin,
    is_public,
    origin_of,
)

#: Hosts that lead, or that some resolver takes, to loopback, private, link-local, shared,
#: multicast, reserved or documentation space, in every notation we know of.
_FILE = Path(__file__).parents[1] / "fixtures" / "closed_hosts.txt"
HOSTS = [*_FILE.read_text().split(), "loc\u00adalhost", "127.0.0.\u200b1"]

WHOLE = [
    "",
    " ",
    "http://",
    "https://",
    "//example.com/",
    "/relative",
    "example.com",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/_x",
    "dict://example.com:11211/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "ws://example.com/",
    "ldap://example.com/",
    "http:example.com",
    "http:/example.com",
    "http:///example.com",
    "http://user@example.com/",
    "http://user:secret@example.com/",
    "http://@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "http://127.0.0.1?@example.com/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com\t/",
    "http://exam ple.com/",
    "http://example.com/a b",
    "http://example.com/\r\nHost: evil",
    "http://example.com/\x00",
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:6/",
    "http://example.com:0/",
    "http://example.com:70000/",
    "http://example.com:-1/",
    "http://example.com:x/",
    "http://8.8.8.8:21/",
    "http://[::1/",
    "http://::1/",
    "http://[]/",
    "http://./",
    "http://../",
    "http://.example./",
    "https://example.com/" + "x" * 9000,
]

ALLOWED = {
    "https://example.com/hook?x=1#y": Origin("https", "example.com", 443),
    "http://example.com": Origin("http", "example.com", 80),
    "HTTPS://EXAMPLE.com:8443/": Origin("https", "example.com", 8443),
    "https://n8n.empresa.com.br:5678/webhook": Origin("https", "n8n.empresa.com.br", 5678),
    "https://ação.com.br/": Origin("https", "xn--ao-siap.com.br", 443),
    "https://8.8.8.8/": Origin("https", "8.8.8.8", 443),
    "https://[2606:4700::1111]/": Origin("https", "2606:4700::1111", 443),
    "https://example.com./": Origin("https", "example.com.", 443),
    "https://1password.com/": Origin("https", "1password.com", 443),
}


@pytest.mark.parametrize("host", HOSTS)
async def test_no_notation_of_a_closed_address_gets_through(host: str) -> None:
    async def public(_host: str, _port: int) -> Sequence[str]:
        return ["8.8.8.8"]  # even if a resolver were fooled

    for url in (f"http://{host}/", f"https://{host}:8443/x"):
        with pytest.raises(BlockedUrl):
            await checked_address(checked_origin(url), public)


@pytest.mark.parametrize("url", WHOLE)
def test_no_odd_url_gets_through(url: str) -> None:
    with pytest.raises(BlockedUrl):
        checked_origin(url)


@pytest.mark.parametrize("url", sorted(ALLOWED))
async def test_public_addresses_are_allowed(url: str) -> None:
    async def public(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.215.14", "2606:2800:21f::1"]

    origin = checked_origin(url)
    assert origin == ALLOWED[url]
    literal = origin.host[0] in "82" and origin.host[1] in ".6"
    expected = origin.host if literal else "93.184.215.14"
    assert await checked_address(origin, public) == expected


def test_the_corpus_is_large() -> None:
    assert len(HOSTS) + len(WHOLE) >= 150
    assert len(set(HOSTS)) == len(HOSTS)


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],
        ["::1", "8.8.8.8"],
        ["2606:4700::1", "::ffff:10.0.0.1"],
        ["169.254.169.254"],
        ["fe80::1%eth0"],
        ["not an address"],
    ],
)
async def test_a_name_with_one_closed_address_is_closed(answers: list[str]) -> None:
    async def resolver(_host: str, _port: int) -> Sequence[str]:
        return answers

    with pytest.raises(BlockedUrl):
        await checked_address(checked_origin("https://example.com/"), resolver)


async def test_a_name_without_addresses_is_an_error_of_the_network() -> None:
    async def resolver(_host: str, _port: int) -> Sequence[str]:
        return []

    with pytest.raises(OSError, match="address"):
        await checked_address(checked_origin("https://example.com/"), resolver)


def test_origins_compare_as_browsers_do() -> None:
    assert origin_of("http://Graph.test:80/a") == origin_of("http://graph.test/b?c")
    assert origin_of("http://graph.test") != origin_of("https://graph.test")
    assert origin_of("http://127.0.0.1:9") == Origin("http", "127.0.0.1", 9)
    assert origin_of("nonsense") is None


def test_public_means_public_unicast() -> None:
    assert all(map(is_public, ("1.1.1.1", "2606:4700::1111", "2a00:1450::1")))
    assert not any(map(is_public, ("", "8.8.8", "1.1.1.1 ", "٨.8.8.8")))
