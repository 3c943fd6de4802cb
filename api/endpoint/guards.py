"""Who may ask: each endpoint names one guard; it yields the Principal or refuses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from api.errors import Forbidden, Unauthorized
from api.http_types import Request
from api.principal import Principal

Authenticate = Callable[[str], Awaitable[Principal]]


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A named rule. `rank` orders user < admin < super user; `public` asks for no token.

    `scope` asks for a program's token with that scope instead of a login. `allows` decides about a known
    principal; `flag` names the user's flag that it looks at, which admins do not need.
    """

    name: str
    rank: int
    public: bool = False
    scope: str = ""
    flag: str = ""
    allows: Callable[[Principal], bool] = lambda _: True

    async def admit(self, request: Request, authenticate: Authenticate) -> Principal | None:
        """The principal behind the bearer token, None on public routes.

        Raises Unauthorized without a token, TokenRefused for a bad or expired one (both from
        `authenticate`), Forbidden when the principal's role is not enough.
        """
        if self.public:
            return None
        token = request.bearer()
        if token is None:
            raise Unauthorized
        principal = await authenticate(token)
        if not self.allows(principal):
            raise Forbidden
        return principal


public = Guard(name="public", rank=0, public=True)
"""Anybody; the endpoint protects itself where it must (login throttling, cookies)."""

webhook = Guard(name="webhook", rank=0, public=True)
"""A provider: the endpoint checks the signature of the raw body first."""

signed = Guard(name="signed", rank=0, public=True)
"""Holders of a signed address (media): the endpoint checks the signature or a token."""

user = Guard(name="user", rank=1)
"""Any logged-in user."""

admin = Guard(name="admin", rank=2, allows=lambda principal: principal.is_admin)
"""Admins of the company, and super users."""

super_user = Guard(name="super_user", rank=3, allows=lambda principal: principal.is_super)
"""Operators of the installation."""


COMPANY_SCOPES: Final = {
    "messages:send": "Send messages",
    "numbers:check": "Look numbers up at the channel",
    "contacts:read": "List and count contacts",
    "messages:read": "List messages",
    "invoices:read": "List invoices",
    "users:read": "Find users by their address",
}
"""What a program's token may be good for: the scopes that a company's admins grant."""

INSTALLATION_SCOPES: Final = {
    "companies:read": "List and show companies",
    "companies:write": "Found, change and end companies",
    "helps:read": "List help pages",
    "helps:write": "Write help pages",
    "invoices:write": "Write invoices",
    "partners:read": "List partners",
    "partners:write": "Write partners",
    "plans:read": "List plans",
    "plans:write": "Write plans",
}
"""Scopes that only an operator's token, which acts for every company, can have."""


@cache
def program(scope: str) -> Guard:
    """A program whose token has this scope, and acts for every company where the scope asks it."""
    if scope in COMPANY_SCOPES:
        return Guard(name=scope, rank=0, scope=scope, allows=lambda who: scope in who.scopes)
    if scope not in INSTALLATION_SCOPES:
        raise ValueError(scope)
    return Guard(
        name=scope, rank=3, scope=scope, allows=lambda who: who.is_super and scope in who.scopes
    )


def _flagged(flag: str) -> Guard:
    return Guard(
        name=flag, rank=1, flag=flag, allows=lambda who: who.is_admin or getattr(who, flag)
    )


sees_dashboard = _flagged("show_dashboard")
"""Admins, and users with the dashboard."""

sees_real_time = _flagged("allow_real_time")
"""Admins, and users with the live boards."""

manages_connections = _flagged("allow_connections")
"""Admins, and users who may connect numbers."""
