"""Every table of the system: with this module loaded the metadata is complete."""

from typing import Final

import sqlalchemy as sa

from storage.commit_tables import company_stream, shards
from storage.companies import companies
from storage.company_settings import company_settings
from storage.connections import connection_departments, connection_secrets, connections
from storage.contacts import contact_aliases, contact_custom_fields, contact_wallets, contacts
from storage.dead_letters import dead_letters
from storage.departments import departments
from storage.early_statuses import early_statuses
from storage.events import events
from storage.idempotency import idempotency_keys
from storage.inbound_receipts import inbound_receipts
from storage.messages import messages
from storage.outbox import outbox
from storage.plans import plans
from storage.refresh_families import refresh_families
from storage.settings import settings
from storage.tags import contact_tags, tags, ticket_tags
from storage.ticket_logs import ticket_logs
from storage.ticket_notes import ticket_notes
from storage.ticket_trackings import ticket_trackings
from storage.tickets import tickets
from storage.users import user_departments, users
from storage.webhook_events import webhook_events

ALL: Final[tuple[sa.Table, ...]] = (
    companies,
    plans,
    settings,
    company_settings,
    departments,
    connections,
    connection_departments,
    connection_secrets,
    users,
    user_departments,
    refresh_families,
    idempotency_keys,
    tags,
    contact_tags,
    ticket_tags,
    contacts,
    contact_aliases,
    contact_custom_fields,
    contact_wallets,
    tickets,
    ticket_trackings,
    ticket_logs,
    ticket_notes,
    messages,
    shards,
    company_stream,
    events,
    outbox,
    inbound_receipts,
    early_statuses,
    webhook_events,
    dead_letters,
)
