"""Refresh families: login sessions, each a chain of refresh tokens that is revoked as one."""

from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.database import Database, Statements
from storage.ids import CompanyId, UserId
from storage.metadata import (
    at,
    belongs_to,
    company,
    metadata,
    moment,
    number,
    optional,
    owner,
    string,
)
from storage.sql import prepared

refresh_families = sa.Table(
    "refresh_families",
    metadata,
    company(),
    sa.Column("id", sa.Text, primary_key=True),
    owner("user_id"),
    number("generation", 1),
    number("previous_generation", 1),
    at("rotated_at"),
    at("last_used_at"),
    at("created_at"),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    moment("revoked_at"),
    optional("revoked_reason"),
    string("address"),
    string("user_agent"),
    belongs_to("user_id", "users"),
    sa.Index(None, "company_id", "user_id"),
    sa.Index(None, "expires_at"),
)


class RefreshFamily(msgspec.Struct, frozen=True, kw_only=True):
    """A login session. Its tokens are signed (id, generation) pairs, so none is stored.

    `generation` is the newest token's number, `previous_generation` the oldest one that the
    grace after the last rotation still accepts.
    """

    company_id: CompanyId
    id: str
    user_id: UserId
    generation: int
    previous_generation: int
    rotated_at: datetime
    last_used_at: datetime
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_reason: str | None
    address: str
    user_agent: str


def _seconds(name: str) -> sa.ColumnElement[object]:
    """Make an interval of so many seconds."""
    return sa.func.make_interval(0, 0, 0, 0, 0, 0, sa.bindparam(name, type_=sa.Float))


_t = refresh_families.c
_NOW: Final = sa.func.now()
_MINE: Final = sa.and_(
    _t.company_id == sa.bindparam("company", type_=sa.BigInteger),
    _t.id == sa.bindparam("family", type_=sa.Text),
)
_LIVE: Final = sa.and_(_t.revoked_at.is_(None), _t.expires_at > _NOW)
_TOKEN: Final = sa.bindparam("token", type_=sa.Integer)
_newest = _t.generation == _TOKEN
_in_grace = _t.rotated_at > _NOW - _seconds("grace")
_forgiven = sa.and_(_in_grace, _t.previous_generation <= _TOKEN, _t.generation > _TOKEN)
_accepted = sa.or_(_newest, _forgiven)

_CREATE: Final = prepared(
    sa.insert(refresh_families)
    .values(
        company_id=sa.bindparam("company", type_=sa.BigInteger),
        id=sa.bindparam("family", type_=sa.Text),
        user_id=sa.bindparam("user", type_=sa.BigInteger),
        expires_at=_NOW + _seconds("lifetime"),
        address=sa.bindparam("from_address", type_=sa.Text),
        user_agent=sa.bindparam("from_agent", type_=sa.Text),
    )
    .returning(refresh_families)
)
_ROTATE: Final = prepared(
    sa.update(refresh_families)
    .where(_MINE, _LIVE)
    .values(
        generation=sa.case((_newest, _t.generation + 1), else_=_t.generation),
        previous_generation=sa.case(
            (sa.and_(_newest, sa.not_(_in_grace)), _t.generation), else_=_t.previous_generation
        ),
        rotated_at=sa.case((_newest, _NOW), else_=_t.rotated_at),
        expires_at=sa.case((_newest, _NOW + _seconds("lifetime")), else_=_t.expires_at),
        last_used_at=_NOW,
        revoked_at=sa.case((_accepted, None), else_=_NOW),
        revoked_reason=sa.case((_accepted, None), else_="reuse"),
    )
    .returning(refresh_families)
)
_REVOKE: Final = prepared(
    sa.update(refresh_families)
    .where(_MINE, _t.revoked_at.is_(None))
    .values(revoked_at=_NOW, revoked_reason=sa.bindparam("why", type_=sa.Text))
)
_REVOKE_USER: Final = prepared(
    sa.update(refresh_families)
    .where(
        _t.company_id == sa.bindparam("company", type_=sa.BigInteger),
        _t.user_id == sa.bindparam("user", type_=sa.BigInteger),
        _t.id != sa.bindparam("kept", type_=sa.Text),
        _t.revoked_at.is_(None),
    )
    .values(revoked_at=_NOW, revoked_reason=sa.bindparam("why", type_=sa.Text))
    .returning(_t.id)
)
_IS_LIVE: Final = prepared(sa.select(sa.literal(True)).where(_MINE, _LIVE))


async def create(
    database: Database,
    company_id: CompanyId,
    *,
    family: str,
    user_id: UserId,
    lifetime: float,
    address: str,
    user_agent: str,
) -> RefreshFamily:
    """Open a login session that lives `lifetime` seconds from its last rotation."""
    return await database.one(
        _CREATE,
        into=RefreshFamily,
        company=company_id,
        family=family,
        user=user_id,
        lifetime=lifetime,
        from_address=address,
        from_agent=user_agent,
    )


async def rotate(
    database: Database,
    company_id: CompanyId,
    family: str,
    generation: int,
    *,
    grace: float,
    lifetime: float,
) -> RefreshFamily | None:
    """Answer the use of token number `generation`, in one guarded statement.

    The newest token moves the family on. One that was rotated at most `grace` seconds ago changes
    nothing, so that parallel uses get the same successor. Any other was copied: the family is
    revoked, and the returned record says so. None: no such family, or it has ended before.
    """
    return await database.first(
        _ROTATE,
        into=RefreshFamily,
        company=company_id,
        family=family,
        token=generation,
        grace=grace,
        lifetime=lifetime,
    )


async def revoke(database: Database, company_id: CompanyId, family: str, reason: str) -> None:
    """End a login session; one that has ended stays as it is."""
    await database.execute(_REVOKE, company=company_id, family=family, why=reason)


async def revoke_user(
    database: Statements, company_id: CompanyId, user_id: UserId, reason: str, *, keep: str = ""
) -> list[str]:
    """End every login session of a user but `keep`; returns the families that ended."""
    rows = await database.rows(
        _REVOKE_USER, company=company_id, user=user_id, why=reason, kept=keep
    )
    return [row[0] for row in rows]


async def is_live(database: Database, company_id: CompanyId, family: str) -> bool:
    """Tell whether a login session has neither ended nor expired."""
    return bool(await database.value(_IS_LIVE, company=company_id, family=family))
