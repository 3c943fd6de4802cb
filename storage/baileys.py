"""What a WhatsApp Web session knew of contacts and chats, kept per connection."""

from typing import Any, Final

import sqlalchemy as sa
from msgspec import field

from storage.ids import ConnectionId
from storage.metadata import belongs_to, document, owner
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo

baileys = tenant_table(
    "baileys",
    owner("connection_id"),
    document("contacts"),
    document("chats"),
    belongs_to("connection_id", "connections"),
    sa.UniqueConstraint("company_id", "connection_id"),
)


class Baileys(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """One session's lists."""

    connection_id: ConnectionId = field(name="whatsappId")
    contacts: list[Any] | None
    chats: list[Any] | None


rows: Final = Repo(baileys, Baileys)
