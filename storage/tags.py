"""Tags: labels on contacts and tickets; a kanban tag is a lane of the board."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType, field
from sqlalchemy.dialects.postgresql import insert

from storage.database import Statements, Tx
from storage.ids import CompanyId, ContactId, TagId, TicketId
from storage.metadata import (
    at,
    belongs_to,
    company,
    metadata,
    number,
    of_company,
    reference,
    refers_to,
    row_id,
    string,
)
from storage.repo import Links, Repo, assigned
from storage.search import by_name
from storage.sql import prepared

tags = sa.Table(
    "tags",
    metadata,
    company(),
    row_id(),
    string("name"),
    string("color"),
    number("kanban"),
    number("lane_hours"),
    reference("next_lane_id"),
    string("lane_greeting"),
    reference("rollback_lane_id"),
    at("created_at"),
    at("updated_at"),
    of_company(),
    refers_to("next_lane_id", "tags"),
    refers_to("rollback_lane_id", "tags"),
    sa.UniqueConstraint("company_id", "kanban", "name"),
)

ticket_tags = sa.Table(
    "ticket_tags",
    metadata,
    company(),
    sa.Column("ticket_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("tag_id", sa.BigInteger, primary_key=True, autoincrement=False),
    at("created_at"),
    belongs_to("ticket_id", "tickets"),
    belongs_to("tag_id", "tags"),
    sa.Index(None, "company_id", "tag_id"),
)

contact_tags = sa.Table(
    "contact_tags",
    metadata,
    company(),
    sa.Column("contact_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("tag_id", sa.BigInteger, primary_key=True, autoincrement=False),
    at("created_at"),
    belongs_to("contact_id", "contacts"),
    belongs_to("tag_id", "tags"),
    sa.Index(None, "company_id", "tag_id"),
)


class Tag(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A label, as clients see it. `kanban` 1 makes it a lane; `lane_hours` later its tickets move
    to the next."""

    company_id: CompanyId
    id: TagId
    name: str
    color: str
    kanban: int
    lane_hours: int = field(name="timeLane")
    next_lane_id: TagId | None
    lane_greeting: str = field(name="greetingMessageLane")
    rollback_lane_id: TagId | None
    created_at: datetime
    updated_at: datetime


class TagPatch(msgspec.Struct, frozen=True, kw_only=True):
    """The fields a person may change; UNSET leaves a column alone."""

    name: str | UnsetType = UNSET
    color: str | UnsetType = UNSET
    kanban: int | UnsetType = UNSET
    lane_hours: int | UnsetType = UNSET
    next_lane_id: TagId | UnsetType | None = UNSET
    lane_greeting: str | UnsetType = UNSET
    rollback_lane_id: TagId | UnsetType | None = UNSET


rows: Final = Repo(tags, Tag, by_name(tags.c.name), search=("name",))
_NAMES: Final = sa.bindparam("names", type_=sa.ARRAY(sa.Text))
_create_all: Final = prepared(
    insert(tags)
    .from_select(
        ("company_id", "name", "color"),
        sa.select(
            sa.bindparam("company", type_=sa.BigInteger),
            sa.func.unnest(_NAMES),
            sa.bindparam("color", type_=sa.Text),
        ),
    )
    .on_conflict_do_nothing()
)
_pairs: Final = (
    sa.func.unnest(
        sa.bindparam("contacts", type_=sa.ARRAY(sa.BigInteger)),
        sa.bindparam("chosen", type_=sa.ARRAY(sa.BigInteger)),
    )
    .table_valued("contact_id", "tag_id")
    .render_derived()
)
_add_all: Final = prepared(
    insert(contact_tags)
    .from_select(
        ("company_id", "contact_id", "tag_id"),
        sa.select(
            sa.bindparam("company", type_=sa.BigInteger), _pairs.c.contact_id, _pairs.c.tag_id
        ),
    )
    .on_conflict_do_nothing()
)
_of_contact: Final = Links(contact_tags, "contact_id", "tag_id")


async def create(tx: Tx, company_id: CompanyId, new: TagPatch) -> Tag:
    """Store a tag. Raises UniqueViolation when its name is taken."""
    return await rows.insert(tx, company_id, **assigned(new))


async def names_of(source: Statements, company_id: CompanyId) -> dict[str, TagId]:
    """The labels of a company by their names in lower case; a lane is none."""
    found = await rows.all_of(source, company_id)
    return {tag.name.lower(): tag.id for tag in found if not tag.kanban}


async def create_all(tx: Tx, company_id: CompanyId, names: Sequence[str], color: str) -> None:
    """Store labels by one statement; a name that is taken meanwhile stays as it is."""
    await tx.execute(_create_all, company=company_id, names=list(names), color=color)


async def add_to_contacts(
    tx: Tx, company_id: CompanyId, pairs: Iterable[tuple[ContactId, TagId]]
) -> None:
    """Put tags on contacts by one statement, each once.

    Raises Conflict for a tag or contact that is not there.
    """
    listed = list(pairs)
    await tx.execute(
        _add_all,
        company=company_id,
        contacts=[contact_id for contact_id, _ in listed],
        chosen=[tag_id for _, tag_id in listed],
    )


async def of_contact(
    source: Statements, company_id: CompanyId, contact_id: ContactId
) -> tuple[TagId, ...]:
    """The tags of a contact."""
    return tuple(TagId(tag) for tag in await _of_contact.of(source, company_id, contact_id))


async def set_of_contact(
    tx: Tx, company_id: CompanyId, contact_id: ContactId, chosen: tuple[TagId, ...]
) -> None:
    """Make `chosen` the tags of a contact. Raises Conflict for a tag that is not there."""
    await _of_contact.replace(tx, company_id, contact_id, chosen)


async def add_to_ticket(tx: Tx, company_id: CompanyId, ticket_id: TicketId, tag_id: TagId) -> None:
    """Put a tag on a ticket, once. Raises Conflict for a tag or ticket that is not there."""
    new = insert(ticket_tags).values(company_id=company_id, ticket_id=ticket_id, tag_id=tag_id)
    await tx.execute(new.on_conflict_do_nothing())


async def leave_lanes(tx: Tx, company_id: CompanyId, ticket_id: TicketId) -> None:
    """Take every lane off a ticket."""
    lanes = sa.select(tags.c.id).where(tags.c.company_id == company_id, tags.c.kanban == 1)
    mine = (ticket_tags.c.company_id == company_id, ticket_tags.c.ticket_id == ticket_id)
    await tx.execute(sa.delete(ticket_tags).where(*mine, ticket_tags.c.tag_id.in_(lanes)))
