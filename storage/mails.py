"""Mail: outbox rows without a connection, sealed until they are sent and emptied then."""

import base64
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.database import Database, Statements
from storage.ids import CompanyId, OutboxId
from storage.outbox import State, outbox
from storage.secrets import SecretBox, SecretUnreadable
from storage.sql import prepared

KIND: Final = "mail"


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in plain text. It may hold what lets its reader in, so it is stored sealed."""

    to: str
    subject: str
    text: str


class OrderedMail(msgspec.Struct, frozen=True, kw_only=True):
    """A letter that this process has taken to send; `attempt` counts from 1."""

    company_id: CompanyId
    id: OutboxId
    attempt: int
    expires_at: datetime
    mail: Mail


class _Sealed(msgspec.Struct):
    sealed: str
    expires_at: datetime


class _Taken(msgspec.Struct):
    company_id: CompanyId
    id: OutboxId
    attempt: int
    payload: _Sealed


_t = outbox.c
_IS_MAIL: Final = _t.kind == sa.literal_column(f"'{KIND}'")
_PENDING: Final = _t.state == sa.literal_column("'pending'")
_SENDING: Final = _t.state == sa.literal_column("'sending'")
_COMPANY: Final = sa.bindparam("company", type_=sa.BigInteger)
# Asked and ordered as ix_outbox_mail is: by ix_outbox_due it would read every other send before it.
_due = (
    sa.select(_t.company_id, _t.id)
    .where(_IS_MAIL, _PENDING, _t.finished_at.is_(None), _t.due_at <= sa.func.now())
    .order_by(_t.finished_at, _t.due_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_TAKE: Final = prepared(
    sa.update(outbox)
    .where(sa.tuple_(_t.company_id, _t.id).in_(_due))
    .values(state="sending", attempt=_t.attempt + 1, sending_at=sa.func.now())
    .returning(_t.company_id, _t.id, _t.attempt, _t.payload)
)
_SETTLE: Final = prepared(
    sa.update(outbox)
    .where(
        _t.company_id == _COMPANY,
        _t.id == sa.bindparam("row", type_=sa.BigInteger),
        _SENDING,
    )
    .values(
        state=sa.bindparam("outcome", type_=sa.Text),
        error=sa.bindparam("why", type_=_t.error.type),
        payload=None,
        finished_at=sa.func.now(),
        updated_at=sa.func.now(),
    )
)
_AGAIN: Final = prepared(
    sa.update(outbox)
    .where(
        _t.company_id == _COMPANY,
        _t.id == sa.bindparam("row", type_=sa.BigInteger),
        _SENDING,
    )
    .values(
        state="pending",
        error=sa.bindparam("why", type_=_t.error.type),
        due_at=sa.func.now()
        + sa.func.make_interval(0, 0, 0, 0, 0, 0, sa.bindparam("seconds", type_=sa.Float)),
        updated_at=sa.func.now(),
    )
)
_DOUBT: Final = prepared(
    sa.update(outbox)
    .where(_IS_MAIL, _SENDING, _t.finished_at.is_(None))
    .values(state="unknown", payload=None, finished_at=sa.func.now(), updated_at=sa.func.now())
)


async def order(
    tx: Statements, company_id: CompanyId, mail: Mail, *, expires_at: datetime, box: SecretBox
) -> None:
    """Have `mail` sent once this transaction is committed; after `expires_at` it is not."""
    sealed = base64.b64encode(box.seal(mail, _place(company_id))).decode()
    payload = msgspec.to_builtins(_Sealed(sealed, expires_at))
    await tx.execute(sa.insert(outbox).values(company_id=company_id, kind=KIND, payload=payload))


async def take_due(database: Database, box: SecretBox) -> OrderedMail | None:
    """Installation-wide: the letter that has waited longest, marked as being sent; or None.

    Raises SecretUnreadable for one that this data key does not open; it is given up.
    """
    taken = await database.first(_TAKE, into=_Taken)
    if taken is None:
        return None
    closed = base64.b64decode(taken.payload.sealed)
    try:
        mail = box.open(closed, _place(taken.company_id), Mail)
    except SecretUnreadable as error:
        await settle(database, taken.company_id, taken.id, "failed", str(error))
        raise
    return OrderedMail(
        company_id=taken.company_id,
        id=taken.id,
        attempt=taken.attempt,
        expires_at=taken.payload.expires_at,
        mail=mail,
    )


async def settle(
    database: Database, company_id: CompanyId, mail_id: OutboxId, state: State, reason: str = ""
) -> None:
    """Note how sending a letter ended; its text is forgotten."""
    why = {"reason": reason} if reason else None
    await database.execute(_SETTLE, company=company_id, row=mail_id, outcome=state, why=why)


async def try_again(
    database: Database, company_id: CompanyId, mail_id: OutboxId, reason: str, *, seconds: float
) -> None:
    """Let a letter that surely did not leave wait for its next attempt."""
    why = {"reason": reason}
    await database.execute(_AGAIN, company=company_id, row=mail_id, why=why, seconds=seconds)


async def doubt_interrupted(database: Database) -> int:
    """Installation-wide: what was being sent when a process ended may have left; returns how many.

    It is not sent again: who waits for it asks for another.
    """
    return await database.execute(_DOUBT)


def _place(company_id: CompanyId) -> str:
    return f"outbox.{KIND}:{company_id}"
