"""The external API beside sending: the family's paths for programs that run companies and read them.

Nothing is new here. The same handlers serve people under their paths; a program's token takes the
place of the family's one password for everything, and decides by its scopes what it may. A token of
a company sees that company. One that an operator made for the whole installation may name any.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from api.endpoint import Ctx, Id, Routes, Short, crud, program
from api.endpoint.crud import SIZE
from api.endpoint.times import day_end, moment
from api.errors import BadRequest, Detail, Missing
from api.resources import companies as company_pages
from api.resources import company_book, contacts, invoices, plans, users
from api.resources.money import amount
from storage import companies, helps, messages, partners
from storage import invoices as invoice_rows
from storage import users as user_rows
from storage.errors import NotFound
from storage.invoices import Invoice
from storage.views import CompanyView, MessageView, UserView, message_view

AT_MOST = 10_000
"""Messages of one period; more are asked for in shorter ones."""

founding = Routes("/api", tag="external", noun="api_companies", missing="ERR_NO_COMPANY_FOUND")
_READS, _WRITES = program("companies:read"), program("companies:write")
founding.get("/companies", guard=_READS)(company_book.list_page)
founding.get("/companies/{company_id}", guard=_READS)(company_pages.show)
founding.post("/companies", guard=_WRITES)(company_book.create)
founding.put("/companies/{company_id}", guard=_WRITES)(company_book.update)
founding.put("/companies/{company_id}/schedules", guard=_WRITES)(company_book.set_schedules)
founding.delete("/companies/{company_id}", guard=_WRITES, deadline=company_book.ENDING)(
    company_book.remove
)


@founding.get("/companiesEmail/{company_email}", guard=_READS)
async def show_by_email(ctx: Ctx, company_email: str) -> CompanyView:
    """Find a company by its address."""
    found = await companies.by_email(ctx.parts.database, company_email.strip())
    return await company_pages.full_company(ctx.parts.database, found.id)


help_pages = crud(
    "/api/helps",
    helps.rows,
    noun="help",
    missing="ERR_NO_HELP_FOUND",
    only=("page", "show", "create", "change", "delete"),
    read=program("helps:read"),
    write=program("helps:write"),
    needs=("title",),
)
plan_list = plans.declared("/api/plans", read=program("plans:read"), write=program("plans:write"))


def _commission(values: dict[str, Any]) -> None:
    if "commission" in values:
        values["commission"] = amount(str(values["commission"]), "$.commission")


partner_list = crud(
    "/api/partners",
    partners.rows,
    noun="partner",
    missing="ERR_NO_PARTNER_FOUND",
    only=("page", "show", "create", "change", "delete"),
    read=program("partners:read"),
    write=program("partners:write"),
    needs=("name",),
    check=_commission,
)

billing = Routes("/api", tag="external", noun="api_invoices", missing="ERR_NO_INVOICE_FOUND")
billing.post("/invoices", guard=program("invoices:write"))(invoices.create)
billing.put("/invoices/{invoice_id}", guard=program("invoices:write"))(invoices.update)
billing.delete("/invoices/{invoice_id}", guard=program("invoices:write"))(invoices.remove)


@billing.get("/invoices", guard=program("invoices:read"))
async def list_invoices(ctx: Ctx, query: invoices.InvoiceQuery) -> invoices.InvoicePage:
    """List invoices: the company's, or every company's for an operator's program."""
    if not ctx.principal.is_super:
        return await invoices.list_page(ctx, query)
    number = query.page_number
    found, count = await invoice_rows.page(
        ctx.parts.database, search=query.search_param.strip(), number=number, size=SIZE
    )
    more = count > (number - 1) * SIZE + len(found)
    return invoices.InvoicePage(invoices=found, count=count, has_more=more)


@billing.get("/invoices/{invoice_id}", guard=program("invoices:read"))
async def show_invoice(ctx: Ctx, invoice_id: int) -> Invoice:
    """Show an invoice."""
    company_id = await invoice_rows.company_of(ctx.parts.database, invoice_id)
    if company_id != ctx.company_id and not ctx.principal.is_super:
        raise NotFound
    return await invoices.show(await ctx.of(company_id), invoice_id)


@billing.get("/invoicesCompany/{company_id}", guard=program("invoices:read"))
async def list_of_company(ctx: Ctx, company_id: int) -> list[Invoice]:
    """List a company's invoices."""
    return await invoices.list_all(await ctx.of(company_id))


routes = Routes("/api", tag="external", feature="use_external_api", paid=True)


class OfCompany(contacts.ContactQuery, kw_only=True, rename="camel"):
    """A list of contacts; `companyId` is for an operator's program."""

    company_id: Id | None = None


class Counted(msgspec.Struct, frozen=True):
    """How many there are, exactly up to 10,000."""

    count: int


class RangeQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """From the beginning of `startDate` to the end of `lastDate`, in the company's time zone; today."""

    company_id: Id | None = None
    start_date: Short = ""
    last_date: Short = ""


@routes.get("/contacts", guard=program("contacts:read"))
async def list_contacts(ctx: Ctx, query: OfCompany) -> contacts.ContactPage:
    """List contacts by name."""
    return await contacts.list_contacts(await ctx.of(query.company_id), query)


@routes.get("/contacts-count", guard=program("contacts:read"))
async def count_contacts(ctx: Ctx, query: OfCompany) -> Counted:
    """Count contacts."""
    return Counted((await list_contacts(ctx, query)).count)


@routes.get("/messagesRange", guard=program("messages:read"), missing="ERR_NO_COMPANY_FOUND")
async def list_messages(ctx: Ctx, query: RangeQuery) -> list[MessageView]:
    """List the messages of some days, oldest first; too many are refused, never cut short."""
    there = await ctx.of(query.company_id)
    snapshot = await there.snapshot()
    zone = snapshot.zone
    today = datetime.now(ZoneInfo(zone)).date().isoformat()
    start = moment(query.start_date.strip() or today, zone, "$.startDate")
    end = day_end(query.last_date.strip() or today, zone, "$.lastDate")
    assert start is not None
    assert end is not None
    found = await messages.of_period(
        ctx.parts.database, there.company_id, start, end, most=AT_MOST + 1
    )
    if len(found) > AT_MOST:
        raise BadRequest(
            Detail("$.lastDate", f"over {AT_MOST} messages"), code="ERR_RANGE_TOO_WIDE"
        )
    return [message_view(message, snapshot) for message in found]


@routes.get("/users/{user_email}", guard=program("users:read"), missing="ERR_NO_USER_FOUND")
async def show_user(ctx: Ctx, user_email: str) -> UserView:
    """Find a user by the address, never with a password's hash."""
    login = await user_rows.login_by_email(ctx.parts.database, user_email.strip())
    if login is None or (login.company_id != ctx.company_id and not ctx.principal.is_super):
        raise Missing(code="ERR_NO_USER_FOUND")
    return await users.show(await ctx.of(login.company_id), login.id)
