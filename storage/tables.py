"""Every table of the system: with this module loaded the metadata is complete."""

from typing import Final

import sqlalchemy as sa

from storage.announcements import announcements
from storage.api_tokens import api_tokens
from storage.api_usages import api_usages
from storage.audit_log import audit_log
from storage.baileys import baileys
from storage.campaigns import campaign_settings, campaign_shippings, campaigns
from storage.chatbots import chatbot_dialogs, chatbots
from storage.chats import chat_messages, chat_users, chats
from storage.commit_tables import company_stream, shards
from storage.companies import companies
from storage.company_settings import company_settings
from storage.connections import connection_departments, connection_secrets, connections
from storage.contacts import contact_aliases, contact_custom_fields, contact_wallets, contacts
from storage.dead_letters import dead_letters
from storage.department_options import department_options
from storage.departments import departments
from storage.early_statuses import early_statuses
from storage.events import events
from storage.file_lists import file_lists, file_options
from storage.flows import flow_audios, flow_campaigns, flow_defaults, flow_images, flows
from storage.helps import helps
from storage.idempotency import idempotency_keys
from storage.inbound_receipts import inbound_receipts
from storage.integrations import integrations, queue_integrations
from storage.invoices import invoices, subscriptions
from storage.mailing_lists import contact_list_items, contact_lists
from storage.messages import messages
from storage.old_messages import old_messages
from storage.outbox import outbox
from storage.partners import partners
from storage.password_resets import password_resets
from storage.plans import plans
from storage.prompts import prompts
from storage.quick_messages import quick_messages
from storage.refresh_families import refresh_families
from storage.scheduled_messages import scheduled_messages, scheduled_sendings
from storage.schedules import schedules
from storage.settings import settings
from storage.tags import contact_tags, tags, ticket_tags
from storage.ticket_logs import ticket_logs
from storage.ticket_notes import ticket_notes
from storage.ticket_trackings import ticket_trackings
from storage.tickets import tickets
from storage.translations import translations
from storage.user_ratings import user_ratings
from storage.users import user_departments, users
from storage.versions import versions
from storage.webhook_events import webhook_events
from storage.webhooks import webhooks

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
    password_resets,
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
    old_messages,
    shards,
    company_stream,
    events,
    audit_log,
    outbox,
    inbound_receipts,
    early_statuses,
    webhook_events,
    dead_letters,
    announcements,
    api_tokens,
    api_usages,
    baileys,
    campaign_settings,
    campaign_shippings,
    campaigns,
    chatbot_dialogs,
    chatbots,
    chat_messages,
    chat_users,
    chats,
    department_options,
    file_lists,
    file_options,
    flow_audios,
    flow_campaigns,
    flow_defaults,
    flow_images,
    flows,
    helps,
    integrations,
    queue_integrations,
    invoices,
    subscriptions,
    contact_list_items,
    contact_lists,
    partners,
    prompts,
    quick_messages,
    scheduled_messages,
    scheduled_sendings,
    schedules,
    translations,
    user_ratings,
    versions,
    webhooks,
)
