"""Rate limits and logs: bounded, fair, and silent about secrets."""

import logging

import msgspec
import pytest

from api.errors import TooManyRequests
from api.logs import JsonFormatter, bound
from api.rate_limits import LoginThrottle, RateLimit, network_of


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_empties_and_fills_again():
    clock = Clock()
    limit = RateLimit(burst=2, rate=0.5, clock=clock)
    for _ in range(2):
        assert limit.wait("a") == 0
        limit.take("a")
    assert limit.wait("a") == pytest.approx(2.0)
    assert limit.wait("b") == 0
    clock.now += 2
    assert limit.wait("a") == 0


def test_keys_are_bounded():
    limit = RateLimit(burst=1, rate=0.001, keys=10, clock=Clock())
    for n in range(1000):
        limit.take(str(n))
    assert len(limit._buckets) == 10


async def at_home(account: str, address: str) -> bool:
    return address == "192.0.2.7"


async def test_a_stranger_cannot_lock_an_owner_out():
    clock = Clock()
    throttle = LoginThrottle(clock)
    for n in range(200):
        throttle.failed("ana", f"198.51.100.{n}")
    await throttle.check("ana", "192.0.2.7", at_home)
    with pytest.raises(TooManyRequests):
        await throttle.check("ana", "203.0.113.1", at_home)
    clock.now += 3600
    await throttle.check("ana", "203.0.113.1", at_home)


async def test_one_address_cannot_try_many_accounts():
    throttle = LoginThrottle(Clock())
    for n in range(50):
        throttle.failed(f"user{n}", "192.0.2.9")
    with pytest.raises(TooManyRequests):
        await throttle.check("fresh", "192.0.2.9", at_home)


async def test_an_ipv6_host_is_one_address_whichever_it_chooses():
    throttle = LoginThrottle(Clock())
    for n in range(50):
        throttle.failed(f"user{n}", f"2001:db8:1:2::{n:x}")
    with pytest.raises(TooManyRequests):
        await throttle.check("fresh", "2001:db8:1:2:ffff::1", at_home)
    await throttle.check("fresh", "2001:db8:1:3::1", at_home)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_what_is_limited_as_one(address: str, network: str):
    assert network_of(address) == network


def test_log_lines_are_json_with_who_and_without_secrets():
    record = logging.makeLogRecord(
        {"name": "n", "levelno": 20, "levelname": "INFO", "msg": "hi %s"}
    )
    record.args = ("there",)
    record.token = "secret"
    record.endpoint = "tickets.show"
    with bound(company=3, user=7):
        line = msgspec.json.decode(JsonFormatter().format(record))
    assert (line["text"], line["company"], line["user"]) == ("hi there", 3, 7)
    assert line["endpoint"] == "tickets.show"
    assert "secret" not in str(line)
