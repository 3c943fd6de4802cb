"""Who the tokens and cookies of login sessions speak for, and how those sessions end.

Access tokens are checked by signature and remembered for a moment with what their user may do;
whatever takes rights away (an ended session, a changed user) makes that forgotten at once.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from actors.events import RecordChanged, UserChanged, UserRemoved
from api.auth.refusals import Revoked, RotatedOut
from api.principal import Principal
from api.tokens import Clock, ExpiredToken, InvalidToken, Tokens
from storage import bearers, refresh_families
from storage.database import Database
from storage.events import DomainEvent
from storage.ids import CompanyId, UserId

_FRESH_SECONDS = 30.0
_CACHED = 20_000


class Bearers:
    """Checks what requests and sockets show, and ends login sessions. One per process."""

    def __init__(self, database: Database, tokens: Tokens, grace: float, clock: Clock) -> None:
        """`grace` is for how many seconds a refresh token that was rotated is still answered."""
        self._database = database
        self._tokens = tokens
        self._grace = grace
        self._clock = clock
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()
        self._withdrawn = 0
        """How often rights were withdrawn: what was read before may not be kept after."""
        self._on_revoked: list[Callable[[str], None]] = []

    def on_revoked(self, callback: Callable[[str], None]) -> None:
        """Have `callback(family)` called when a session ends, so that its sockets end too."""
        self._on_revoked.append(callback)

    async def end(self, company_id: CompanyId, family: str, reason: str) -> None:
        """End a session, and those in which its operator acts as somebody else."""
        ended = await refresh_families.revoke(self._database, company_id, family, reason)
        self.ended([family, *(other for other in ended if other != family)])

    async def end_all(
        self, company_id: CompanyId, user_id: UserId, reason: str, *, keep: str | None = None
    ) -> None:
        """End every session of a user but `keep`: after a new password, before a deletion."""
        ended = await refresh_families.revoke_user(
            self._database, company_id, user_id, reason, keep=keep or ""
        )
        self.ended(ended)

    def ended(self, families: Sequence[str]) -> None:
        """Take note that these sessions have ended: their tokens and sockets end with them."""
        gone = frozenset(families)
        self._forget(lambda principal: principal.family in gone)
        for family in families:
            for callback in self._on_revoked:
                callback(family)

    async def authenticate(self, token: str) -> Principal:
        """Who an access token speaks for; cheap when it was seen within the last 30 s.

        Raises ExpiredToken or InvalidToken (403: refresh and repeat), Revoked (401: log in).
        """
        moment = self._clock()
        known = self._known.get(token)
        if known is not None and known[1] > moment and known[0].expires_at > moment:
            return known[0]
        claims = self._tokens.read_access(token)
        withdrawn = self._withdrawn
        principal = await self._principal(
            claims.companyId, claims.id, claims.sessionId, float(claims.exp)
        )
        if withdrawn != self._withdrawn:
            return principal  # perhaps as it was before: asked again next time
        self._known[token] = (principal, moment + _FRESH_SECONDS)
        self._known.move_to_end(token)
        if len(self._known) > _CACHED:
            self._known.popitem(last=False)
        return principal

    async def authenticate_cookie(self, token: str, *, kept: bool = False) -> Principal:
        """Who a refresh cookie speaks for, without rotating it.

        Raises Revoked. A cookie that was rotated out was copied, as in `refresh`, and ends the
        session; not one that a socket has `kept` since its handshake, which is refused only.
        """
        try:
            claims = self._tokens.read_refresh(token)
        except (InvalidToken, ExpiredToken) as error:
            raise Revoked from error
        try:
            return await self._principal(
                claims.companyId, claims.id, claims.family, float(claims.exp), claims.generation
            )
        except RotatedOut:
            if not kept:
                await self.end(claims.companyId, claims.family, "reuse")
            raise

    async def revalidate(self, principal: Principal) -> Principal:
        """The principal as of now. Raises Revoked when the session or the user is gone."""
        return await self._principal(
            principal.company_id, principal.user_id, principal.family, principal.expires_at
        )

    def published(self, pairs: Sequence[tuple[int, DomainEvent]]) -> None:
        """Forget cached principals of users that a committed event changed."""
        for _, event in pairs:
            if isinstance(event, UserChanged):
                if not event.presence:  # coming and going gives and takes no right
                    self._forget_user(event.user.id)
            elif isinstance(event, UserRemoved):
                self._forget_user(event.user_id)
            elif isinstance(event, RecordChanged) and event.noun == "department":
                self._forget_company(event.company_id)

    async def _principal(
        self,
        company_id: CompanyId,
        user_id: UserId,
        family: str,
        expires_at: float,
        generation: int | None = None,
    ) -> Principal:
        bearer = await bearers.look(
            self._database, company_id, user_id, family, generation=generation, grace=self._grace
        )
        user, standing = bearer.user, bearer.standing
        if user is None or standing is None:
            raise Revoked
        if not standing.accepted:
            raise RotatedOut
        return Principal(
            user_id=user.id,
            company_id=user.company_id,
            name=user.name,
            profile=user.profile,
            is_super=user.is_super,
            department_ids=bearer.department_ids,
            all_ticket=user.all_ticket,
            all_historic=user.all_historic,
            all_user_chat=user.all_user_chat,
            allow_group=user.allow_group,
            allow_real_time=user.allow_real_time,
            allow_connections=user.allow_connections,
            show_dashboard=user.show_dashboard,
            close_pending_ticket=user.close_pending_ticket,
            expires_at=expires_at,
            family=family,
            impersonator_id=standing.impersonator_id,
            impersonator_company_id=standing.impersonator_company_id,
        )

    def _forget_user(self, user_id: UserId) -> None:
        self._forget(lambda principal: principal.user_id == user_id)

    def _forget_company(self, company_id: CompanyId) -> None:
        self._forget(lambda principal: principal.company_id == company_id)

    def _forget(self, matches: Callable[[Principal], bool]) -> None:
        self._withdrawn += 1
        gone = [token for token, (principal, _) in self._known.items() if matches(principal)]
        for token in gone:
            del self._known[token]
