"""Tags: labels on contacts and tickets; a kanban tag is a lane of the board."""

from datetime import datetime

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from storage.ids import CompanyId, TagId
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


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A label. `kanban` 1 makes it a lane; `lane_hours` later its tickets move to the next."""

    company_id: CompanyId
    id: TagId
    name: str
    color: str
    kanban: int
    lane_hours: int
    next_lane_id: TagId | None
    lane_greeting: str
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
