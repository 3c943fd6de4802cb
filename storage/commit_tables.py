"""Tables of the commit path: who owns a shard, and where each company's stream and audit end."""

import sqlalchemy as sa

from storage.metadata import at, big, company, metadata, of_company, optional

shards = sa.Table(
    "shards",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    big("epoch"),
    sa.Column("batch", sa.Uuid),
    optional("owner"),
    at("taken_at"),
    # Every batch rewrites its shard's row: the free space keeps those updates on one page.
    postgresql_with={"fillfactor": "20"},
)

company_stream = sa.Table(
    "company_stream",
    metadata,
    company(),
    big("last_seq"),
    big("audit_seq"),
    sa.Column("audit_hash", sa.LargeBinary),
    of_company(),
    # As every commit of the company rewrites it, too.
    postgresql_with={"fillfactor": "20"},
)
