"""Webhooks: addresses under which others start a company's flow."""

import sqlalchemy as sa

from storage.metadata import document, flag, number, reference, refers_to, string
from storage.plain_rows import tenant_table

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
