"""Campaigns: one text to a contact list, who gets it and how fast."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from msgspec import field
from sqlalchemy.dialects.postgresql import insert

from storage.database import Tx
from storage.ids import CompanyId, ConnectionId, DepartmentId, UserId
from storage.metadata import (
    belongs_to,
    flag,
    moment,
    number,
    optional,
    owner,
    reference,
    refers_to,
    string,
)
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo

campaigns = tenant_table(
    "campaigns",
    string("name"),
    *(string(f"message{n}") for n in range(1, 6)),
    *(string(f"confirmation_message{n}") for n in range(1, 6)),
    string("status", "INATIVA"),
    flag("confirmation"),
    optional("media_path"),
    optional("media_name"),
    moment("scheduled_at"),
    moment("completed_at"),
    reference("list_id"),
    reference("connection_id"),
    reference("user_id"),
    reference("department_id"),
    string("status_ticket", "closed"),
    string("open_ticket", "disabled"),
    number("repeat_interval"),
    number("repeat_limit"),
    refers_to("list_id", "contact_lists"),
    refers_to("connection_id", "connections"),
    refers_to("user_id", "users"),
    refers_to("department_id", "departments"),
)

campaign_settings = tenant_table(
    "campaign_settings", string("key"), string("value"), sa.UniqueConstraint("company_id", "key")
)

campaign_shippings = tenant_table(
    "campaign_shippings",
    owner("campaign_id"),
    reference("item_id"),
    string("number"),
    string("message"),
    string("confirmation_message"),
    sa.Column("confirmation", sa.Boolean),
    optional("job_id"),
    moment("confirmation_requested_at"),
    moment("confirmed_at"),
    moment("delivered_at"),
    belongs_to("campaign_id", "campaigns"),
    refers_to("item_id", "contact_list_items"),
    sa.UniqueConstraint("company_id", "campaign_id", "number"),
    sa.Index(None, "company_id", "campaign_id", "delivered_at"),
)


class Campaign(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A campaign; INATIVA, PROGRAMADA, EM_ANDAMENTO, CANCELADA or FINALIZADA."""

    name: str
    message1: str
    message2: str
    message3: str
    message4: str
    message5: str
    confirmation_message1: str
    confirmation_message2: str
    confirmation_message3: str
    confirmation_message4: str
    confirmation_message5: str
    status: str
    confirmation: bool
    media_path: str | None
    media_name: str | None
    scheduled_at: datetime | None
    completed_at: datetime | None
    list_id: int | None = field(name="contactListId")
    connection_id: ConnectionId | None = field(name="whatsappId")
    user_id: UserId | None
    department_id: DepartmentId | None = field(name="queueId")
    status_ticket: str
    open_ticket: str
    repeat_interval: int
    repeat_limit: int


class CampaignSetting(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """One key of the company's pace; the value is JSON text."""

    key: str
    value: str


rows: Final = Repo(campaigns, Campaign, campaigns.c.created_at.desc(), search=("name",))
settings: Final = Repo(campaign_settings, CampaignSetting, campaign_settings.c.key)


async def set_setting(tx: Tx, company_id: CompanyId, key: str, value: str) -> None:
    """Store a key's text."""
    new = insert(campaign_settings).values(company_id=company_id, key=key, value=value)
    row = [campaign_settings.c.company_id, campaign_settings.c.key]
    changed = {"value": new.excluded.value, "updated_at": sa.func.now()}
    await tx.execute(new.on_conflict_do_update(index_elements=row, set_=changed))
