"""What agents do to tickets: open, accept, return, transfer, close, reopen; pure rules on a draft."""

from typing import Final, get_args

from msgspec import UNSET

from actors.channels.registry import Channels
from actors.errors import (
    InvalidRequest,
    NoDefaultConnection,
    OtherOpenTicket,
    UnknownConnection,
    UnknownDepartment,
    UnknownUser,
)
from actors.tickets.commands import CloseTickets, CreateTicket, UpdateTicket
from actors.tickets.draft import Draft
from actors.tickets.rules_sending import (
    CONNECTED,
    note,
    send_automatic,
    tell_read,
)
from storage.connections import Connection
from storage.ids import ConnectionId, DepartmentId, UserId
from storage.tickets import Status, Ticket

STATUSES: Final = frozenset(get_args(Status))
QUEUE_NAME: Final = "${queue.name}"


def create(draft: Draft, command: CreateTicket) -> Ticket:
    """An agent opens a case. Raises OtherOpenTicket while one is active on that connection."""
    _check(draft, command.user_id, command.department_id, command.status)
    connection = _agents_connection(draft, command.by, command.connection_id)
    active = draft.active_on(connection.id)
    if active is not None:
        raise OtherOpenTicket(active.id)
    status = command.status
    if draft.contact.is_group and not connection.group_as_ticket:
        status = "group"
    ticket = draft.new_ticket(
        _status(status),
        connection.id,
        connection.channel,
        user_id=command.user_id,
        department_id=command.department_id,
        is_active_demand=True,
    )
    draft.tracking(ticket)
    draft.log(ticket, "create", command.by)
    return ticket


def _agents_connection(draft: Draft, by: UserId | None, wanted: ConnectionId | None) -> Connection:
    connections = draft.snapshot.connections
    if wanted is not None:
        if wanted not in connections:
            raise UnknownConnection(str(wanted))
        return connections[wanted]
    member = draft.snapshot.users.get(by or UserId(0))
    own = connections.get(member.connection_id or ConnectionId(0)) if member else None
    found = own or draft.snapshot.default_connection()
    if found is None:
        raise NoDefaultConnection(str(draft.company_id))
    return found


def _check(draft: Draft, user_id: object, department_id: object, status: object = UNSET) -> None:
    """Users and departments are the company's own; the status is one there is."""
    snapshot = draft.snapshot
    if user_id not in (None, UNSET) and user_id not in snapshot.users:
        raise UnknownUser(str(user_id))
    if department_id not in (None, UNSET) and department_id not in snapshot.departments:
        raise UnknownDepartment(str(department_id))
    if status is not UNSET and status not in STATUSES:
        msg = f"status {status!r}"
        raise InvalidRequest(msg)


def _status(text: str) -> Status:
    if text not in STATUSES:
        msg = f"status {text!r}"
        raise InvalidRequest(msg)
    return text  # type: ignore[return-value]


def update(draft: Draft, channels: Channels, command: UpdateTicket) -> Ticket:
    """The one update: closes, reopens, or moves the ticket, then sets what else was given."""
    _check(draft, command.user_id, command.department_id, command.status)
    ticket = draft.ticket(command.ticket_id)
    status = ticket.status if command.status is UNSET else _status(command.status)
    if command.note:
        note(draft, ticket, command.note, by=command.by)
    if status == "closed":
        if ticket.is_active:
            ticket = close(draft, channels, ticket, command.by, farewell=command.farewell)
        return _set_rest(draft, ticket, command)
    if not ticket.is_active:
        other = draft.active_on(_target_connection(draft, ticket, command))
        if other is not None:
            return other
    return _set_rest(draft, _move(draft, channels, ticket, status, command), command)


def _target_connection(draft: Draft, ticket: Ticket, command: UpdateTicket) -> ConnectionId | None:
    wanted = command.connection_id
    if wanted is UNSET or wanted == ticket.connection_id:
        return ticket.connection_id
    if wanted is not None and wanted not in draft.snapshot.connections:
        raise UnknownConnection(str(wanted))
    return wanted


def _move(
    draft: Draft, channels: Channels, ticket: Ticket, status: Status, command: UpdateTicket
) -> Ticket:
    """Accept, return, transfer, reopen: whatever changes status, owner or department."""
    before = ticket
    user_id = before.user_id if command.user_id is UNSET else command.user_id
    department_id = (
        before.department_id if command.department_id is UNSET else command.department_id
    )
    connection_id = _target_connection(draft, before, command)
    if connection_id != before.connection_id:
        other = draft.active_on(connection_id)
        if other is not None and other.id != before.id:
            raise OtherOpenTicket(other.id)
    leaves_department = department_id not in (None, before.department_id)
    if command.transferred and leaves_department and draft.snapshot.settings.close_on_transfer:
        return _replace(draft, channels, before, status, user_id, department_id, command)
    if (status, user_id, department_id, connection_id) == (
        before.status,
        before.user_id,
        before.department_id,
        before.connection_id,
    ):
        return before
    after = draft.change(
        before,
        status=status,
        user_id=user_id,
        department_id=department_id,
        connection_id=connection_id,
        is_bot=before.is_bot and user_id is None and status == "pending",
    )
    _log_move(draft, before, after, command)
    _track_move(draft, before, after)
    if command.transferred and leaves_department:
        _tell_transfer(draft, channels, after)
    return draft.ticket(after.id)


def _log_move(draft: Draft, before: Ticket, after: Ticket, command: UpdateTicket) -> None:
    handed_over = after.user_id != before.user_id or after.department_id != before.department_id
    if not before.is_active:
        draft.log(after, "reopen", command.by)
    elif command.transferred and handed_over:
        draft.log(before, "transfered", before.user_id or command.by)
        draft.log(after, "receivedTransfer", after.user_id)
    elif after.status != before.status:
        draft.log(after, after.status, command.by)
    elif after.user_id != before.user_id:
        draft.log(after, "userDefine", command.by)
    else:
        draft.log(after, "queue", command.by)


def _track_move(draft: Draft, before: Ticket, after: Ticket) -> None:
    stamps: dict[str, object] = {
        "user_id": after.user_id,
        "department_id": after.department_id,
        "connection_id": after.connection_id,
    }
    if after.status == "pending" and (
        before.status != "pending" or after.department_id != before.department_id
    ):
        stamps.update(queued_at=draft.now, started_at=None)
    if after.status == "open" and before.status != "open":
        stamps["started_at"] = draft.now
    draft.track(after, **stamps)


def _replace(
    draft: Draft,
    channels: Channels,
    before: Ticket,
    status: Status,
    user_id: UserId | None,
    department_id: DepartmentId | None,
    command: UpdateTicket,
) -> Ticket:
    """A transfer that ends this case and opens a new one for the target department."""
    close(draft, channels, before, command.by, farewell=False)
    successor = draft.new_ticket(
        status,
        before.connection_id,
        before.channel,
        user_id=user_id,
        department_id=department_id,
    )
    draft.tracking(successor)
    draft.log(before, "transfered", before.user_id or command.by)
    draft.log(successor, "receivedTransfer", user_id)
    _tell_transfer(draft, channels, successor)
    return draft.ticket(successor.id)


def _tell_transfer(draft: Draft, channels: Channels, ticket: Ticket) -> None:
    settings = draft.snapshot.settings
    if not settings.tell_transfer or not _can_speak(draft, ticket):
        return
    department = draft.snapshot.departments.get(ticket.department_id or DepartmentId(0))
    name = department.name if department else ""
    send_automatic(draft, channels, ticket, settings.transfer_message.replace(QUEUE_NAME, name))


def _can_speak(draft: Draft, ticket: Ticket) -> bool:
    """Whether an automatic text may leave: a live connection, and no plain group chat."""
    connection = draft.snapshot.connections.get(ticket.connection_id or ConnectionId(0))
    if connection is None or connection.status != CONNECTED:
        return False
    return not ticket.is_group or connection.group_as_ticket


def close(
    draft: Draft, channels: Channels, ticket: Ticket, by: UserId | None, *, farewell: bool
) -> Ticket:
    """Ends the case. The closing text goes out first, so that it belongs to this case."""
    if farewell and _can_speak(draft, ticket):
        waited = ticket.status == "pending"
        if not waited or draft.snapshot.settings.farewell_waiting:
            send_automatic(draft, channels, ticket, _farewell(draft, ticket, by))
            ticket = draft.ticket(ticket.id)
    draft.mark_read(ticket)
    draft.track(ticket, finished_at=draft.now, closed_at=draft.now, user_id=ticket.user_id or by)
    closed = draft.change(
        ticket,
        status="closed",
        unread_messages=0,
        user_id=ticket.user_id or by,
        is_bot=False,
        last_flow_id=None,
        flow_hash=None,
        flow_data=None,
    )
    draft.log(closed, "closed", by)
    return closed


def _farewell(draft: Draft, ticket: Ticket, by: UserId | None) -> str:
    member = draft.snapshot.users.get(by or ticket.user_id or UserId(0))
    if member is not None and member.farewell_message:
        return member.farewell_message
    connection = draft.snapshot.connections.get(ticket.connection_id or ConnectionId(0))
    return connection.closing_message if connection is not None else ""


def close_all(draft: Draft, channels: Channels, command: CloseTickets) -> int:
    """Closes what is in the given status, without a farewell; returns how many."""
    chosen = [
        ticket
        for ticket in draft.tickets.values()
        if ticket.status == command.status
        and ticket.is_active
        and command.connection_id in (None, ticket.connection_id)
        and command.user_id in (None, ticket.user_id)
    ]
    for ticket in chosen:
        close(draft, channels, ticket, command.by, farewell=False)
    return len(chosen)


def _set_rest(draft: Draft, ticket: Ticket, command: UpdateTicket) -> Ticket:
    """The fields that neither move the ticket nor need a rule."""
    given = {
        "last_message": command.last_message,
        "is_bot": command.is_bot,
        "use_integration": command.use_integration,
        "integration_id": command.integration_id,
        "menus_used": command.bot_budget_used,
    }
    fields = {
        name: value
        for name, value in given.items()
        if value is not UNSET and value != getattr(ticket, name)
    }
    if command.unread is not UNSET and command.unread == 0 and ticket.unread_messages:
        draft.mark_read(ticket)
        fields["unread_messages"] = 0
    return draft.change(ticket, **fields) if fields else ticket


def mark_read(draft: Draft, channels: Channels, ticket: Ticket) -> Ticket:
    """Nothing of this ticket is unread any more; its place in the lists stays.

    Where the channel can, the contact is told that we have read.
    """
    if not ticket.unread_messages:
        return ticket
    draft.mark_read(ticket)
    tell_read(draft, channels, ticket)
    return draft.set_unread(ticket, 0)


def mark_unread(ticket: Ticket, draft: Draft) -> Ticket:
    """Shows the ticket as unread again."""
    return draft.set_unread(ticket, max(1, ticket.unread_messages))
