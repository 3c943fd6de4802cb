"""Messages with something to tap: lists, buttons and Pix cards, where the channel has them.

A channel that has no such message refuses it before anything is stored (400, with its code).
"""

import msgspec
from msgspec import field

from actors.channels.base import (
    Outbound,
    OutCallButton,
    OutCopyButton,
    OutList,
    OutPix,
    OutUrlButton,
    Row,
    Section,
)
from actors.tickets.commands import SendMessage
from api.endpoint import Ctx, Routes, Short, Text
from api.errors import Detail, Invalid
from api.resources.asking import ask, send_key, to_ticket
from api.resources.money import amount
from api.resources.visibility import visible_ticket
from storage.ids import TicketId
from storage.views import MessageView

routes = Routes("/messages", tag="messages", missing="ERR_NO_TICKET_FOUND", paid=True)
_KEY_TYPES = ("CPF", "CNPJ", "EMAIL", "PHONE", "EVP")


class ListRow(msgspec.Struct, kw_only=True):
    """One option; clients name its id in two ways, and the title stands in for a missing one."""

    title: Short
    description: Short = ""
    id: Short = ""
    row_id: Short = field(name="rowId", default="")


class ListSection(msgspec.Struct, kw_only=True):
    """A titled group of options."""

    rows: list[ListRow]
    title: Short = ""


class NewList(msgspec.Struct, kw_only=True, rename="camel"):
    """A text with a menu that opens by a button."""

    text: Text
    button_text: Short
    sections: list[ListSection]
    title: Short = ""
    footer: Short = ""


class NewButton(msgspec.Struct, kw_only=True, rename="camel"):
    """A text with one button; `copyText` is the address, the number or the code behind it."""

    button_text: Short
    copy_text: Text
    title: Short = ""
    description: Text = ""
    image: str | None = None


class NewPix(msgspec.Struct, kw_only=True):
    """A payment card; `sendvalue` in reais, empty leaves the amount to who pays."""

    key_type: Short = field(name="sendkey_type")
    key: Short = field(name="sendKey")
    merchant: Short = field(name="sendmerchant_name")
    title: Short = ""
    description: Text = ""
    value: Short = field(name="sendvalue", default="")


class Sent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Stored and ordered to be sent, under the names that clients read."""

    message: str = "Message sent"
    new_msg: MessageView
    send_msg: MessageView


@routes.post("/lista/{ticket_id}")
async def send_list(ctx: Ctx, ticket_id: TicketId, body: NewList) -> Sent:
    """Send a menu of options."""
    if not any(section.rows for section in body.sections):
        raise Invalid(Detail("$.sections", "no option"))
    sections = tuple(
        Section(
            title=section.title,
            rows=tuple(
                Row(
                    id=row.id or row.row_id or row.title,
                    title=row.title,
                    description=row.description,
                )
                for row in section.rows
            ),
        )
        for section in body.sections
    )
    content = OutList(
        body=body.text,
        button=body.button_text,
        sections=sections,
        header=body.title,
        footer=body.footer,
    )
    return await _send(ctx, ticket_id, content, body.text)


@routes.post("/url/{ticket_id}")
async def send_link(ctx: Ctx, ticket_id: TicketId, body: NewButton) -> Sent:
    """Send a button that opens a page."""
    if body.image:
        raise Invalid(Detail("$.image", "a link button carries no picture"))
    if not body.copy_text.startswith(("https://", "http://")):
        raise Invalid(Detail("$.copyText", "an http or https address"))
    text, header = _texts(body)
    content = OutUrlButton(
        body=text, header=header, title=body.button_text, url=body.copy_text.strip()
    )
    return await _send(ctx, ticket_id, content, _shown(text, body.button_text, body.copy_text))


@routes.post("/call/{ticket_id}")
async def send_call(ctx: Ctx, ticket_id: TicketId, body: NewButton) -> Sent:
    """Send a button that dials a number."""
    if not any(letter.isdigit() for letter in body.copy_text):
        raise Invalid(Detail("$.copyText", "a phone number"))
    text, header = _texts(body)
    content = OutCallButton(
        body=text, header=header, title=body.button_text, phone=body.copy_text.strip()
    )
    return await _send(ctx, ticket_id, content, _shown(text, body.button_text, body.copy_text))


@routes.post("/copy/{ticket_id}")
async def send_copy(ctx: Ctx, ticket_id: TicketId, body: NewButton) -> Sent:
    """Send a button that copies a code."""
    if not body.copy_text.strip():
        raise Invalid(Detail("$.copyText", "empty"))
    text, header = _texts(body)
    content = OutCopyButton(body=text, header=header, title=body.button_text, code=body.copy_text)
    return await _send(ctx, ticket_id, content, _shown(text, body.button_text, body.copy_text))


@routes.post("/PIX/{ticket_id}")
async def send_pix(ctx: Ctx, ticket_id: TicketId, body: NewPix) -> Sent:
    """Send a card to pay by Pix."""
    kind = body.key_type.strip().upper()
    if kind not in _KEY_TYPES:
        raise Invalid(Detail("$.sendkey_type", f"one of {', '.join(_KEY_TYPES)}"))
    if not body.key.strip() or not body.merchant.strip():
        raise Invalid(Detail("$.sendKey", "a key and the name of who is paid"))
    text = body.description or body.title or body.merchant
    content = OutPix(
        body=text,
        key=body.key.strip(),
        key_type=kind,
        merchant=body.merchant.strip(),
        amount=_cents(body.value),
    )
    return await _send(ctx, ticket_id, content, _shown(text, "Pix", content.key))


def _cents(text: str) -> int:
    found = amount(text, "$.sendvalue")
    if found < 0:
        raise Invalid(Detail("$.sendvalue", "not an amount"))
    return int(found * 100)


def _texts(body: NewButton) -> tuple[str, str]:
    """Text and headline; a lone title is the text."""
    return (body.description, body.title) if body.description.strip() else (body.title, "")


def _shown(text: str, button: str, value: str) -> str:
    """What agents read: the text, and what is behind its button."""
    return f"{text}\n{button}: {value}".strip()


async def _send(ctx: Ctx, ticket_id: TicketId, content: Outbound, shown: str) -> Sent:
    ticket = await visible_ticket(ctx, str(ticket_id))
    command = SendMessage(**to_ticket(ctx, ticket), content=content, body=shown, key=send_key(ctx))
    sent = await ask(ctx, command)
    return Sent(new_msg=sent, send_msg=sent)
