"""The wire noun `tag`; a tag itself is shown as it is stored."""

import msgspec

from storage.ids import TagId
from storage.tags import Tag


class TagBrief(msgspec.Struct, frozen=True):
    """What a ticket or contact shows of its tag."""

    id: TagId
    name: str
    color: str
    kanban: int


def tag_brief(tag: Tag) -> TagBrief:
    """Show what a ticket or contact needs of its tag."""
    return TagBrief(tag.id, tag.name, tag.color, tag.kanban)
