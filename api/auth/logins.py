"""Login sessions: passwords in, short access tokens and a rotating refresh token out.

A login opens a *family*: a chain of refresh tokens of which the newest is valid. Browsers of the
family send several refreshes at once with one cookie, so a token that was just rotated is
answered with the same successor for a short grace; after that its return means that it was
copied, and the whole family is revoked.
"""

import hashlib
import secrets
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from actors.events import UserLoggedIn
from api.auth.bearers import Bearers
from api.auth.refusals import BadCredentials, OutOfHours, Revoked
from api.errors import Forbidden, PaymentRequired, Unauthorized
from api.passwords import Passwords
from api.principal import Principal
from api.rate_limits import LoginThrottle
from api.settings import Settings
from api.tokens import AccessClaims, Clock, ExpiredToken, InvalidToken, RefreshClaims, Tokens, now
from api.working_hours import within_hours
from storage import companies, refresh_families, users
from storage.database import Database, Statements
from storage.errors import NotFound
from storage.ids import CompanyId, UserId
from storage.refresh_families import RefreshFamily
from storage.time_zones import zone
from storage.users import Login, User


class Session(NamedTuple):
    """What a login or refresh yields: both tokens, who it is, and when the cookie ends."""

    access: str
    refresh: str
    user: User
    family: str
    expires_at: datetime


class Auth:
    """Opens login sessions and keeps them going; `bearers` checks and ends them. One per process."""

    def __init__(self, settings: Settings, database: Database, *, clock: Clock = now) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        keys = settings.secrets
        self.tokens = Tokens(keys.jwt_secret, keys.jwt_refresh_secret, clock)
        self.passwords = Passwords(settings.bcrypt_rounds)
        self._throttle = LoginThrottle()
        grace = settings.refresh_grace_seconds
        self.bearers = Bearers(database, self.tokens, grace, clock)

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
        try:
            return await self._let_in(login, address, agent)
        except NotFound:  # what was checked above has changed meanwhile
            raise await self._changed(account) from None

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
        family = await self._family(
            self._database, company_id, admin_id, address, agent, origin=origin
        )
        if family is None:
            raise Revoked
        return await self._session(self._database, family)

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
        return await self._session(self._database, origin)

    async def _let_in(self, login: Login, address: str, agent: str) -> Session:
        """Open a session and tell of it, in one transaction.

        The company's row is written before the session shares it: two logins that shared it first
        would each wait for the other to let go. Raises NotFound for what is not so any more.
        """
        async with self._database.begin(login.company_id) as tx:
            await companies.touch_login(tx, login.company_id)
            seen = login.password_hash
            family = await self._family(tx, login.company_id, login.id, address, agent, seen=seen)
            if family is None:
                raise NotFound
            session = await self._session(tx, family)
            tx.publish(_logged_in(session))
        return session

    async def _family(
        self,
        source: Statements,
        company_id: CompanyId,
        user_id: UserId,
        address: str,
        agent: str,
        *,
        seen: str | None = None,
        origin: RefreshFamily | None = None,
    ) -> RefreshFamily | None:
        return await refresh_families.create(
            source,
            company_id,
            family=secrets.token_urlsafe(24),
            user_id=user_id,
            lifetime=float(self._settings.refresh_token_seconds),
            address=address,
            user_agent=agent[:255],
            seen=seen,
            origin=origin,
        )

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
            self.bearers.ended([family.id])
            raise Revoked
        return await self._session(self._database, family)

    async def logout(self, company_id: CompanyId, family: str) -> None:
        """End a session: its refresh tokens, access tokens and sockets."""
        await self.bearers.end(company_id, family, "logout")

    async def _session(self, source: Statements, family: RefreshFamily) -> Session:
        user = await users.find(source, family.company_id, family.user_id)
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

    def _check_door(self, login: Login) -> None:
        if not login.company_status:
            raise PaymentRequired
        moment = datetime.fromtimestamp(self._clock(), UTC).astimezone(zone(login.timezone))
        if not within_hours(login.start_work, login.end_work, moment.strftime("%H:%M")):
            raise OutOfHours


def _logged_in(session: Session) -> UserLoggedIn:
    user = session.user
    return UserLoggedIn(
        company_id=user.company_id,
        user_id=user.id,
        email=user.email,
        token_digest=hashlib.sha256(session.access.encode()).hexdigest(),
    )
