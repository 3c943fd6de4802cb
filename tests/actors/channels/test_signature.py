"""Only the app can speak to the webhook."""

import hashlib
import hmac

import pytest

from actors.channels.whatsapp_cloud import challenge, signature, verified

SECRET = "app secret"
BODY = b'{"text":"ol\\u00e1"}'


def test_a_body_signed_with_the_secret_is_verified() -> None:
    expected = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    assert signature(SECRET, BODY) == f"sha256={expected}"
    assert verified(SECRET, BODY, f"sha256={expected}")
    assert verified(SECRET, BODY, f"sha256={expected.upper()}")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        "sha256=00",
        "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
        hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest(),
        "sha256=" + hmac.new(b"other", BODY, hashlib.sha256).hexdigest(),
        "sha256=é\udcff",
    ],
)
def test_anything_else_is_not(header: str | None) -> None:
    assert not verified(SECRET, BODY, header)


def test_the_same_json_in_other_bytes_is_not_verified() -> None:
    assert not verified(SECRET, '{"text":"olá"}'.encode(), signature(SECRET, BODY))


def test_without_a_secret_nothing_is_verified() -> None:
    assert not verified("", BODY, signature("", BODY))


def test_the_challenge_is_echoed_for_the_right_token_only() -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "tökén", "hub.challenge": "<b>17</b>"}
    assert challenge(query, "tökén") == "<b>17</b>"
    assert challenge(query, "other") is None
    assert challenge(query, "") is None
    assert challenge({**query, "hub.verify_token": ""}, "") is None
    assert challenge({**query, "hub.mode": "unsubscribe"}, "tökén") is None
    assert challenge({}, "tökén") is None
    assert challenge({**query, "hub.verify_token": "\udcff"}, "tökén") is None
