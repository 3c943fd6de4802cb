"""Tokens of the external API: each opens one connection of one company, and no other door."""

import math

from actors.configuration import SnapshotCache
from api.errors import Forbidden, PaymentRequired, TokenRefused, TooManyRequests
from api.principal import Principal
from api.rate_limits import RateLimit
from api.webhooks.doors import Doors

_LONGEST = 512
PROFILE = "connection"


class ApiTokens:
    """Checks connection tokens and counts what is asked with them. One per process."""

    def __init__(self, doors: Doors, snapshots: SnapshotCache, per_minute: int) -> None:
        """`per_minute` requests per connection and minute are answered, in bursts of as many."""
        self._doors = doors
        self._snapshots = snapshots
        self._per_minute = per_minute
        self._uses = RateLimit(burst=per_minute, rate=per_minute / 60)
        self._guesses = RateLimit(burst=50, rate=50 / 900)

    async def authenticate(self, token: str, address: str) -> Principal:
        """Who a connection's token speaks for: no person, the connection itself.

        Raises TokenRefused for an unknown token, PaymentRequired for a company that is switched
        off, TooManyRequests for an address that guesses or a connection over its limit.
        """
        if (seconds := self._guesses.wait(address)) > 0:
            raise TooManyRequests(retry_after=seconds)
        door = await self._doors.by_api_token(token) if len(token) <= _LONGEST else None
        if door is None:
            self._guesses.take(address)
            raise TokenRefused
        snapshot = await self._snapshots.current(door.company_id)
        if not snapshot.company.status:
            raise PaymentRequired
        admins = [user.id for user in snapshot.users.values() if user.profile == "admin"]
        if not admins:
            raise Forbidden
        self._count(str(door.connection_id))
        return Principal(
            user_id=min(admins),
            company_id=door.company_id,
            name="",
            profile=PROFILE,
            is_super=False,
            department_ids=(),
            all_ticket=False,
            all_historic=False,
            all_user_chat=False,
            allow_group=False,
            expires_at=math.inf,
            family="",
            connection_id=door.connection_id,
        )

    def headers(self, principal: Principal) -> tuple[tuple[str, str], ...]:
        """What is left of the limit, in the headers of the IETF's RateLimit draft."""
        return self._headers(str(principal.connection_id))

    def _count(self, key: str) -> None:
        seconds = self._uses.wait(key)
        if seconds > 0:
            raise TooManyRequests(retry_after=seconds, headers=self._headers(key))
        self._uses.take(key)

    def _headers(self, key: str) -> tuple[tuple[str, str], ...]:
        left, full = self._uses.left(key), self._per_minute
        return (
            ("ratelimit-limit", str(full)),
            ("ratelimit-remaining", str(max(int(left), 0))),
            ("ratelimit-reset", str(math.ceil((full - left) / full * 60))),
        )
