"""What every plain table has in common, so that a noun declares only what is its own.

The record of a plain row is also its view: `rename="camel"` and `field(name=…)` give the family's
names, and its fields, less those here, are what a person may write.
"""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from storage.ids import CompanyId
from storage.metadata import at, company, metadata, of_company, row_id


def tenant_table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    """Declare a table of companies' rows: key (company_id, id), times, gone with the company."""
    head = (company(), row_id(), at("created_at"), at("updated_at"))
    return sa.Table(name, metadata, *head, *parts, of_company())


def shared_table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    """Declare a table of the installation's rows, which every company reads."""
    return sa.Table(name, metadata, row_id(), at("created_at"), at("updated_at"), *parts)


class SharedRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A row of the installation."""

    id: int
    created_at: datetime
    updated_at: datetime


class TenantRow(SharedRow, frozen=True, kw_only=True, rename="camel"):
    """A row of a company."""

    company_id: CompanyId


FIXED = frozenset(("id", "company_id", "created_at", "updated_at"))
"""Columns that no client writes."""
