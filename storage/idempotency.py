"""Idempotency keys: a repeated request gets the stored reply of the first."""

from datetime import datetime
from typing import Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.database import Database
from storage.ids import CompanyId, UserId
from storage.metadata import at, belongs_to, company, document, metadata, string
from storage.sql import prepared

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


_t = idempotency_keys.c
_MINE: Final = sa.and_(
    _t.company_id == sa.bindparam("company", type_=sa.BigInteger),
    _t.user_id == sa.bindparam("user", type_=sa.BigInteger),
    _t.key == sa.bindparam("name", type_=sa.Text),
)
_new = insert(idempotency_keys).values(
    company_id=sa.bindparam("company", type_=sa.BigInteger),
    user_id=sa.bindparam("user", type_=sa.BigInteger),
    key=sa.bindparam("name", type_=sa.Text),
    request_digest=sa.bindparam("digest", type_=sa.LargeBinary),
    epoch=sa.bindparam("start", type_=sa.BigInteger),
)
_CLAIM: Final = prepared(
    _new.on_conflict_do_update(
        index_elements=[_t.company_id, _t.user_id, _t.key],
        set_={"epoch": _new.excluded.epoch, "created_at": sa.func.now()},
        where=sa.and_(
            _t.state == "running",
            _t.epoch <= _new.excluded.epoch,
            _t.request_digest == _new.excluded.request_digest,
        ),
    ).returning(sa.literal(True))
)
_FIND: Final = prepared(sa.select(idempotency_keys).where(_MINE))
_FINISH: Final = prepared(
    sa.update(idempotency_keys)
    .where(_MINE)
    .values(
        state="done",
        status=sa.bindparam("code", type_=sa.Integer),
        headers=sa.bindparam("head", type_=idempotency_keys.c.headers.type),
        reply=sa.bindparam("content", type_=sa.LargeBinary),
    )
)
_RELEASE: Final = prepared(sa.delete(idempotency_keys).where(_MINE, _t.state == "running"))


async def claim(
    database: Database,
    company_id: CompanyId,
    user_id: UserId,
    key: str,
    *,
    digest: bytes,
    epoch: int,
) -> IdempotencyKey | None:
    """Take the key for this request: None means that it is ours to execute.

    Otherwise the request that holds it. A key that the same request left `running` is ours: its
    process (an older `epoch`) died, or could not reach the database to finish or release it. So a
    process must not claim a key that it has in use. Waits for a transaction that takes the key
    with it and may be on its way to commit.
    """
    while True:
        ours = await database.value(
            _CLAIM, company=company_id, user=user_id, name=key, digest=digest, start=epoch
        )
        if ours:
            return None
        found = await database.first(
            _FIND, into=IdempotencyKey, company=company_id, user=user_id, name=key
        )
        if found is not None:  # else it was released in between: claim again
            return found


async def finish(
    database: Database,
    company_id: CompanyId,
    user_id: UserId,
    key: str,
    *,
    status: int,
    headers: dict[str, str],
    reply: bytes,
) -> None:
    """Store the answer that repetitions get."""
    await database.execute(
        _FINISH,
        company=company_id,
        user=user_id,
        name=key,
        code=status,
        head=headers,
        content=reply,
    )


async def release(database: Database, company_id: CompanyId, user_id: UserId, key: str) -> None:
    """Free a key whose request was not executed."""
    await database.execute(_RELEASE, company=company_id, user=user_id, name=key)
