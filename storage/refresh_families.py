"""Refresh families: login sessions, each a chain of refresh tokens that is revoked as one."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

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
