"""Tokens of the external API: what programs are let in with, stored as digests only."""

import hashlib
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from storage.database import Statements, Tx
from storage.ids import CompanyId, ConnectionId, UserId
from storage.metadata import belongs_to, flag, moment, reference, refers_to, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.search import by_name
from storage.sql import prepared

PREFIX: Final = "chatia_"
"""How every token begins, so that secret scanners know one."""

api_tokens = tenant_table(
    "api_tokens",
    string("name"),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    string("hint"),
    sa.Column("scopes", JSONB, nullable=False, server_default=sa.text("'[]'")),
    flag("installation"),
    reference("connection_id"),
    reference("user_id"),
    moment("expires_at"),
    moment("last_used_at"),
    sa.UniqueConstraint("digest"),
    belongs_to("connection_id", "connections"),
    refers_to("user_id", "users"),
)


class ApiToken(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A token as its company's admins see it: `hint` is its end, the rest is gone for good.

    `connection_id` binds it to one connection; `installation` lets it act for every company.
    `user_id` is who made it.
    """

    name: str
    hint: str
    scopes: tuple[str, ...]
    installation: bool
    connection_id: ConnectionId | None
    user_id: UserId | None
    expires_at: datetime | None
    last_used_at: datetime | None


rows: Final = Repo(api_tokens, ApiToken, by_name(api_tokens.c.name))

_t = api_tokens.c
_BY_DIGEST: Final = prepared(
    sa.select(*(_t[name] for name in ApiToken.__struct_fields__)).where(
        _t.digest == sa.bindparam("given", type_=sa.LargeBinary)
    )
)
_TOUCH: Final = prepared(
    sa.update(api_tokens)
    .where(
        _t.company_id == sa.bindparam("company", type_=sa.BigInteger),
        _t.id == sa.bindparam("token", type_=sa.BigInteger),
    )
    .values(last_used_at=sa.func.now())
)
_OF_USER: Final = prepared(
    sa.delete(api_tokens)
    .where(
        _t.company_id == sa.bindparam("company", type_=sa.BigInteger),
        _t.user_id == sa.bindparam("maker", type_=sa.BigInteger),
    )
    .returning(_t.id)
)


def digest(token: str) -> bytes:
    """What is stored of a token; it is random and long, so a plain digest does."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


async def create(tx: Tx, company_id: CompanyId, token: str, **values: Any) -> ApiToken:
    """Keep a new token. Raises Conflict for a connection that is not there."""
    stored = {"digest": digest(token), "hint": token[-4:], **values}
    return await rows.insert(tx, company_id, **stored)


async def by_token(source: Statements, token: str) -> ApiToken | None:
    """Installation-wide: the token itself decides the company; None when there is none."""
    return await source.first(_BY_DIGEST, into=ApiToken, given=digest(token))


async def touch(source: Statements, company_id: CompanyId, token_id: int) -> None:
    """Note that a token is used now."""
    await source.execute(_TOUCH, company=company_id, token=token_id)


async def delete_of(tx: Tx, company_id: CompanyId, user_id: UserId) -> list[int]:
    """Take back what a user made; returns which tokens that were."""
    return [row[0] for row in await tx.rows(_OF_USER, company=company_id, maker=user_id)]


def is_expired(token: ApiToken, now: datetime) -> bool:
    """Whether a token opens nothing any more."""
    return token.expires_at is not None and token.expires_at <= now
