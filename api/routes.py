"""Every declared endpoint of the server, in one table."""

from collections.abc import Iterator
from functools import cache

import msgspec

from api.endpoint import PublicCtx, Raw, Routes, public
from api.endpoint.declaration import Endpoint
from api.endpoint.table import RouteTable
from api.openapi import document
from api.resources import (
    announcements,
    api_tokens,
    audit_log,
    auth,
    campaigns,
    chatbots,
    chats,
    companies,
    company_book,
    connections,
    contact_files,
    contacts,
    dashboards,
    department_options,
    departments,
    events,
    external_api,
    external_messages,
    file_lists,
    flows,
    forwards,
    front,
    helps,
    integrations,
    interactive_messages,
    invoices,
    later,
    list_reports,
    login_sessions,
    mailing_lists,
    media,
    messages,
    number_checks,
    operations,
    operator_connections,
    passwords,
    plans,
    prompts,
    quick_messages,
    registry,
    scheduled_messages,
    schedules,
    setting_files,
    settings,
    sign_ups,
    tagging,
    tags,
    telephony,
    ticket_notes,
    tickets,
    translations,
    users,
)
from api.resources.companies import VERSION
from api.webhooks import whatsapp

routes = Routes(tag="operations", guard=public)


@routes.get("/openapi.json")
async def show_document(ctx: PublicCtx) -> Raw:
    """Describe every endpoint (OpenAPI 3.1)."""
    content = _document(ctx.parts.settings.public_url)
    return Raw(content=content, content_type="application/json; charset=utf-8")


@cache
def _document(server_url: str) -> bytes:
    return msgspec.json.encode(document(table(), server_url=server_url, version=VERSION))


def endpoints() -> Iterator[Endpoint]:
    """Every endpoint, noun by noun."""
    for module in (
        auth,
        login_sessions,
        passwords,
        sign_ups,
        tickets,
        messages,
        forwards,
        interactive_messages,
        contacts,
        connections,
        operator_connections,
        telephony,
        departments,
        users,
        tags,
        settings,
        setting_files,
        translations,
        registry,
        companies,
        media,
        announcements,
        campaigns,
        chatbots,
        chats,
        company_book,
        department_options,
        file_lists,
        flows,
        helps,
        integrations,
        invoices,
        mailing_lists,
        plans,
        prompts,
        quick_messages,
        scheduled_messages,
        schedules,
        tagging,
        ticket_notes,
        dashboards,
        list_reports,
        contact_files,
        front,
        external_messages,
        number_checks,
        external_api,
        later,
        operations,
        events,
        audit_log,
        api_tokens,
        whatsapp,
    ):
        yield from module.routes
    yield from connections.sessions
    yield from mailing_lists.items
    yield from campaigns.settings
    yield from ticket_notes.logs
    yield from media.pictures
    yield from external_api.founding
    yield from external_api.help_pages
    yield from external_api.plan_list
    yield from external_api.partner_list
    yield from external_api.billing
    yield from tags.changes
    yield from tags.lanes
    yield from routes


@cache
def table() -> RouteTable:
    """The route table of the server."""
    return RouteTable(endpoints())
