"""Idempotency keys: a repeated request gets the stored reply of the first."""

from datetime import datetime
from typing import Literal

import msgspec
import sqlalchemy as sa

from storage.ids import CompanyId, UserId
from storage.metadata import at, belongs_to, company, document, metadata, string

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    company(),
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_digest", sa.LargeBinary, nullable=False),
    string("state", "running"),
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("status", sa.Integer),
    document("headers"),
    sa.Column("reply", sa.LargeBinary),
    at("created_at"),
    belongs_to("user_id", "users"),
    sa.CheckConstraint("state in ('running', 'done')", name="state"),
    sa.Index(None, "created_at"),
)


class IdempotencyKey(msgspec.Struct, frozen=True, kw_only=True):
    """One request by its key. `epoch` tells a request of a dead process from a running one."""

    company_id: CompanyId
    user_id: UserId
    key: str
    request_digest: bytes
    state: Literal["running", "done"]
    epoch: int
    status: int | None
    headers: dict[str, str] | None
    reply: bytes | None
    created_at: datetime
