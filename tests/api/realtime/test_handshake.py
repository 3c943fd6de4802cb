"""What is kept of a session's first request."""

import pytest

from api.realtime.arguments import offered_token
from api.realtime.handshake import Request, handshake_of
from api.realtime.settings import RealtimeSettings
from api.realtime.transports import MAX_TOKEN, Handshake

SETTINGS = RealtimeSettings(origins=("https://app.test",))


def kept(
    query: dict[str, str], origin: str | None = "https://app.test", cookie: str = ""
) -> Handshake:
    headers = {b"host": b"api.test", b"cookie": cookie.encode()}
    if origin is not None:
        headers[b"origin"] = origin.encode()
    return handshake_of(Request("GET", query, headers, "127.0.0.1"), SETTINGS)


def test_the_token_and_the_login_are_kept_and_nothing_else() -> None:
    many = {f"field{n}": "x" * 400 for n in range(60)}
    found = kept({"token": "t", **many}, cookie="a=" + "y" * 9_000 + "; jrt=login; b=2")
    assert found == Handshake("t", "login")


def test_what_is_too_long_is_not_kept_whole_and_offers_nothing() -> None:
    found = kept({"token": "t" * 30_000}, cookie="jrt=" + "c" * 30_000)
    assert len(found.token) == len(found.cookie) == MAX_TOKEN + 1
    assert offered_token(found, {}) is None
    assert offered_token(found, {"token": "Bearer mine"}) == "mine"


@pytest.mark.parametrize("origin", [None, "https://other.test", "null"])
def test_a_cookie_counts_from_a_listed_origin_only(origin: str | None) -> None:
    assert kept({}, origin, "jrt=login").cookie == ""
    assert kept({}, cookie="jrt=login").cookie == "login"


@pytest.mark.parametrize("cookie", ["", "jrt", "=", "jrt=; x", "\xff=\xff", "a b c=1; jrt=l"])
def test_odd_cookies_are_no_error(cookie: str) -> None:
    assert isinstance(kept({}, cookie=cookie).cookie, str)
