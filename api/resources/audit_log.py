"""The audit log for admins: who changed what in their company, newest first."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.endpoint import Ctx, Id, Routes, Short, admin
from api.errors import Forbidden
from storage import audit_log
from storage.ids import CompanyId

routes = Routes("/audit-log", tag="audit", guard=admin, strict=True)


class AuditQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Where to go on (`before`), how many at most, and what to look for.

    `address` is given in clear and looked for by its digest. `companyId` is for operators.
    """

    before: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    noun: Short = ""
    action: Short = ""
    row: Id | None = None
    user_id: Id | None = None
    token_id: Id | None = None
    address: Short = ""
    company_id: Id | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was written; its id where the statement told."""

    kind: str
    table: str
    id: int | None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One commit that somebody caused.

    `fields` holds numbers and switches as they were set, and of everything else a keyed digest (null
    for secrets). `behindId` (of `behindCompanyId`) is who impersonated `userId`. `hash` ties the entry to the one before.
    """

    seq: int
    at: datetime
    company_id: int | None
    user_id: int | None
    behind_id: int | None
    behind_company_id: int | None
    token_id: int | None
    connection_id: int | None
    session: str
    address: str
    request: str
    noun: str
    action: str
    row: int | None
    fields: dict[str, bool | int | str | None]
    changes: list[Change]
    more: int
    hash: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries, newest first. `before` asks for the next ones; null: there are none."""

    entries: list[AuditEntry]
    before: int | None


@routes.get()
async def list_entries(ctx: Ctx, query: AuditQuery) -> AuditPage:
    """List who changed what; a filtered page may be empty and still have a next one."""
    company_id = ctx.company_id
    if query.company_id is not None and query.company_id != company_id:
        if not ctx.principal.is_super:
            raise Forbidden
        company_id = CompanyId(query.company_id)
    found, before = await audit_log.page(
        ctx.parts.database,
        company_id,
        before=query.before,
        limit=query.limit,
        wanted=_wanted(ctx, query),
    )
    return AuditPage(entries=[_shown(entry) for entry in found], before=before)


def _wanted(ctx: Ctx, query: AuditQuery) -> dict[str, Any]:
    address = ctx.parts.audit.digest(query.address) if query.address else ""
    given: dict[str, Any] = {
        "noun": query.noun,
        "action": query.action,
        "row": query.row,
        "user_id": query.user_id,
        "token_id": query.token_id,
        "address": address,
    }
    return {name: value for name, value in given.items() if value}


def _shown(stored: audit_log.Entry) -> AuditEntry:
    entry = stored.entry
    return AuditEntry(
        seq=stored.seq,
        at=stored.at,
        company_id=entry.get("company_id"),
        user_id=entry.get("user_id"),
        behind_id=entry.get("behind_id"),
        behind_company_id=entry.get("behind_company_id"),
        token_id=entry.get("token_id"),
        connection_id=entry.get("connection_id"),
        session=entry.get("session", ""),
        address=entry.get("address", ""),
        request=entry.get("request", ""),
        noun=entry.get("noun", ""),
        action=entry.get("action", ""),
        row=entry.get("row"),
        fields=entry.get("fields", {}),
        changes=[Change(kind=kind, table=table, id=row) for kind, table, row in entry["changes"]],
        more=entry.get("more", 0),
        hash=stored.hash.hex(),
    )
