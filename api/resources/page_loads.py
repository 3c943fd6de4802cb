"""Lists that every page of the frontends asks for at once, and whose features come later.

The pages break on a missing list, so these answer with the empty list that a company without such
rows has. What would create rows is declared and answers 501 until it is built.
"""

from typing import Any

import msgspec

from api.endpoint import Ctx, Page, Routes, Short

routes = Routes(tag="later")


class ListQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """What lists of this kind are asked with."""

    search_param: Short = ""
    page_number: Page = 1


class Records(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of rows."""

    records: list[dict[str, Any]] = []
    count: int = 0
    has_more: bool = False


class Schedules(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of scheduled messages."""

    schedules: list[dict[str, Any]] = []
    count: int = 0
    has_more: bool = False


class Files(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of file lists."""

    files: list[dict[str, Any]] = []
    count: int = 0
    has_more: bool = False


class Prompts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of prompts."""

    prompts: list[dict[str, Any]] = []
    count: int = 0
    has_more: bool = False


class Integrations(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of integrations."""

    queue_integrations: list[dict[str, Any]] = []
    count: int = 0
    has_more: bool = False


@routes.get("/chats")
async def list_chats(ctx: Ctx, query: ListQuery) -> Records:
    """List internal chats."""
    return Records()


@routes.get("/announcements")
async def list_announcements(ctx: Ctx, query: ListQuery) -> Records:
    """List announcements."""
    return Records()


@routes.get("/campaigns")
async def list_campaigns(ctx: Ctx, query: ListQuery) -> Records:
    """List campaigns."""
    return Records()


@routes.get("/contact-lists")
async def list_contact_lists(ctx: Ctx, query: ListQuery) -> Records:
    """List contact lists."""
    return Records()


@routes.get("/quick-messages")
async def list_quick_messages(ctx: Ctx, query: ListQuery) -> Records:
    """List quick replies."""
    return Records()


@routes.get("/schedules")
async def list_schedules(ctx: Ctx, query: ListQuery) -> Schedules:
    """List scheduled messages."""
    return Schedules()


@routes.get("/files")
async def list_files(ctx: Ctx, query: ListQuery) -> Files:
    """List file lists."""
    return Files()


@routes.get("/prompt")
async def list_prompts(ctx: Ctx, query: ListQuery) -> Prompts:
    """List prompts."""
    return Prompts()


@routes.get("/queueIntegration")
async def list_integrations(ctx: Ctx, query: ListQuery) -> Integrations:
    """List integrations."""
    return Integrations()


@routes.get("/quick-messages/list")
async def list_quick_names(ctx: Ctx) -> list[dict[str, Any]]:
    """List every quick reply."""
    return []


@routes.get("/contact-lists/list")
async def list_contact_list_names(ctx: Ctx) -> list[dict[str, Any]]:
    """List every contact list."""
    return []


@routes.get("/helps/list")
async def list_helps(ctx: Ctx) -> list[dict[str, Any]]:
    """List help pages."""
    return []


@routes.get("/invoices/all")
async def list_invoices(ctx: Ctx) -> list[dict[str, Any]]:
    """List the company's invoices."""
    return []


@routes.get("/campaign-settings")
async def list_campaign_settings(ctx: Ctx) -> list[dict[str, Any]]:
    """List the settings of campaigns."""
    return []


@routes.get("/ticket-notes/list")
async def list_notes(ctx: Ctx) -> list[dict[str, Any]]:
    """List the notes on a ticket."""
    return []


class NewRow(msgspec.Struct):
    """A row of a feature that is not built yet; its fields are not read."""


@routes.post("/chats", built=False)
async def create_chat(ctx: Ctx, body: NewRow) -> None:
    """Open an internal chat."""


@routes.post("/announcements", built=False)
async def create_announcement(ctx: Ctx, body: NewRow) -> None:
    """Publish an announcement."""


@routes.post("/campaigns", built=False)
async def create_campaign(ctx: Ctx, body: NewRow) -> None:
    """Plan a campaign."""


@routes.post("/contact-lists", built=False)
async def create_contact_list(ctx: Ctx, body: NewRow) -> None:
    """Add a contact list."""


@routes.post("/quick-messages", built=False)
async def create_quick_message(ctx: Ctx, body: NewRow) -> None:
    """Add a quick reply."""


@routes.post("/schedules", built=False)
async def create_schedule(ctx: Ctx, body: NewRow) -> None:
    """Schedule a message."""


@routes.post("/ticket-notes", built=False)
async def create_note(ctx: Ctx, body: NewRow) -> None:
    """Write a note on a ticket."""


@routes.get("/dashboard", built=False)
async def show_dashboard(ctx: Ctx) -> None:
    """Count tickets and times."""
