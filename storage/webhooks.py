"""Webhooks: addresses under which others start a company's flow."""

from typing import Any, Final

import sqlalchemy as sa
from msgspec import field

from storage.ids import UserId
from storage.metadata import document, flag, number, reference, refers_to, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.search import by_name

webhooks = tenant_table(
    "webhooks",
    reference("user_id"),
    sa.Column(
        "hash_id", sa.Text, nullable=False, server_default=sa.text("gen_random_uuid()::text")
    ),
    string("name"),
    flag("active", default=True),
    number("requests_month"),
    number("requests_all"),
    document("config"),
    refers_to("user_id", "users"),
    sa.UniqueConstraint("hash_id"),
)


class Webhook(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """An address (`hash_id`), how often it was called, and what it starts."""

    user_id: UserId | None = field(name="user_id")
    hash_id: str = field(name="hash_id")
    name: str
    active: bool
    requests_month: int = field(name="requestMonth")
    requests_all: int = field(name="requestAll")
    config: dict[str, Any] | None


rows: Final = Repo(webhooks, Webhook, by_name(webhooks.c.name), search=("name",))
