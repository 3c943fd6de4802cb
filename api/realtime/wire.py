"""The one table from committed events to what browsers hear: rooms, wire name, payload.

Names are the family's and inconsistent on purpose: existing frontends listen to them as they are.
Who hears an event is decided by rooms alone, the same for every namespace; a move between list
columns is `delete` for those who saw the old place, then `update` for those who see the new one.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from actors.chat_events import ChatChanged, ChatMessageCreated, ChatRemoved
from actors.events import (
    ConnectionChanged,
    ConnectionRemoved,
    ContactChanged,
    ContactRemoved,
    ContactsImported,
    MailingListFilled,
    MessageChanged,
    MessageCreated,
    MessageRemoved,
    RecordChanged,
    SessionChanged,
    TicketChanged,
    TicketPlace,
    TicketRead,
    TicketRemoved,
    UserChanged,
    UserLoggedIn,
    UserRemoved,
)
from api.realtime import rooms
from storage.events import DomainEvent
from storage.ids import CompanyId, TicketId
from storage.quick_messages import QuickMessage, is_shared
from storage.setting_keys import known
from storage.views import ConnectionView, TicketView
from storage.views.chats import ChatView

ONLY_DELETED: Final = frozenset(("closed", "nps"))
"""Statuses whose tickets leave the lists: no `update` follows the `delete`."""

Rooms = tuple[str, ...]


class Push(NamedTuple):
    """One wire event. `volatile`: of no use later, so slow and lost clients may miss it."""

    rooms: Rooms
    name: str
    payload: dict[str, Any]
    volatile: bool = False


E = TypeVar("E", bound=DomainEvent)
Row = Callable[[Any], Iterable[Push]]
TABLE: Final[dict[type[DomainEvent], Row]] = {}
INTERNAL: Final[frozenset[type[DomainEvent]]] = frozenset()
"""Events that no browser hears of."""


def wire(event_type: type[E]) -> Callable[[Callable[[E], Iterable[Push]]], Row]:
    """Enter a function into the table."""

    def enter(row: Callable[[E], Iterable[Push]]) -> Row:
        TABLE[event_type] = row
        return row

    return enter


def pushes(event: DomainEvent) -> Iterable[Push]:
    """What browsers hear of an event. Raises KeyError for one that is not in the table."""
    if type(event) in INTERNAL:
        return ()
    return TABLE[type(event)](event)


def place_of(ticket: TicketView) -> TicketPlace:
    """Where a ticket stands now."""
    return TicketPlace(ticket.status, ticket.department_id, ticket.user_id, ticket.is_group)


def watchers(company_id: CompanyId, ticket_id: TicketId, place: TicketPlace) -> Rooms:
    """Who may see a ticket: lists, notifications, its open conversation, its owner."""
    open_in = (rooms.company_notification(company_id), rooms.ticket(ticket_id))
    return (*_lists(company_id, place), *open_in)


def _lists(company_id: CompanyId, place: TicketPlace) -> Rooms:
    """Who has a card of the ticket in a list; the open conversation is not one."""
    kind = rooms.kind_of(place)
    found = (
        rooms.company_status(company_id, place.status),
        rooms.department_status(place.department_id, place.status, kind),
        rooms.department_notification(place.department_id, kind),
    )
    return found if place.user_id is None else (*found, rooms.user(place.user_id))


def _everybody(company_id: CompanyId) -> Rooms:
    return (rooms.mainchannel(company_id),)


def _series(event: TicketChanged) -> str | None:
    """What a dashboard counts of the change, by the family's names; None: nothing."""
    was, status = event.was, event.ticket.status
    if was is None:
        return "ticket-create" if event.created else None
    if was.status == status:
        return "ticket-transfer"
    by_end = {("closed", status): "ticket-reopen", (was.status, "closed"): "ticket-close"}
    return by_end.get((was.status, status), "ticket-accept" if status == "open" else None)


@wire(TicketChanged)
def ticket_changed(event: TicketChanged) -> Iterator[Push]:
    company_id, ticket = event.company_id, event.ticket
    if (series := _series(event)) is not None:  # dashboards count anew, it is nothing to catch up
        counted = {"companyId": company_id, "serie": series}
        yield Push((rooms.admins(company_id),), "counter", counted, volatile=True)
    name = f"company-{company_id}-ticket"
    gone = ticket.status in ONLY_DELETED
    if event.was is not None:
        told = _lists(company_id, event.was)
        if gone:
            told = (*told, rooms.company_notification(company_id), rooms.ticket(ticket.id))
        yield Push(told, name, {"action": "delete", "ticketId": ticket.id})
    if event.was is None or not gone:
        told = watchers(company_id, ticket.id, place_of(ticket))
        payload = {"action": "update", "ticket": ticket, "ticketId": ticket.id}
        yield Push(told, name, payload)


@wire(TicketRemoved)
def ticket_removed(event: TicketRemoved) -> Iterator[Push]:
    told = watchers(event.company_id, event.ticket_id, event.was)
    payload = {"action": "delete", "ticketId": event.ticket_id}
    yield Push(told, f"company-{event.company_id}-ticket", payload)


@wire(TicketRead)
def ticket_read(event: TicketRead) -> Iterator[Push]:
    ticket = event.ticket
    told = watchers(event.company_id, ticket.id, place_of(ticket))
    payload = {"action": "updateUnread", "ticketId": ticket.id}
    yield Push(told, f"company-{event.company_id}-ticket", payload)


@wire(MessageCreated)
def message_created(event: MessageCreated) -> Iterator[Push]:
    ticket = event.ticket
    told = (
        (rooms.ticket(ticket.id),)
        if event.silent
        else watchers(event.company_id, ticket.id, place_of(ticket))
    )
    payload = {
        "action": "create",
        "message": event.message,
        "ticket": ticket,
        "contact": event.contact,
    }
    yield Push(told, f"company-{event.company_id}-appMessage", payload)


@wire(MessageChanged)
def message_changed(event: MessageChanged) -> Iterator[Push]:
    company_id, message = event.company_id, event.message
    told: Rooms = (rooms.ticket(message.ticket_id),)
    if event.place is not None:
        told = watchers(company_id, message.ticket_id, event.place)
    payload = {"action": "update", "message": message}
    yield Push(told, f"company-{company_id}-appMessage", payload)
    if message.is_deleted:
        yield Push(told, f"appMessage-{company_id}", payload)


@wire(MessageRemoved)
def message_removed(event: MessageRemoved) -> Iterator[Push]:
    told = (rooms.ticket(event.message.ticket_id),)
    payload = {"action": "delete", "message": event.message}
    yield Push(told, f"company-{event.company_id}-appMessage", payload)


@wire(ContactChanged)
def contact_changed(event: ContactChanged) -> Iterator[Push]:
    payload = {"action": "create" if event.created else "update", "contact": event.contact}
    yield Push(_everybody(event.company_id), f"company-{event.company_id}-contact", payload)


@wire(ContactsImported)
def contacts_imported(event: ContactsImported) -> Iterator[Push]:
    payload = {"action": "reload", "count": event.count}
    yield Push(_everybody(event.company_id), f"company-{event.company_id}-contact", payload)


@wire(ContactRemoved)
def contact_removed(event: ContactRemoved) -> Iterator[Push]:
    payload = {"action": "delete", "contactId": event.contact_id}
    yield Push(_everybody(event.company_id), f"company-{event.company_id}-contact", payload)


@wire(MailingListFilled)
def mailing_list_filled(event: MailingListFilled) -> Iterator[Push]:
    """Under the list's own name alone: pages of other lists would take the items for theirs."""
    name = f"company-{event.company_id}-ContactListItem-{event.list_id}"
    payload = {"action": "reload", "records": event.items}
    yield Push(_everybody(event.company_id), name, payload)


def redacted(connection: ConnectionView) -> ConnectionView:
    """A connection as agents may see it: without what would let them take it over."""
    return msgspec.structs.replace(
        connection, qrcode="", session="", token="", access_token="", verify_token="", app_secret=""
    )  # fmt: skip


def _connection(company_id: CompanyId, name: str, key: str, view: ConnectionView) -> Iterator[Push]:
    yield Push((rooms.admins(company_id),), name, {"action": "update", key: view})
    agents = {"action": "update", key: redacted(view)}
    yield Push((rooms.agents(company_id),), name, agents)


@wire(ConnectionChanged)
def connection_changed(event: ConnectionChanged) -> Iterator[Push]:
    name = f"company-{event.company_id}-whatsapp"
    yield from _connection(event.company_id, name, "whatsapp", event.connection)


@wire(ConnectionRemoved)
def connection_removed(event: ConnectionRemoved) -> Iterator[Push]:
    payload = {"action": "delete", "whatsappId": event.connection_id}
    yield Push(_everybody(event.company_id), f"company-{event.company_id}-whatsapp", payload)


@wire(SessionChanged)
def session_changed(event: SessionChanged) -> Iterator[Push]:
    name = f"company-{event.company_id}-whatsappSession"
    yield from _connection(event.company_id, name, "session", event.connection)


@wire(UserChanged)
def user_changed(event: UserChanged) -> Iterator[Push]:
    company_id, user = event.company_id, event.user
    if event.presence:
        told = (rooms.SUPER, rooms.admins(company_id))
        change = {"userId": user.id, "online": user.online}
        yield Push(told, "userOnlineChange", change, volatile=True)
    payload = {"action": "create" if event.created else "update", "user": user}
    yield Push(_everybody(company_id), f"company-{company_id}-user", payload)


@wire(UserRemoved)
def user_removed(event: UserRemoved) -> Iterator[Push]:
    payload = {"action": "delete", "userId": event.user_id}
    yield Push(_everybody(event.company_id), f"company-{event.company_id}-user", payload)


@wire(UserLoggedIn)
def user_logged_in(event: UserLoggedIn) -> Iterator[Push]:
    user = {
        "id": event.user_id,
        "email": event.email,
        "companyId": event.company_id,
        "token": event.token_digest,
    }
    told = (rooms.user(event.user_id),)
    yield Push(told, f"company-{event.company_id}-auth", {"action": "update", "user": user})


def _members(chat: ChatView) -> Rooms:
    return tuple(rooms.user(member.user_id) for member in chat.users)


@wire(ChatChanged)
def chat_changed(event: ChatChanged) -> Iterator[Push]:
    company_id, chat = event.company_id, event.chat
    if event.read:
        payload = {"action": "update", "chat": chat}
        yield Push(_members(chat), f"company-{company_id}-chat-{chat.id}", payload)
        yield Push(_members(chat), f"company-{company_id}-chat", payload)
        return
    action = "create" if event.created else "update"
    for member in chat.users:
        name = f"company-{company_id}-chat-user-{member.user_id}"
        yield Push((rooms.user(member.user_id),), name, {"action": action, "record": chat})


@wire(ChatRemoved)
def chat_removed(event: ChatRemoved) -> Iterator[Push]:
    told = tuple(rooms.user(user_id) for user_id in event.user_ids)
    payload = {"action": "delete", "id": event.chat_id}
    yield Push(told, f"company-{event.company_id}-chat", payload)


@wire(ChatMessageCreated)
def chat_message_created(event: ChatMessageCreated) -> Iterator[Push]:
    payload = {"action": "new-message", "newMessage": event.message, "chat": event.chat}
    for name in (f"chat-{event.chat.id}", "chat"):
        yield Push(_members(event.chat), f"company-{event.company_id}-{name}", payload)


class Noun(NamedTuple):
    """How a plain configuration row is spoken of: names (`{id}` is the company's), keys.

    `within` is the field of the record that makes a further, narrower name out of each.
    """

    names: tuple[str, ...]
    record: str
    record_id: str
    creates: bool = True
    within: str = ""


NOUNS: Final[dict[str, Noun]] = {
    "department": Noun(("company-{id}-queue",), "queue", "queueId", creates=False),
    "setting": Noun(("company-{id}-settings", "settings"), "setting", "key", creates=False),
    "company_settings": Noun(("company-{id}-settings",), "setting", "key", creates=False),
    "tag": Noun(("company{id}-tag", "tag"), "tag", "tagId"),
    "schedule": Noun(("company{id}-schedule", "company-{id}-schedule"), "schedule", "scheduleId"),
    "file_list": Noun(("company{id}-file",), "fileList", "fileId"),
    "quick_message": Noun(
        ("company-{id}-quickmessage", "company-{id}-quickemessage"), "record", "id"
    ),
    "campaign": Noun(("company-{id}-campaign",), "record", "id"),
    "campaign_settings": Noun(("company-{id}-campaignSettings",), "record", "id"),
    "contact_list": Noun(("company-{id}-ContactList",), "record", "id"),
    "contact_list_item": Noun(("company-{id}-ContactListItem",), "record", "id", within="list_id"),
    "prompt": Noun(("company-{id}-prompt", "prompt"), "prompt", "intelligenceId"),
    "queue_integration": Noun(
        ("company-{id}-queueIntegration",), "queueIntegration", "integrationId"
    ),
    "chatbot": Noun(("company-{id}-chatbot",), "chatbot", "chatbotId", creates=False),
    "announcement": Noun(("company-announcement", "company-{id}-announcement"), "record", "id"),
    "help": Noun(("company-{id}-help",), "record", "id"),
}
SILENT: Final = frozenset(
    (
        "api_token",
        "company",
        "department_option",
        "partner",
        "plan",
        "scheduled_message",
        "ticket_note",
    )
)
"""Nouns that no browser listens for."""


@wire(RecordChanged)
def record_changed(event: RecordChanged) -> Iterator[Push]:
    noun = NOUNS.get(event.noun)
    if noun is None:
        return
    action = "update" if event.action == "create" and not noun.creates else event.action
    payload: dict[str, Any] = {"action": action}
    if action == "delete":
        payload[noun.record_id] = event.record_id
    else:
        payload[noun.record] = event.record
    told = _everybody(event.company_id)
    if isinstance(event.record, QuickMessage) and not is_shared(event.record):
        told = () if event.record.user_id is None else (rooms.user(event.record.user_id),)
    if event.noun == "setting":
        visible = known(str(event.record_id)).visible
        if visible == "super":
            return
        if visible == "admin":
            told = (rooms.admins(event.company_id),)
    for name in noun.names:
        full = name.replace("{id}", str(event.company_id))
        yield Push(told, full, payload)
        if noun.within and event.record is not None:
            yield Push(told, f"{full}-{getattr(event.record, noun.within)}", payload)
