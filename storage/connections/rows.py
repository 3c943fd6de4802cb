"""Reading and writing connections."""

from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.dialects.postgresql import insert

from storage import plans
from storage.connections.records import Connection, ConnectionPatch, ConnectionSecrets
from storage.connections.tables import (
    CHANNELS,
    connection_departments,
    connection_secrets,
    connections,
    network,
)
from storage.database import Statements, Tx
from storage.errors import NotFound
from storage.ids import CompanyId, ConnectionId, DepartmentId
from storage.metadata import columns_of
from storage.repo import Links, Repo, assigned
from storage.secrets import SecretBox
from storage.sql import prepared

_t = connections.c
_repo: Final = Repo(connections, Connection)
_departments: Final = Links(connection_departments, "connection_id", "department_id")
_FOUND: Final = sa.select(*columns_of(connections, Connection))
_DIGEST: Final = sa.bindparam("digest", type_=sa.LargeBinary)
_BY_TOKEN: Final = prepared(_FOUND.where(_t.token_digest == _DIGEST))
_BY_WEBHOOK: Final = prepared(_FOUND.where(_t.webhook_digest == _DIGEST))
_BY_ACCOUNT: Final = prepared(
    _FOUND.where(
        _t.channel == sa.bindparam("reached_by", type_=sa.Text),
        _t.external_account_id == sa.bindparam("account", type_=sa.Text),
    )
)
_COMPANY_OF: Final = prepared(
    sa.select(_t.company_id).where(_t.id == sa.bindparam("connection", type_=sa.BigInteger))
)
_SEALED: Final = prepared(
    sa.select(connection_secrets.c.sealed).where(
        connection_secrets.c.company_id == sa.bindparam("company", type_=sa.BigInteger),
        connection_secrets.c.connection_id == sa.bindparam("connection", type_=sa.BigInteger),
    )
)


def digest(token: str) -> bytes | None:
    """What a connection is found by when somebody shows one of its tokens; None for no token."""
    return sha256(token.encode()).digest() if token else None


async def all_of(source: Statements, company_id: CompanyId) -> list[Connection]:
    """Every connection of the company, oldest first."""
    return await _repo.all_of(source, company_id)


async def get(source: Statements, company_id: CompanyId, connection_id: ConnectionId) -> Connection:
    """One connection. Raises NotFound."""
    return await _repo.get(source, company_id, connection_id)


async def department_ids(
    source: Statements, company_id: CompanyId, connection_id: ConnectionId
) -> tuple[DepartmentId, ...]:
    """The departments whose menu a connection offers."""
    members = await _departments.of(source, company_id, connection_id)
    return tuple(DepartmentId(member) for member in members)


async def by_api_token(source: Statements, token: str) -> Connection | None:
    """Installation-wide: the connection whose external API token this is, or None."""
    return await source.first(_BY_TOKEN, into=Connection, digest=digest(token))


async def by_webhook_token(source: Statements, token: str) -> Connection | None:
    """Installation-wide: the connection whose webhook address ends in `token`, or None."""
    return await source.first(_BY_WEBHOOK, into=Connection, digest=digest(token))


async def by_external_account(
    source: Statements, channel: str, account_id: str
) -> Connection | None:
    """Installation-wide: the one connection that speaks for a provider's account, or None."""
    return await source.first(_BY_ACCOUNT, into=Connection, reached_by=channel, account=account_id)


async def company_of(source: Statements, connection_id: ConnectionId) -> CompanyId:
    """Installation-wide, for operators: whose connection this is. Raises NotFound."""
    found: int | None = await source.value(_COMPANY_OF, connection=connection_id)
    if found is None:
        raise NotFound
    return CompanyId(found)


async def create(tx: Tx, company_id: CompanyId, new: ConnectionPatch) -> Connection:
    """Store a connection; a default one takes the place of the company's default so far.

    Raises UniqueViolation when its name or provider account is taken, PlanLimit when the plan has
    no room for one more of its network.
    """
    reached = network("whatsapp" if new.channel is UNSET else new.channel)
    same = [name for name in CHANNELS if network(name) == reached]
    await plans.make_room(tx, company_id, "connections", _t.channel.in_(same))
    if new.is_default is True:
        await clear_default(tx, company_id)
    made = await _repo.insert(tx, company_id, **assigned(new, "department_ids"))
    if new.department_ids is not UNSET:
        await _departments.replace(tx, company_id, made.id, new.department_ids)
    return made


async def change(
    tx: Tx, company_id: CompanyId, connection_id: ConnectionId, patch: ConnectionPatch
) -> Connection:
    """Set what the patch sets and count the version up, so that its session loads it again.

    Raises NotFound, or UniqueViolation when the name or provider account is taken.
    """
    if patch.is_default is True:
        await clear_default(tx, company_id)
    changed = await _repo.change(tx, company_id, connection_id, assigned(patch))
    if patch.department_ids is not UNSET:
        await _departments.replace(tx, company_id, connection_id, patch.department_ids)
    return changed


async def clear_default(tx: Tx, company_id: CompanyId) -> None:
    """Leave the company without a default connection, before another becomes it."""
    old = (_t.company_id == company_id, _t.is_default)
    await tx.execute(sa.update(connections).where(*old).values(is_default=False))


async def delete(tx: Tx, company_id: CompanyId, connection_id: ConnectionId) -> None:
    """Delete a connection; its tickets and messages stay. Raises NotFound.

    Its active tickets must be closed before: without a connection they would compete for the
    contact's one active ticket.
    """
    await _repo.delete(tx, company_id, connection_id)


async def read_secrets(
    source: Statements, company_id: CompanyId, connection_id: ConnectionId, *, box: SecretBox
) -> ConnectionSecrets:
    """What opens a connection's channel; empty when none was stored. Raises SecretUnreadable."""
    sealed = await source.value(_SEALED, company=company_id, connection=connection_id)
    if sealed is None:
        return ConnectionSecrets()
    return box.open(sealed, _place(company_id, connection_id), ConnectionSecrets)


async def write_secrets(
    tx: Tx,
    company_id: CompanyId,
    connection_id: ConnectionId,
    secrets: ConnectionSecrets,
    *,
    box: SecretBox,
) -> None:
    """Replace a connection's secrets. Raises NotFound, UniqueViolation when a token is taken."""
    digests = {
        "token_digest": digest(secrets.token),
        "webhook_digest": digest(secrets.webhook_token),
    }
    mine = (_t.company_id == company_id, _t.id == connection_id)
    if not await tx.execute(sa.update(connections).where(*mine).values(digests)):
        raise NotFound
    new = insert(connection_secrets).values(
        company_id=company_id,
        connection_id=connection_id,
        sealed=box.seal(secrets, _place(company_id, connection_id)),
    )
    key = [connection_secrets.c.company_id, connection_secrets.c.connection_id]
    values = {"sealed": new.excluded.sealed, "updated_at": sa.func.now()}
    await tx.execute(new.on_conflict_do_update(index_elements=key, set_=values))


def _place(company_id: CompanyId, connection_id: ConnectionId) -> str:
    return f"connection_secrets:{company_id}:{connection_id}"
