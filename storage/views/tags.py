"""The wire noun `tag`."""

from datetime import datetime

import msgspec
from msgspec import field

from storage.ids import CompanyId, TagId
from storage.tags import Tag


class TagView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A tag, whole."""

    id: TagId
    name: str
    color: str
    kanban: int
    company_id: CompanyId
    lane_hours: int = field(name="timeLane")
    next_lane_id: TagId | None
    lane_greeting: str = field(name="greetingMessageLane")
    rollback_lane_id: TagId | None
    created_at: datetime
    updated_at: datetime


class TagBrief(msgspec.Struct, frozen=True):
    """What a ticket or contact shows of its tag."""

    id: TagId
    name: str
    color: str
    kanban: int


def tag_view(tag: Tag) -> TagView:
    """Show a tag."""
    return TagView(
        id=tag.id,
        name=tag.name,
        color=tag.color,
        kanban=tag.kanban,
        company_id=tag.company_id,
        lane_hours=tag.lane_hours,
        next_lane_id=tag.next_lane_id,
        lane_greeting=tag.lane_greeting,
        rollback_lane_id=tag.rollback_lane_id,
        created_at=tag.created_at,
        updated_at=tag.updated_at,
    )


def tag_brief(tag: Tag) -> TagBrief:
    """Show what a ticket or contact needs of its tag."""
    return TagBrief(tag.id, tag.name, tag.color, tag.kanban)
