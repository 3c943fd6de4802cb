"""Contact lists and their items: whom campaigns are sent to."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from actors.events import MailingListFilled, RecordChanged
from api.endpoint import Ctx, Stream, Upload, admin, crud
from api.errors import Detail, Invalid
from api.resources.spreadsheets import ExportQuery, LineError, exported, people_in
from storage import mailing_lists
from storage.database import Statements, Tx
from storage.ids import CompanyId
from storage.mailing_lists import MailingList

BATCH: Final = 1000
"""Lines that are committed, or read, at once."""


class ListView(MailingList, frozen=True, kw_only=True, rename="camel"):
    """A list with its size."""

    contacts_count: int


async def shown(ctx: Ctx, source: Statements, found: Sequence[MailingList]) -> list[ListView]:
    """Lists with their sizes."""
    sizes = await mailing_lists.sizes(source, ctx.company_id, [row.id for row in found])
    return [
        ListView(
            id=row.id,
            name=row.name,
            company_id=row.company_id,
            created_at=row.created_at,
            updated_at=row.updated_at,
            contacts_count=sizes.get(row.id, 0),
        )
        for row in found
    ]


routes = crud(
    "/contact-lists",
    mailing_lists.lists,
    noun="contact_list",
    missing="ERR_NO_CONTACTLIST_FOUND",
    needs=("name",),
    view=ListView,
    show=shown,
)
items = crud(
    "/contact-list-items",
    mailing_lists.items,
    noun="contact_list_item",
    missing="ERR_NO_CONTACTLISTITEM_FOUND",
    plural="contacts",
    needs=("name", "number", "list_id"),
    fixed=("is_valid",),
    filters={"list_id": int},
)


class UploadReport(msgspec.Struct, frozen=True):
    """What became of a file."""

    created: int
    known: int
    failed: list[LineError]


@routes.post("/{contact_list_id}/upload", guard=admin, deadline=300.0, files=1, repeatable=True)
async def upload(ctx: Ctx, contact_list_id: int, uploads: tuple[Upload, ...]) -> UploadReport:
    """Fill a list from a CSV, XLSX or XLS file; numbers that it has already are passed over."""
    database, company_id = ctx.parts.database, ctx.company_id
    await mailing_lists.lists.get(database, company_id, contact_list_id)
    if not uploads:
        raise Invalid(Detail("$.file", "missing"))
    with ctx.parts.imports.turn(company_id):
        found = await people_in(uploads[0])
        created: list[int] = []
        for start in range(0, len(found.people), BATCH):
            batch = found.people[start : start + BATCH]
            entries = [{"name": p.name, "number": p.number, "email": p.email} for p in batch]
            async with database.begin(company_id) as tx:
                created += await mailing_lists.fill(tx, company_id, contact_list_id, entries)
        async with database.begin(company_id) as tx:
            event = RecordChanged(
                company_id=company_id,
                noun="contact_list",
                action="update",
                record_id=contact_list_id,
                record=await mailing_lists.lists.get(tx, company_id, contact_list_id),
            )
            tx.publish(event)
            if created:
                tx.publish(await _filled(tx, company_id, contact_list_id, created))
        known = len(found.people) - len(created) + found.repeated
        return UploadReport(len(created), known, found.failed)


async def _filled(
    tx: Tx, company_id: CompanyId, list_id: int, created: Sequence[int]
) -> MailingListFilled:
    """What open pages of the list take over at once."""
    first_id = min(created)
    items = await mailing_lists.items_after(
        tx, company_id, list_id, first_id - 1, most=MailingListFilled.MOST
    )
    return MailingListFilled(
        company_id=company_id,
        list_id=list_id,
        first_id=first_id,
        count=len(created),
        items=tuple(items),
    )


@routes.get("/{contact_list_id}/export", deadline=300.0)
async def export(ctx: Ctx, contact_list_id: int, query: ExportQuery) -> Stream:
    """Download a list as CSV or, with `format=xlsx`, as a workbook."""
    await mailing_lists.lists.get(ctx.parts.database, ctx.company_id, contact_list_id)
    titles = ("name", "number", "email")
    return await exported("list", query.format, titles, _pages(ctx, contact_list_id))


async def _pages(ctx: Ctx, list_id: int) -> AsyncIterator[list[tuple[str, str, str]]]:
    last = 0
    while rows := await mailing_lists.items_after(
        ctx.parts.database, ctx.company_id, list_id, last, most=BATCH
    ):
        last = rows[-1].id
        yield [(row.name, row.number, row.email) for row in rows]
