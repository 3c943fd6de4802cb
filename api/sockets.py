"""What the sockets may ask of the rest of the server."""

from functools import partial

from api.auth import Bearers
from api.principal import Principal
from api.realtime.ports import PresenceChanged, RealtimePorts, RunCommand
from storage import event_log, ticket_lists, tickets
from storage.database import Database
from storage.errors import NotFound
from storage.event_log import EventPage
from storage.ids import CompanyId, TicketId
from storage.ticket_lists import Viewer
from storage.tickets import Ticket


def realtime_ports(
    database: Database, bearers: Bearers, presence_changed: PresenceChanged, run_command: RunCommand
) -> RealtimePorts:
    """The functions behind authentication, room rules and catching up."""

    async def may_see_ticket(principal: Principal, key: str) -> TicketId | None:
        ticket = await seen_ticket(database, principal, key)
        return None if ticket is None else ticket.id

    async def events_since(company_id: CompanyId, seq: int, limit: int) -> EventPage:
        return await event_log.page(database, company_id, seq, limit)

    return RealtimePorts(
        authenticate=bearers.authenticate,
        may_see_ticket=may_see_ticket,
        sees_ticket=lambda who, ticket: ticket_lists.may_see(viewer_of(who), ticket),
        authenticate_cookie=partial(bearers.authenticate_cookie, kept=True),
        revalidate=bearers.revalidate,
        presence_changed=presence_changed,
        events_since=events_since,
        run_command=run_command,
    )


async def seen_ticket(database: Database, principal: Principal, key: str) -> Ticket | None:
    """The ticket (by id or uuid) if this user may open it. Raises DatabaseUnavailable."""
    try:
        if key.isascii() and key.isdigit() and len(key) <= 15:
            ticket = await tickets.get(database, principal.company_id, TicketId(int(key)))
        else:
            ticket = await tickets.get_by_uuid(database, principal.company_id, key)
    except NotFound:
        return None
    return ticket if ticket_lists.may_see(viewer_of(principal), ticket) else None


def viewer_of(principal: Principal) -> Viewer:
    """The rights of a principal as they are in its token's session."""
    return Viewer(
        user_id=principal.user_id,
        is_admin=principal.is_admin,
        department_ids=principal.department_ids,
        all_ticket=principal.all_ticket,
        all_historic=principal.all_historic,
        all_user_chat=principal.all_user_chat,
        allow_group=principal.allow_group,
    )
