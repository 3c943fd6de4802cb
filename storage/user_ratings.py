"""Ratings that customers gave agents for a case."""

import sqlalchemy as sa

from storage.metadata import belongs_to, number, owner, reference, refers_to
from storage.plain_rows import tenant_table

user_ratings = tenant_table(
    "user_ratings",
    owner("ticket_id"),
    reference("user_id"),
    number("rate"),
    belongs_to("ticket_id", "tickets"),
    refers_to("user_id", "users"),
    sa.Index(None, "company_id", "ticket_id"),
    sa.Index(None, "company_id", "created_at"),
)
