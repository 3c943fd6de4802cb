"""Refresh families: login sessions, each a chain of refresh tokens that is revoked as one."""

from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.companies import companies
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
    reference,
    string,
)
from storage.sql import prepared
from storage.users import users

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
    reference("impersonator_id"),
    reference("impersonator_company_id"),
    optional("origin_family"),
    belongs_to("user_id", "users"),
    sa.Index(None, "company_id", "user_id"),
    sa.Index(None, "expires_at"),
    sa.Index(
        "ix_refresh_families_impersonator",
        "impersonator_company_id",
        "impersonator_id",
        postgresql_where=sa.text("origin_family is not null"),
    ),
)


class RefreshFamily(msgspec.Struct, frozen=True, kw_only=True):
    """A login session. Its tokens are signed (id, generation) pairs, so none is stored.

    `generation` is the newest token's number, `previous_generation` the oldest one that the
    grace after the last rotation still accepts. Where an operator acts as the user, `impersonator_`
    fields say who, and `origin_family` is the operator's own session: it lives as long as that.
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
    impersonator_id: UserId | None = None
    impersonator_company_id: CompanyId | None = None
    origin_family: str | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A login session that stands, and the operator who acts in it, if one does.

    `accepted`: the token that was shown is the newest, or within the grace.
    """

    accepted: bool
    impersonator_id: UserId | None
    impersonator_company_id: CompanyId | None


def _seconds(name: str) -> sa.ColumnElement[object]:
    """Make an interval of so many seconds."""
    return sa.func.make_interval(0, 0, 0, 0, 0, 0, sa.bindparam(name, type_=sa.Float))


_t = refresh_families.c
_NOW: Final = sa.func.now()
_MINE: Final = sa.and_(
    _t.company_id == sa.bindparam("company", type_=sa.BigInteger),
    _t.id == sa.bindparam("family", type_=sa.Text),
)
_origins = refresh_families.alias("origins")
_operator_stands = sa.exists().where(
    _origins.c.company_id == _t.impersonator_company_id,
    _origins.c.id == _t.origin_family,
    _origins.c.revoked_at.is_(None),
    _origins.c.expires_at > _NOW,
    users.c.company_id == _t.impersonator_company_id,
    users.c.id == _t.impersonator_id,
    users.c.is_super,
)
_LIVE: Final = sa.and_(
    _t.revoked_at.is_(None),
    _t.expires_at > _NOW,
    sa.or_(_t.origin_family.is_(None), _operator_stands),
)
_TOKEN: Final = sa.bindparam("token", type_=sa.Integer)
_newest = _t.generation == _TOKEN
_in_grace = _t.rotated_at > _NOW - _seconds("grace")
_forgiven = sa.and_(_in_grace, _t.previous_generation <= _TOKEN, _t.generation > _TOKEN)
_accepted = sa.or_(_newest, _forgiven)

_SEEN: Final = sa.bindparam("seen", type_=sa.Text)
_new: Final = {
    _t.company_id: users.c.company_id,
    _t.id: sa.bindparam("family", type_=sa.Text),
    _t.user_id: users.c.id,
    _t.expires_at: _NOW + _seconds("lifetime"),
    _t.address: sa.bindparam("from_address", type_=sa.Text),
    _t.user_agent: sa.bindparam("from_agent", type_=sa.Text),
    _t.impersonator_id: sa.bindparam("operator", type_=sa.BigInteger),
    _t.impersonator_company_id: sa.bindparam("operator_company", type_=sa.BigInteger),
    _t.origin_family: sa.bindparam("origin", type_=sa.Text),
}
# The share locks wait for whoever is changing the password or the company's status right now: that
# one ends the sessions which it can see, and this one is seen by it or sees what it has changed.
_CREATE: Final = prepared(
    sa.insert(refresh_families)
    .from_select(
        list(_new),
        sa.select(*_new.values())
        .select_from(companies)
        .join(users, users.c.company_id == companies.c.id)
        .where(
            companies.c.id == sa.bindparam("company", type_=sa.BigInteger),
            users.c.id == sa.bindparam("user", type_=sa.BigInteger),
            sa.or_(_SEEN.is_(None), sa.and_(users.c.password_hash == _SEEN, companies.c.status)),
        )
        .with_for_update(read=True, of=[companies, users]),
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
_ENDING: Final = {"revoked_at": _NOW, "revoked_reason": sa.bindparam("why", type_=sa.Text)}
_FAMILY: Final = sa.bindparam("family", type_=sa.Text)
_COMPANY: Final = sa.bindparam("company", type_=sa.BigInteger)
_USER: Final = sa.bindparam("user", type_=sa.BigInteger)
_KEPT: Final = sa.bindparam("kept", type_=sa.Text)
_REVOKE: Final = prepared(
    sa.update(refresh_families)
    .where(
        _t.revoked_at.is_(None),
        sa.or_(
            _MINE,
            sa.and_(_t.impersonator_company_id == _COMPANY, _t.origin_family == _FAMILY),
        ),
    )
    .values(**_ENDING)
    .returning(_t.id)
)
_REVOKE_USER: Final = prepared(
    sa.update(refresh_families)
    .where(
        _t.revoked_at.is_(None),
        sa.or_(
            sa.and_(_t.company_id == _COMPANY, _t.user_id == _USER, _t.id != _KEPT),
            sa.and_(
                _t.impersonator_company_id == _COMPANY,
                _t.impersonator_id == _USER,
                _t.origin_family != _KEPT,
            ),
        ),
    )
    .values(**_ENDING)
    .returning(_t.id)
)
_REVOKE_COMPANY: Final = prepared(
    sa.update(refresh_families)
    .where(_t.company_id == _COMPANY, _t.revoked_at.is_(None))
    .values(**_ENDING)
    .returning(_t.id)
)
STANDING: Final = sa.select(
    sa.or_(_TOKEN.is_(None), _accepted).label("accepted"),
    _t.impersonator_id,
    _t.impersonator_company_id,
).where(_MINE, _LIVE)
"""The `Standing` of a `family` of a `company`: by no token, or by the number `token` within `grace`."""

_FIND: Final = prepared(sa.select(refresh_families).where(_MINE, _LIVE))
_OF_USER: Final = prepared(
    sa.select(refresh_families)
    .where(
        _t.company_id == sa.bindparam("company", type_=sa.BigInteger),
        _t.user_id == sa.bindparam("user", type_=sa.BigInteger),
        _LIVE,
    )
    .order_by(_t.last_used_at.desc())
)
_HOME: Final = prepared(
    sa.select(
        sa.exists().where(
            _t.company_id == users.c.company_id,
            _t.user_id == users.c.id,
            _t.address == sa.bindparam("from_address", type_=sa.Text),
            _t.origin_family.is_(None),
            sa.func.lower(users.c.email) == sa.bindparam("account", type_=sa.Text),
        )
    )
)


async def create(
    source: Statements,
    company_id: CompanyId,
    *,
    family: str,
    user_id: UserId,
    lifetime: float,
    address: str,
    user_agent: str,
    seen: str | None = None,
    origin: RefreshFamily | None = None,
) -> RefreshFamily | None:
    """Open a login session that lives `lifetime` seconds from its last rotation.

    `seen` is the hash of the password that let the user in: None comes back when it is another one
    by now, or the company was switched off, and always when there is no such user. `origin` is the
    session of an operator who acts as the user: this one ends with it.
    """
    return await source.first(
        _CREATE,
        into=RefreshFamily,
        company=company_id,
        family=family,
        user=user_id,
        lifetime=lifetime,
        from_address=address,
        from_agent=user_agent,
        seen=seen,
        operator=origin.user_id if origin else None,
        operator_company=origin.company_id if origin else None,
        origin=origin.id if origin else None,
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


async def revoke(database: Database, company_id: CompanyId, family: str, reason: str) -> list[str]:
    """End a login session and those in which its operator acts; returns what ended by it."""
    rows = await database.rows(_REVOKE, company=company_id, family=family, why=reason)
    return [row[0] for row in rows]


async def revoke_user(
    database: Statements, company_id: CompanyId, user_id: UserId, reason: str, *, keep: str = ""
) -> list[str]:
    """End every login session of a user but `keep`, and those in which the user acts as others.

    Returns the families that ended.
    """
    rows = await database.rows(
        _REVOKE_USER, company=company_id, user=user_id, why=reason, kept=keep
    )
    return [row[0] for row in rows]


async def revoke_company(tx: Statements, company_id: CompanyId, reason: str) -> list[str]:
    """End every login session of a company; returns the families that ended."""
    rows = await tx.rows(_REVOKE_COMPANY, company=company_id, why=reason)
    return [row[0] for row in rows]


async def find(database: Database, company_id: CompanyId, family: str) -> RefreshFamily | None:
    """A login session that stands, whole, or None."""
    return await database.first(_FIND, into=RefreshFamily, company=company_id, family=family)


async def of_user(
    database: Database, company_id: CompanyId, user_id: UserId
) -> list[RefreshFamily]:
    """The login sessions of a user that stand, the one used last first."""
    return await database.all(_OF_USER, into=RefreshFamily, company=company_id, user=user_id)


async def is_at_home(database: Database, account: str, address: str) -> bool:
    """Installation-wide: whether this account has logged in from this address before."""
    return bool(await database.value(_HOME, account=account, from_address=address))
