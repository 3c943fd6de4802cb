"""Contact lists and their items: whom campaigns are sent to."""

from collections.abc import Sequence

import msgspec

from actors.events import RecordChanged
from api.endpoint import Ctx, Upload, admin, crud
from api.errors import Detail, Invalid
from api.resources.spreadsheets import LineError, digits, lines_of
from storage import mailing_lists
from storage.database import Statements
from storage.mailing_lists import MailingList


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


@routes.post("/{contact_list_id}/upload", guard=admin)
async def upload(ctx: Ctx, contact_list_id: int, uploads: tuple[Upload, ...]) -> UploadReport:
    """Fill a list from a CSV file; numbers that it has already are passed over."""
    await mailing_lists.lists.get(ctx.parts.database, ctx.company_id, contact_list_id)
    if not uploads:
        raise Invalid(Detail("$.file", "missing"))
    entries: dict[str, dict[str, str]] = {}
    failed: list[LineError] = []
    read = 0
    for line, cells in list(lines_of(uploads[0].content)):
        number = digits(cells["number"])
        if not number:
            failed.append(LineError(line, "no number"))
            continue
        read += 1
        name = cells["name"][:255] or number
        entries.setdefault(number, {"name": name, "number": number, "email": cells["email"][:255]})
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        created = await mailing_lists.fill(
            tx, ctx.company_id, contact_list_id, list(entries.values())
        )
        event = RecordChanged(
            company_id=ctx.company_id,
            noun="contact_list",
            action="update",
            record_id=contact_list_id,
            record=await mailing_lists.lists.get(tx, ctx.company_id, contact_list_id),
        )
        tx.publish(event)
    return UploadReport(created, read - created, failed)
