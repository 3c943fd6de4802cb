"""What may be there only once is kept by constraints, whoever writes."""

import pytest
import sqlalchemy as sa

from storage.tables import ALL

ONCE = [
    ("contacts", {"company_id", "number"}),
    ("contact_aliases", {"company_id", "channel", "alias"}),
    ("departments", {"company_id", "name"}),
    ("departments", {"company_id", "color"}),
    ("connections", {"company_id", "name"}),
    ("connections", {"token_digest"}),
    ("connections", {"channel", "external_account_id"}),
    ("tags", {"company_id", "kanban", "name"}),
    ("contact_lists", {"company_id", "name"}),
    ("contact_list_items", {"company_id", "list_id", "number"}),
    ("flows", {"company_id", "name"}),
    ("plans", {"name"}),
    ("settings", {"company_id", "key"}),
    ("campaign_settings", {"company_id", "key"}),
    ("campaign_shippings", {"company_id", "campaign_id", "number"}),
    ("company_settings", {"company_id"}),
    ("ticket_tags", {"company_id", "ticket_id", "tag_id"}),
    ("contact_tags", {"company_id", "contact_id", "tag_id"}),
    ("contact_wallets", {"company_id", "contact_id", "user_id"}),
    ("user_departments", {"company_id", "user_id", "department_id"}),
    ("connection_departments", {"company_id", "connection_id", "department_id"}),
    ("chat_users", {"company_id", "chat_id", "user_id"}),
    ("tickets", {"uuid"}),
    ("chats", {"uuid"}),
    ("messages", {"company_id", "connection_id", "provider_id"}),
    ("api_usages", {"company_id", "used_on"}),
    ("flow_defaults", {"company_id"}),
    ("translations", {"language", "namespace", "key"}),
]
TABLES = {table.name: table for table in ALL}


def keys(table: sa.Table) -> list[set[str]]:
    """Every set of columns that is unique over the whole table."""
    found = [
        {column.name for column in constraint.columns}
        for constraint in table.constraints
        if isinstance(constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint)
    ]
    return found + [
        {column.name for column in index.columns}
        for index in table.indexes
        if index.unique and index.dialect_options["postgresql"]["where"] is None
    ]


@pytest.mark.parametrize(
    ("table", "columns"),
    ONCE,
    ids=lambda item: "-".join(sorted(item)) if isinstance(item, set) else item,
)
def test_it_is_there_once(table: str, columns: set[str]):
    assert columns in keys(TABLES[table])


@pytest.mark.parametrize(
    ("table", "index"),
    [
        ("tickets", "uq_tickets_active"),
        ("users", "uq_users_email"),
        ("connections", "uq_connections_default"),
    ],
)
def test_it_is_there_once_under_a_condition(table: str, index: str):
    (found,) = [item for item in TABLES[table].indexes if item.name == index]
    assert found.unique
