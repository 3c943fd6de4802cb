"""Quick replies: texts and files that agents send by a short code."""

from typing import Final

import sqlalchemy as sa
from msgspec import field

from storage.ids import UserId
from storage.metadata import belongs_to, flag, optional, reference, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo

quick_messages = tenant_table(
    "quick_messages",
    string("shortcode"),
    string("message"),
    optional("media_path"),
    optional("media_name"),
    flag("is_general"),
    flag("is_visible"),
    reference("user_id"),
    belongs_to("user_id", "users"),
    sa.Index(None, "company_id", "shortcode"),
)


class QuickMessage(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A quick reply; a general or visible one is everybody's, others their user's alone."""

    shortcode: str
    message: str
    media_path: str | None
    media_name: str | None
    is_general: bool = field(name="geral")
    is_visible: bool = field(name="visao")
    user_id: UserId | None


rows: Final = Repo(
    quick_messages, QuickMessage, quick_messages.c.shortcode, search=("shortcode", "message")
)


def is_shared(reply: QuickMessage) -> bool:
    """Whether a reply is everybody's."""
    return reply.is_general or reply.is_visible


def usable_by(user_id: UserId) -> tuple[sa.ColumnElement[bool], ...]:
    """Condition: the user's own replies and those of everybody."""
    shared = sa.or_(quick_messages.c.is_general, quick_messages.c.is_visible)
    return (sa.or_(shared, quick_messages.c.user_id == user_id),)
