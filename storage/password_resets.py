"""Password resets: what a mailed token opens, once and for a short time. Only digests are kept."""

from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.database import Statements, Tx
from storage.ids import CompanyId, UserId
from storage.metadata import at, belongs_to, company, metadata, owner, row_id
from storage.sql import prepared
from storage.users import users

password_resets = sa.Table(
    "password_resets",
    metadata,
    company(),
    row_id(),
    owner("user_id"),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    at("created_at"),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    belongs_to("user_id", "users"),
    sa.Index(None, "company_id", "user_id"),
)


class PasswordReset(msgspec.Struct, frozen=True, kw_only=True):
    """Whose password a token sets, and whether it came too late."""

    company_id: CompanyId
    user_id: UserId
    expired: bool


_t = password_resets.c
_COMPANY: Final = sa.bindparam("company", type_=sa.BigInteger)
_USER: Final = sa.bindparam("user", type_=sa.BigInteger)
_CREATE: Final = prepared(
    sa.insert(password_resets).values(
        company_id=_COMPANY,
        user_id=_USER,
        digest=sa.bindparam("token_digest", type_=sa.LargeBinary),
        expires_at=sa.bindparam("until", type_=sa.DateTime(timezone=True)),
    )
)
_FIND: Final = prepared(
    sa.select(_t.company_id, _t.user_id, (_t.expires_at <= sa.func.now()).label("expired"))
    .join(users, sa.and_(users.c.company_id == _t.company_id, users.c.id == _t.user_id))
    .where(
        _t.digest == sa.bindparam("token_digest", type_=sa.LargeBinary),
        sa.func.lower(users.c.email) == sa.bindparam("address", type_=sa.Text),
    )
)
_USE: Final = prepared(
    sa.delete(password_resets).where(
        _t.company_id == _COMPANY,
        _t.user_id == _USER,
        _t.digest == sa.bindparam("token_digest", type_=sa.LargeBinary),
    )
)
_FORGET: Final = prepared(
    sa.delete(password_resets).where(_t.company_id == _COMPANY, _t.user_id == _USER)
)


async def create(
    tx: Tx, company_id: CompanyId, user_id: UserId, token: str, expires_at: datetime
) -> None:
    """Let `token` set this user's password until `expires_at`."""
    await tx.execute(
        _CREATE, company=company_id, user=user_id, token_digest=_digest(token), until=expires_at
    )


async def find(database: Statements, email: str, token: str) -> PasswordReset | None:
    """Installation-wide: what `token` opens for the account with this address, or None."""
    return await database.first(
        _FIND, into=PasswordReset, token_digest=_digest(token), address=email.lower()
    )


async def use(tx: Tx, company_id: CompanyId, user_id: UserId, token: str) -> bool:
    """Use a token up, and every other of this user with it; False when somebody was faster."""
    used = await tx.execute(_USE, company=company_id, user=user_id, token_digest=_digest(token))
    if used:
        await forget(tx, company_id, user_id)
    return bool(used)


async def forget(tx: Tx, company_id: CompanyId, user_id: UserId) -> None:
    """Let no token of this user open anything any more."""
    await tx.execute(_FORGET, company=company_id, user=user_id)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()
