"""Invoices: a company reads its own; operators write them, so that nobody pays by request."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType, field

from api.endpoint import Ctx, Done, Id, Int, Page, Routes, Short, Text, admin, super_user
from api.endpoint.crud import SIZE
from api.endpoint.times import moment
from api.errors import Detail, Invalid
from api.resources.money import amount
from storage import invoices
from storage.ids import CompanyId
from storage.invoices import Invoice

routes = Routes("/invoices", tag="invoices", guard=admin, missing="ERR_NO_INVOICE_FOUND")


class InvoiceQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """Part of the text, and which page."""

    search_param: Short = ""
    page_number: Page = 1


class InvoicePage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of invoices, the latest first."""

    invoices: list[Invoice]
    count: int
    has_more: bool


class InvoiceBody(msgspec.Struct, kw_only=True, rename="camel"):
    """An invoice as an operator writes it."""

    company_id: Id | None = None
    due_date: Short | UnsetType | None = UNSET
    detail: Text | UnsetType = UNSET
    status: Short | UnsetType = UNSET
    value: Short | UnsetType = UNSET
    users: Int | UnsetType = UNSET
    connections: Int | UnsetType = UNSET
    departments: Int | UnsetType = field(name="queues", default=UNSET)
    use_whatsapp: bool | UnsetType = UNSET
    use_facebook: bool | UnsetType = UNSET
    use_instagram: bool | UnsetType = UNSET
    use_campaigns: bool | UnsetType = UNSET
    use_schedules: bool | UnsetType = UNSET
    use_internal_chat: bool | UnsetType = UNSET
    use_external_api: bool | UnsetType = UNSET
    link: Short | UnsetType = field(name="linkInvoice", default=UNSET)


@routes.get()
async def list_page(ctx: Ctx, query: InvoiceQuery) -> InvoicePage:
    """List the company's invoices."""
    rows, number = invoices.rows, query.page_number
    found, count = await rows.page(
        ctx.parts.database,
        ctx.company_id,
        *rows.matching(query.search_param.strip()),
        number=number,
        size=SIZE,
    )
    more = count > (number - 1) * SIZE + len(found)
    return InvoicePage(invoices=found, count=count, has_more=more)


@routes.get("/all")
async def list_all(ctx: Ctx) -> list[Invoice]:
    """List every invoice of the company."""
    return await invoices.rows.all_of(ctx.parts.database, ctx.company_id)


@routes.get("/list")
async def list_there(ctx: Ctx) -> list[Invoice]:
    """The same under the path that other clients use."""
    return await list_all(ctx)


@routes.get("/{invoice_id}")
async def show(ctx: Ctx, invoice_id: int) -> Invoice:
    """Show an invoice."""
    return await invoices.rows.get(ctx.parts.database, ctx.company_id, invoice_id)


@routes.post(guard=super_user)
async def create(ctx: Ctx, body: InvoiceBody) -> Invoice:
    """Write an invoice to a company."""
    if body.company_id is None:
        raise Invalid(Detail("$.companyId", "missing"))
    company_id = CompanyId(body.company_id)
    async with ctx.parts.database.begin(company_id) as tx:
        made = await invoices.rows.insert(tx, company_id, **_values(body))
        ctx.settle(tx, made)
    return made


@routes.put("/{invoice_id}", guard=super_user)
async def update(ctx: Ctx, invoice_id: int, body: InvoiceBody) -> Invoice:
    """Change any company's invoice."""
    company_id = await invoices.company_of(ctx.parts.database, invoice_id)
    async with ctx.parts.database.begin(company_id) as tx:
        return await invoices.rows.change(tx, company_id, invoice_id, _values(body))


@routes.delete("/{invoice_id}", guard=super_user)
async def remove(ctx: Ctx, invoice_id: int) -> Done:
    """Delete any company's invoice."""
    company_id = await invoices.company_of(ctx.parts.database, invoice_id)
    async with ctx.parts.database.begin(company_id) as tx:
        await invoices.rows.delete(tx, company_id, invoice_id)
    return Done("Invoice deleted")


def _values(body: InvoiceBody) -> dict[str, object]:
    given = msgspec.structs.asdict(body)
    values = {n: v for n, v in given.items() if v is not UNSET and n != "company_id"}
    if "due_date" in values:
        values["due_date"] = _due(body.due_date)
    if "value" in values:
        values["value"] = amount(str(body.value), "$.value")
    if values.get("status", "open") not in ("open", "paid"):
        raise Invalid(Detail("$.status", "open or paid"))
    return values


def _due(text: str | UnsetType | None) -> datetime | None:
    return None if text is UNSET else moment(text, "UTC", "$.dueDate")
