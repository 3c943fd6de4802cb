"""Rate limits and logs: bounded, fair, and silent about secrets."""

import logging
import threading

import msgspec
import pytest
import trio
import trio.testing

from api.errors import TooManyRequests
from api.logs import JsonFormatter, bound
from api.passwords import Passwords
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


async def nowhere(account: str, address: str) -> bool:
    return False


async def test_a_stranger_cannot_lock_an_owner_out():
    clock = Clock()
    throttle = LoginThrottle(clock)
    for n in range(30):
        await throttle.take("ana", f"198.51.100.{n}", nowhere)
    await throttle.take("ana", "192.0.2.7", at_home)
    with pytest.raises(TooManyRequests):
        await throttle.take("ana", "203.0.113.1", at_home)
    clock.now += 3600
    await throttle.take("ana", "203.0.113.1", at_home)


async def test_one_address_cannot_try_many_accounts():
    throttle = LoginThrottle(Clock())
    for n in range(50):
        await throttle.take(f"user{n}", "192.0.2.9", nowhere)
    with pytest.raises(TooManyRequests):
        await throttle.take("fresh", "192.0.2.9", at_home)


async def test_an_ipv6_host_is_one_address_whichever_it_chooses():
    throttle = LoginThrottle(Clock())
    for n in range(50):
        await throttle.take(f"user{n}", f"2001:db8:1:2::{n:x}", nowhere)
    with pytest.raises(TooManyRequests):
        await throttle.take("fresh", "2001:db8:1:2:ffff::1", at_home)
    await throttle.take("fresh", "2001:db8:1:3::1", at_home)


async def test_logins_that_succeed_or_could_not_be_checked_are_no_guesses():
    throttle = LoginThrottle(Clock())
    for n in range(200):
        await throttle.take(f"user{n}", "192.0.2.9", nowhere)
        throttle.succeeded(f"user{n}", "192.0.2.9")
    for _ in range(200):
        await throttle.take("ana", "192.0.2.9", nowhere)
        throttle.undecided("ana", "192.0.2.9")


async def test_who_is_refused_long_enough_has_no_burst_again_at_once():
    clock = Clock()
    throttle = LoginThrottle(clock)
    for _ in range(6):
        await throttle.take("ana", "192.0.2.9", nowhere)
    for _ in range(200):
        with pytest.raises(TooManyRequests):
            await throttle.take("ana", "192.0.2.9", nowhere)
    clock.now += 51  # one try in 50 s
    await throttle.take("ana", "192.0.2.9", nowhere)
    with pytest.raises(TooManyRequests):
        await throttle.take("ana", "192.0.2.9", nowhere)


class Slow:
    """A check of passwords that lasts until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.going = 0
        self.go = threading.Event()
        monkeypatch.setattr("api.passwords.bcrypt.checkpw", self.check)

    def check(self, password: bytes, hashed: bytes) -> bool:
        if password == b"slow":
            self.going += 1
            self.go.wait(30)
        return True


async def test_who_sends_many_passwords_waits_behind_the_own_ones(monkeypatch: pytest.MonkeyPatch):
    slow, passwords = Slow(monkeypatch), Passwords(4)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(passwords.verify, "slow", "hash", "192.0.2.9")
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(20):
            assert await passwords.verify("quick", "hash", "192.0.2.1")
            assert await passwords.hash("quick", "192.0.2.1")
        assert slow.going <= 1
        slow.go.set()
    assert passwords._turns == {}


async def test_who_waits_too_long_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
):
    slow, passwords = Slow(monkeypatch), Passwords(4)
    matched: list[bool] = []

    async def first() -> None:
        matched.append(await passwords.verify("slow", "hash", "192.0.2.9"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(TooManyRequests):
            await passwords.verify("quick", "hash", "192.0.2.9")
        with pytest.raises(TooManyRequests):
            await passwords.hash("quick", "192.0.2.9")
        slow.go.set()
    assert matched == [True]  # what had begun is carried through
    assert passwords._turns == {}


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
