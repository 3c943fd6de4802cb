"""Who is asking: built once per request or socket from a verified token, never from a body."""

import msgspec

from storage.ids import CompanyId, ConnectionId, DepartmentId, UserId


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated user with what decides permissions; first argument of the API's work.

    `expires_at` is the access token's expiry in unix seconds. `family` names the login session
    (refresh token family): revoking it ends sockets and tokens. `program` names a program's
    token: then nobody is logged in, and `user_id` only names the company's first admin; `scopes` say
    what it may, `connection_id` what it is bound to.
    `impersonator_id` (of company `impersonator_company_id`) is the operator who really acts while
    `user_id` is impersonated.
    """

    user_id: UserId
    company_id: CompanyId
    name: str
    profile: str
    is_super: bool
    department_ids: tuple[DepartmentId, ...]
    all_ticket: bool
    all_historic: bool
    all_user_chat: bool
    allow_group: bool
    expires_at: float
    family: str
    program: str = ""
    scopes: frozenset[str] = frozenset()
    token_id: int | None = None
    connection_id: ConnectionId | None = None
    impersonator_id: UserId | None = None
    impersonator_company_id: CompanyId | None = None
    allow_real_time: bool = False
    allow_connections: bool = False
    show_dashboard: bool = False
    close_pending_ticket: bool = True

    @property
    def is_admin(self) -> bool:
        """Admins (and super users) see and manage the whole company."""
        return self.is_super or self.profile == "admin"

    @property
    def keyspace(self) -> str:
        """Whose idempotency keys: programs and operators who act as a user have their own."""
        behind = "" if self.impersonator_id is None else f"behind {self.impersonator_id}"
        return self.program or behind
