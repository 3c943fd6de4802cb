"""Tokens of programs: what the external API lets in, counts, and tells apart from people.

Two kinds. A connection's own token, as the family has it, sends by that connection, and belongs to
it. A token of `/api-tokens` has the scopes it was made with, may expire, may be bound to one
connection, and acts for every company only if an operator made it so.

Such a token is never good for more than who made it is today: it rests while that one is no admin
(for every company: no operator) and ends with their account. Who made it was shown it: an agent who
was an admin would else read the whole company by it, though no login lets them. What an operator
makes while acting as an admin is that admin's.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from actors.configuration import SnapshotCache
from actors.events import RecordChanged
from api.errors import Detail, Forbidden, Invalid, PaymentRequired, TokenRefused, TooManyRequests
from api.principal import Principal
from api.rate_limits import RateLimit, network_of
from api.webhooks.doors import Doors
from storage import api_tokens, users
from storage.api_tokens import PREFIX, ApiToken
from storage.database import Database
from storage.events import DomainEvent
from storage.ids import CompanyId, ConnectionId, UserId

NOUN = "api_token"
OF_CONNECTIONS = frozenset(("messages:send", "numbers:check"))
"""What a connection's own token is good for."""

SHORTEST = 32
"""Characters of a connection's token that a person chooses."""

_LONGEST = 512
_KEPT = 10_000
_TOUCH_EVERY = 60.0


def _now() -> datetime:
    return datetime.now(UTC)


class ApiTokens:
    """Checks programs' tokens and counts what is asked with them. One per process."""

    def __init__(
        self,
        database: Database,
        doors: Doors,
        snapshots: SnapshotCache,
        per_minute: int,
        *,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """`per_minute` requests per token and minute are answered, in bursts of as many."""
        self._database = database
        self._doors = doors
        self._snapshots = snapshots
        self._per_minute = per_minute
        self._clock = clock
        self._uses = RateLimit(burst=per_minute, rate=per_minute / 60)
        self._guesses = RateLimit(burst=50, rate=50 / 900)
        self._choices = RateLimit(burst=20, rate=20 / 3600)
        self._known: OrderedDict[bytes, ApiToken] = OrderedDict()
        self._touched: OrderedDict[int, float] = OrderedDict()
        self._generation = 0

    async def authenticate(self, token: str, address: str) -> Principal:
        """Who a program's token speaks for: no person, the program itself.

        Raises TokenRefused for an unknown or expired token, PaymentRequired for a company that is
        switched off, TooManyRequests for an address that guesses or a token over its limit.
        """
        if token.startswith("eyJ"):  # a login's token: no guess, but no program's either
            raise TokenRefused
        place = network_of(address)
        if (seconds := self._guesses.wait(place)) > 0:
            raise TooManyRequests(retry_after=seconds)
        known = len(token) <= _LONGEST
        if known and token.startswith(PREFIX):
            if (found := await self._find(token)) is not None:
                return await self._by_token(found)
        elif known and (door := await self._doors.by_api_token(token)) is not None:
            return await self._principal(
                door.company_id,
                f"connection {door.connection_id}",
                OF_CONNECTIONS,
                connection_id=door.connection_id,
            )
        self._guesses.take(place)
        raise TokenRefused

    def headers(self, principal: Principal) -> tuple[tuple[str, str], ...]:
        """What is left of the limit, in the headers of the IETF's RateLimit draft."""
        left, full = self._uses.left(principal.program), self._per_minute
        return (
            ("ratelimit-limit", str(full)),
            ("ratelimit-remaining", str(max(int(left), 0))),
            ("ratelimit-reset", str(math.ceil((full - left) / full * 60))),
        )

    def choose(self, company_id: CompanyId, token: str) -> None:
        """Check a token that a person chose for a connection.

        Whether it is taken tells of other companies: it must be too long to guess. Raises Invalid,
        TooManyRequests for a company that tries many.
        """
        if len(token) < SHORTEST:
            raise Invalid(Detail("$.token", f"at least {SHORTEST} characters"))
        if (seconds := self._choices.wait(str(company_id))) > 0:
            raise TooManyRequests(retry_after=seconds)
        self._choices.take(str(company_id))

    def use(self, principal: Principal, times: int) -> None:
        """Count what one request does more often than once. Raises TooManyRequests."""
        for _ in range(times):
            self._count(principal)

    def published(self, pairs: Sequence[tuple[int, DomainEvent]]) -> None:
        """Forget what is known when a committed event changes a token."""
        if any(isinstance(event, RecordChanged) and event.noun == NOUN for _, event in pairs):
            self.forget()

    def forget(self) -> None:
        """Look every token up again, those that are being looked up included."""
        self._generation += 1
        self._known.clear()

    async def _find(self, token: str) -> ApiToken | None:
        key = api_tokens.digest(token)
        if (known := self._known.get(key)) is not None:
            return known
        generation = self._generation
        found = await api_tokens.by_token(self._database, token)
        if found is not None and generation == self._generation:
            self._known[key] = found
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return found

    async def _by_token(self, token: ApiToken) -> Principal:
        moment = self._clock()
        if api_tokens.is_expired(token, moment):
            raise TokenRefused
        if not await self._could_be_made_today(token):
            raise TokenRefused(Detail("$", "who made this token may not make it any more"))
        principal = await self._principal(
            token.company_id,
            f"token {token.id}",
            frozenset(token.scopes),
            token_id=token.id,
            connection_id=token.connection_id,
            is_super=token.installation,
        )
        await self._touch(token, moment.timestamp())
        return principal

    async def _could_be_made_today(self, token: ApiToken) -> bool:
        """Whether who made it has the rank that it takes.

        Operators are asked for each time: their rank is given and taken beside the server.
        """
        if token.user_id is None:
            return False
        if token.installation:
            operator = await users.find(self._database, token.company_id, token.user_id)
            return operator is not None and operator.is_super
        snapshot = await self._snapshots.current(token.company_id)
        maker = snapshot.users.get(token.user_id)
        return maker is not None and maker.is_admin

    async def _principal(
        self,
        company_id: CompanyId,
        program: str,
        scopes: frozenset[str],
        *,
        token_id: int | None = None,
        connection_id: ConnectionId | None = None,
        is_super: bool = False,
    ) -> Principal:
        snapshot = await self._snapshots.current(company_id)
        if not snapshot.company.status:
            raise PaymentRequired
        admins: list[UserId] = [u.id for u in snapshot.users.values() if u.profile == "admin"]
        if not admins:
            raise Forbidden
        principal = Principal(
            user_id=min(admins),
            company_id=company_id,
            name="",
            profile="program",
            is_super=is_super,
            department_ids=(),
            all_ticket=False,
            all_historic=False,
            all_user_chat=False,
            allow_group=False,
            expires_at=math.inf,
            family="",
            program=program,
            scopes=scopes,
            token_id=token_id,
            connection_id=connection_id,
        )
        self._count(principal)
        return principal

    def _count(self, principal: Principal) -> None:
        seconds = self._uses.wait(principal.program)
        if seconds > 0:
            raise TooManyRequests(retry_after=seconds, headers=self.headers(principal))
        self._uses.take(principal.program)

    async def _touch(self, token: ApiToken, moment: float) -> None:
        """Note the use, at most once a minute: a program may ask a thousand times in it."""
        if moment - self._touched.get(token.id, 0.0) < _TOUCH_EVERY:
            return
        self._touched[token.id] = moment
        self._touched.move_to_end(token.id)
        if len(self._touched) > _KEPT:
            self._touched.popitem(last=False)
        await api_tokens.touch(self._database, token.company_id, token.id)
