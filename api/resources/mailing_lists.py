"""Contact lists and their items: whom campaigns are sent to."""

from collections.abc import Sequence

from api.endpoint import Ctx, Upload, crud
from storage import mailing_lists
from storage.mailing_lists import MailingList


class ListView(MailingList, frozen=True, kw_only=True, rename="camel"):
    """A list with its size."""

    contacts_count: int


async def shown(ctx: Ctx, found: Sequence[MailingList]) -> list[ListView]:
    """Lists with their sizes."""
    sizes = await mailing_lists.sizes(ctx.parts.database, ctx.company_id, [row.id for row in found])
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


@routes.post("/{contact_list_id}/upload", built=False)
async def upload(ctx: Ctx, contact_list_id: int, uploads: tuple[Upload, ...]) -> None:
    """Fill a list from a spreadsheet."""
