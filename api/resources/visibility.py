"""What the caller may see of the company's tickets."""

from api.endpoint import Ctx
from api.errors import Forbidden
from storage import messages, ticket_lists, tickets
from storage.ids import MessageId, TicketId
from storage.messages import Message
from storage.ticket_lists import Viewer
from storage.tickets import Ticket


async def viewer(ctx: Ctx) -> Viewer:
    """The caller with the rights and departments that the company's configuration gives."""
    await ctx.parts.snapshots.current(ctx.company_id)
    return viewer_now(ctx)


def viewer_now(ctx: Ctx) -> Viewer:
    """The same without waiting: by what the token says where no configuration is in memory."""
    snapshot = ctx.parts.snapshots.peek(ctx.company_id)
    principal = ctx.principal
    member = snapshot.users.get(principal.user_id) if snapshot else None
    return Viewer(
        user_id=principal.user_id,
        is_admin=principal.is_admin,
        department_ids=member.department_ids if member else principal.department_ids,
        all_ticket=principal.all_ticket,
        all_historic=principal.all_historic,
        all_user_chat=principal.all_user_chat,
        allow_group=principal.allow_group,
        connection_id=member.connection_id if member else None,
    )


async def visible_ticket(ctx: Ctx, key: str) -> Ticket:
    """The ticket with this id or uuid, if the caller may open it.

    Raises NotFound for another company's, Forbidden for one that is somebody else's.
    """
    if key.isascii() and key.isdigit() and len(key) <= 15:
        ticket = await tickets.get(ctx.parts.database, ctx.company_id, TicketId(int(key)))
    else:
        ticket = await tickets.get_by_uuid(ctx.parts.database, ctx.company_id, key)
    if not ticket_lists.may_see(await viewer(ctx), ticket):
        raise Forbidden
    return ticket


async def visible_message(ctx: Ctx, message_id: MessageId) -> Message:
    """A message in a ticket that the caller may open. Raises NotFound or Forbidden."""
    message = await messages.get(ctx.parts.database, ctx.company_id, message_id)
    await visible_ticket(ctx, str(message.ticket_id))
    return message
