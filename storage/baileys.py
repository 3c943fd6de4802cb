"""What a WhatsApp Web session knew of contacts and chats, kept per connection."""

import sqlalchemy as sa

from storage.metadata import belongs_to, document, owner
from storage.plain_rows import tenant_table

baileys = tenant_table(
    "baileys",
    owner("connection_id"),
    document("contacts"),
    document("chats"),
    belongs_to("connection_id", "connections"),
    sa.UniqueConstraint("company_id", "connection_id"),
)
