"""Ratings that customers gave agents for a case."""

from typing import Final

import sqlalchemy as sa

from storage.ids import TicketId, UserId
from storage.metadata import belongs_to, number, owner, reference, refers_to
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo

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


class UserRating(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """One answer to the rating question."""

    ticket_id: TicketId
    user_id: UserId | None
    rate: int


rows: Final = Repo(user_ratings, UserRating, user_ratings.c.created_at.desc())
