"""Settings: key and value rows of a company; those of company 1 hold for the installation."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from storage.ids import CompanyId, SettingId
from storage.metadata import at, company, metadata, of_company, row_id, string

INSTALLATION = CompanyId(1)
"""The company whose rows are the installation's settings."""

settings = sa.Table(
    "settings",
    metadata,
    company(),
    row_id(),
    string("key"),
    string("value"),
    at("created_at"),
    at("updated_at"),
    of_company(),
    sa.UniqueConstraint("company_id", "key"),
)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One key and its text."""

    company_id: CompanyId
    id: SettingId
    key: str
    value: str
    created_at: datetime
    updated_at: datetime
