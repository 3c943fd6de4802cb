"""Login sessions: passwords in, short access tokens and a rotating refresh token out.

A login opens a *family*: a chain of refresh tokens of which the newest is valid. Browsers of the
family send several refreshes at once with one cookie, so a token that was just rotated is
answered with the same successor for a short grace; after that its return means that it was
copied, and the whole family is revoked.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from actors.events import RecordChanged, UserChanged, UserLoggedIn, UserRemoved
from api.errors import Forbidden, PaymentRequired, Unauthorized
from api.passwords import Passwords
from api.principal import Principal
from api.rate_limits import LoginThrottle
from api.settings import Settings
from api.tokens import AccessClaims, Clock, ExpiredToken, InvalidToken, RefreshClaims, Tokens, now
from api.working_hours import within_hours
from storage import companies, refresh_families, users
from storage.database import Database
from storage.events import DomainEvent
from storage.ids import CompanyId, UserId
from storage.refresh_families import RefreshFamily
from storage.time_zones import zone
from storage.users import Login, User

_FRESH_SECONDS = 30.0
_CACHED = 20_000


class Revoked(Unauthorized):
    """The login session was ended: logout, reuse of an old token, or the user is gone (401)."""


class _RotatedOut(Revoked):
    """The refresh token is neither the newest nor within the grace."""


class BadCredentials(Unauthorized):
    """Unknown address or wrong password; which of them is not told (401)."""

    code = "ERR_INVALID_CREDENTIALS"


class OutOfHours(Unauthorized):
    """Outside this user's working hours (401)."""

    code = "ERR_OUT_OF_HOURS"


class Session(NamedTuple):
    """What a login or refresh yields: both tokens, who it is, and when the cookie ends."""

    access: str
    refresh: str
    user: User
    family: str
    expires_at: datetime


class Auth:
    """Opens, refreshes, ends and checks login sessions. One per process."""

    def __init__(self, settings: Settings, database: Database, *, clock: Clock = now) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        keys = settings.secrets
        self.tokens = Tokens(keys.jwt_secret, keys.jwt_refresh_secret, clock)
        self.passwords = Passwords(settings.bcrypt_rounds)
        self._throttle = LoginThrottle()
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()
        self._withdrawn = 0
        """How often rights were withdrawn: what was read before may not be kept after."""
        self._on_revoked: list[Callable[[str], None]] = []

    def on_revoked(self, callback: Callable[[str], None]) -> None:
        """Have `callback(family)` called when a session ends, so that its sockets end too."""
        self._on_revoked.append(callback)

    async def login(self, email: str, password: str, *, address: str, agent: str) -> Session:
        """Open a session. A wrong password and an unknown address take the same time.

        Raises TooManyRequests, BadCredentials, OutOfHours or PaymentRequired (company switched
        off).
        """
        account = email.strip().lower()
        at_home = partial(refresh_families.is_at_home, self._database)
        await self._throttle.take(account, address, at_home)
        try:
            login = await users.login_by_email(self._database, account)
            hashed = login.password_hash if login else None
            matches = await self.passwords.verify(password, hashed, address)
        except Exception:
            self._throttle.undecided(account, address)
            raise
        if login is None or not matches:
            raise BadCredentials
        self._throttle.succeeded(account, address)
        self._check_door(login)
        session = await self._opened(
            login.company_id, login.id, address, agent, seen=login.password_hash
        )
        if session is None:  # what was checked above has changed meanwhile
            raise await self._changed(account)
        await self._announce(session)
        return session

    async def impersonate(
        self, operator: Principal, company_id: CompanyId, *, address: str, agent: str
    ) -> Session:
        """Open a session in which an operator acts as a company's first admin.

        It ends with the operator's own session and with the operator's rights. Nobody else is
        logged out by it. Raises Forbidden to whom acts as somebody else already, NotFound for a
        company without an admin.
        """
        if operator.impersonator_id is not None:
            raise Forbidden
        origin = await refresh_families.find(self._database, operator.company_id, operator.family)
        if origin is None:
            raise Revoked
        admin_id = await users.first_admin(self._database, company_id)
        session = await self._opened(company_id, admin_id, address, agent, origin=origin)
        if session is None:
            raise Revoked
        return session

    async def return_from(self, principal: Principal) -> Session:
        """End acting as somebody else; the operator's own session goes on.

        Raises Forbidden when nobody is impersonated, Revoked when that session has ended.
        """
        acting = await refresh_families.find(self._database, principal.company_id, principal.family)
        if acting is None:
            raise Revoked
        if acting.origin_family is None or acting.impersonator_company_id is None:
            raise Forbidden
        origin = await refresh_families.find(
            self._database, acting.impersonator_company_id, acting.origin_family
        )
        await self.logout(principal.company_id, principal.family)
        if origin is None:
            raise Revoked
        return await self._session(origin)

    async def _opened(
        self,
        company_id: CompanyId,
        user_id: UserId,
        address: str,
        agent: str,
        *,
        seen: str | None = None,
        origin: RefreshFamily | None = None,
    ) -> Session | None:
        family = await refresh_families.create(
            self._database,
            company_id,
            family=secrets.token_urlsafe(24),
            user_id=user_id,
            lifetime=float(self._settings.refresh_token_seconds),
            address=address,
            user_agent=agent[:255],
            seen=seen,
            origin=origin,
        )
        return None if family is None else await self._session(family)

    async def _changed(self, account: str) -> Unauthorized | PaymentRequired:
        """Why a login that was under way opens nothing any more."""
        login = await users.login_by_email(self._database, account)
        return PaymentRequired() if login and not login.company_status else BadCredentials()

    async def refresh(self, token: str) -> Session:
        """The next tokens of a session; the same ones for every request inside the grace.

        Raises Revoked for anything that is not the newest token or within the grace; a reused
        one ends the whole session.
        """
        try:
            claims = self.tokens.read_refresh(token)
        except (InvalidToken, ExpiredToken) as error:
            raise Revoked from error
        family = await refresh_families.rotate(
            self._database,
            claims.companyId,
            claims.family,
            claims.generation,
            grace=self._settings.refresh_grace_seconds,
            lifetime=float(self._settings.refresh_token_seconds),
        )
        if family is None:
            raise Revoked
        if family.revoked_at is not None:
            self._ended(family.id)
            raise Revoked
        return await self._session(family)

    async def logout(self, company_id: CompanyId, family: str) -> None:
        """End a session: its refresh tokens, access tokens and sockets."""
        await self.end(company_id, family, "logout")

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
        for family in families:
            self._ended(family)

    async def authenticate(self, token: str) -> Principal:
        """Who an access token speaks for; cheap when it was seen within the last 30 s.

        Raises ExpiredToken or InvalidToken (403: refresh and repeat), Revoked (401: log in).
        """
        moment = self._clock()
        known = self._known.get(token)
        if known is not None and known[1] > moment and known[0].expires_at > moment:
            return known[0]
        claims = self.tokens.read_access(token)
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
            claims = self.tokens.read_refresh(token)
        except (InvalidToken, ExpiredToken) as error:
            raise Revoked from error
        try:
            return await self._principal(
                claims.companyId, claims.id, claims.family, float(claims.exp), claims.generation
            )
        except _RotatedOut:
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
        user = await users.find(self._database, company_id, user_id)
        standing = await refresh_families.standing(
            self._database,
            company_id,
            family,
            generation=generation,
            grace=self._settings.refresh_grace_seconds,
        )
        if user is None or standing is None:
            raise Revoked
        if not standing.accepted:
            raise _RotatedOut
        department_ids = await users.department_ids(self._database, company_id, user_id)
        return Principal(
            user_id=user.id,
            company_id=user.company_id,
            name=user.name,
            profile=user.profile,
            is_super=user.is_super,
            department_ids=tuple(department_ids),
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

    async def _session(self, family: RefreshFamily) -> Session:
        user = await users.find(self._database, family.company_id, family.user_id)
        if user is None:
            raise Revoked
        issued = int(self._clock())
        access = AccessClaims(
            usarname=user.name,
            profile=user.profile,
            id=user.id,
            companyId=user.company_id,
            super=user.is_super,
            sessionId=family.id,
            iat=issued,
            exp=issued + self._settings.access_token_seconds,
            impersonated=family.origin_family is not None,
            originalUserId=family.impersonator_id,
            originalCompanyId=family.impersonator_company_id,
        )
        refresh = RefreshClaims(
            id=user.id,
            companyId=user.company_id,
            family=family.id,
            generation=family.generation,
            iat=int(family.rotated_at.timestamp()),
            exp=int(family.expires_at.timestamp()),
        )
        return Session(
            access=self.tokens.sign_access(access),
            refresh=self.tokens.sign_refresh(refresh),
            user=user,
            family=family.id,
            expires_at=family.expires_at,
        )

    async def _announce(self, session: Session) -> None:
        user = session.user
        digest = hashlib.sha256(session.access.encode()).hexdigest()
        async with self._database.begin(user.company_id) as tx:
            await companies.touch_login(tx, user.company_id)
            tx.publish(
                UserLoggedIn(
                    company_id=user.company_id,
                    user_id=user.id,
                    email=user.email,
                    token_digest=digest,
                )
            )

    def _check_door(self, login: Login) -> None:
        if not login.company_status:
            raise PaymentRequired
        moment = datetime.fromtimestamp(self._clock(), UTC).astimezone(zone(login.timezone))
        if not within_hours(login.start_work, login.end_work, moment.strftime("%H:%M")):
            raise OutOfHours

    def _ended(self, family: str) -> None:
        self._forget(lambda principal: principal.family == family)
        for callback in self._on_revoked:
            callback(family)

    def _forget_user(self, user_id: UserId) -> None:
        self._forget(lambda principal: principal.user_id == user_id)

    def _forget_company(self, company_id: CompanyId) -> None:
        self._forget(lambda principal: principal.company_id == company_id)

    def _forget(self, matches: Callable[[Principal], bool]) -> None:
        self._withdrawn += 1
        gone = [token for token, (principal, _) in self._known.items() if matches(principal)]
        for token in gone:
            del self._known[token]
