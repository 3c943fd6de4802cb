"""Who may ask: each endpoint names one guard; it yields the Principal or refuses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from api.errors import Forbidden, Unauthorized
from api.http_types import Request
from api.principal import Principal

Authenticate = Callable[[str], Awaitable[Principal]]


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A named rule. `rank` orders user < admin < super user; `public` asks for no token.

    `connection` asks for a connection's token instead of a login. `allows` decides about a known
    principal; `flag` names the user's flag that it looks at, which admins do not need.
    """

    name: str
    rank: int
    public: bool = False
    connection: bool = False
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

connection = Guard(name="connection", rank=0, connection=True)
"""A program with a connection's token (external API)."""

user = Guard(name="user", rank=1)
"""Any logged-in user."""

admin = Guard(name="admin", rank=2, allows=lambda principal: principal.is_admin)
"""Admins of the company, and super users."""

super_user = Guard(name="super_user", rank=3, allows=lambda principal: principal.is_super)
"""Operators of the installation."""


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
