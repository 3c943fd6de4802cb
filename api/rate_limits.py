"""Limits per key (address, account, company): token buckets in bounded memory."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

import trio

from api.errors import TooManyRequests


class RateLimit:
    """At most `burst` at once and `rate` per second on average, for each key.

    Keys that have been idle longest are forgotten first when there are more than `keys` of them;
    a forgotten key starts full, so the bound favours callers, never memory.
    """

    def __init__(
        self,
        *,
        burst: float,
        rate: float,
        keys: int = 50_000,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._burst = burst
        self._rate = rate
        self._keys = keys
        self._clock = clock or trio.current_time
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds until `key` may go on; 0 when it may now."""
        level = self._level(key)
        return 0.0 if level >= 1 else (1 - level) / self._rate

    def left(self, key: str) -> float:
        """How many uses `key` has left right now."""
        return self._level(key)

    def take(self, key: str) -> None:
        """Count one use of `key`, whether or not it was within the limit."""
        level = self._level(key) - 1
        self._buckets[key] = (max(level, -self._burst), self._clock())
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)

    def give_back(self, key: str) -> None:
        """Count one use of `key` less."""
        if key in self._buckets:
            self._buckets[key] = (min(self._level(key) + 1, self._burst), self._clock())

    def clear(self, key: str) -> None:
        """Forget what `key` used."""
        self._buckets.pop(key, None)

    def _level(self, key: str) -> float:
        level, at = self._buckets.get(key, (self._burst, 0.0))
        return min(self._burst, level + (self._clock() - at) * self._rate)


class Turns:
    """One at a time for each key; who comes meanwhile is refused, not made to wait."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    @contextmanager
    def turn(self, key: int) -> Generator[None]:
        """`key`'s turn for the length of the block. Raises TooManyRequests while it is taken."""
        if key in self._taken:
            raise TooManyRequests(retry_after=5)
        self._taken.add(key)
        try:
            yield
        finally:
            self._taken.discard(key)


class LoginThrottle:
    """Slows down guessing without locking anybody out.

    Tries are counted per network address, per account from that address, and per account over all
    addresses, and given back when they turn out right. The last count does not bind an address from
    which that account has logged in before, so that a stranger who hammers an account cannot keep
    its owner out.

    The counts are in this process's memory, on purpose. One process owns the data, so there is no
    other to share them with, and a write per guess would let whoever guesses load the database. A
    restart forgives one burst of each count (30 guesses of an account) and is nothing that a guesser
    can bring about; where accounts are at home is in the database, and is not forgotten.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._address = RateLimit(burst=50, rate=50 / 900, clock=clock)
        self._pair = RateLimit(burst=6, rate=6 / 300, clock=clock)
        self._account = RateLimit(burst=30, rate=30 / 900, clock=clock)

    async def take(
        self, account: str, address: str, is_at_home: Callable[[str, str], Awaitable[bool]]
    ) -> None:
        """Count a try before its password is looked at: many at once are many tries.

        Raises TooManyRequests while this account or address has tried too often. `is_at_home`
        tells whether the account has logged in from the address before; it is asked only when the
        account is under attack.
        """
        place = network_of(address)
        pair = f"{account}\0{place}"
        if (seconds := max(self._address.wait(place), self._pair.wait(pair))) > 0:
            raise TooManyRequests(retry_after=seconds)
        self._address.take(place)
        self._pair.take(pair)
        seconds = self._account.wait(account)
        if seconds > 0 and not await is_at_home(account, address):
            raise TooManyRequests(retry_after=seconds)
        self._account.take(account)  # with no await since it was looked at, but for those at home

    def succeeded(self, account: str, address: str) -> None:
        """Give a try back, and forget the owner's own mistakes."""
        place = network_of(address)
        self._pair.clear(f"{account}\0{place}")
        self._address.give_back(place)
        self._account.give_back(account)

    def undecided(self, account: str, address: str) -> None:
        """Give a try back whose password was not looked at: that was not the caller's doing."""
        place = network_of(address)
        self._pair.give_back(f"{account}\0{place}")
        self._address.give_back(place)
        self._account.give_back(account)


def network_of(address: str) -> str:
    """What is limited as one: an IPv4 address, or the /64 that an IPv6 host chooses from."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))


class PublicLimits:
    """Limits of the doors that ask for no login, so that nobody can hammer or mail-bomb by them.

    They count in this process's memory, as logins are counted and for the same reasons: a restart
    forgives one burst.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._sign_ups = RateLimit(burst=5, rate=5 / 3600, clock=clock)
        self._letters = RateLimit(burst=20, rate=20 / 3600, clock=clock)
        self._letters_to = RateLimit(burst=3, rate=3 / 900, clock=clock)
        self._guesses = RateLimit(burst=20, rate=20 / 900, clock=clock)

    def sign_up(self, address: str) -> None:
        """Count a company founded from an address. Raises TooManyRequests."""
        _take(self._sign_ups, network_of(address))

    def ask_letter(self, address: str, account: str) -> bool:
        """Count a letter asked for; False when the account was sent enough of them already.

        Raises TooManyRequests for an address that asks for too many.
        """
        _take(self._letters, network_of(address))
        if self._letters_to.wait(account) > 0:
            return False
        self._letters_to.take(account)
        return True

    def guess(self, address: str) -> None:
        """Count a try of a mailed token. Raises TooManyRequests."""
        _take(self._guesses, network_of(address))


def _take(limit: RateLimit, key: str) -> None:
    if (seconds := limit.wait(key)) > 0:
        raise TooManyRequests(retry_after=seconds)
    limit.take(key)
