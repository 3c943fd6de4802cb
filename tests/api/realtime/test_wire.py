"""The wire table: complete, tied to the view Structs, and faithful to the family's names."""

import ast
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest

import actors
from actors import events
from actors.events import TicketPlace
from api.realtime import wire
from storage.events import DomainEvent
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, TicketId, UserId
from storage.mailing_lists import MailingItem
from storage.quick_messages import QuickMessage
from storage.views import ConnectionView, ContactView, MessageView, TicketView, UserView

COMPANY = CompanyId(1)


def view(kind: type[Any], **fields: Any) -> Any:
    """A view of which only these fields are known."""
    return kind(**(dict.fromkeys(kind.__struct_fields__) | fields))


def ticket(status: str = "open", department: int | None = 5, user: int | None = 2) -> TicketView:
    return view(
        TicketView,
        id=TicketId(7),
        status=status,
        department_id=None if department is None else DepartmentId(department),
        user_id=None if user is None else UserId(user),
        is_group=False,
    )


MESSAGE = view(MessageView, id=70, ticket_id=TicketId(7), is_deleted=False)
DELETED = view(MessageView, id=70, ticket_id=TicketId(7), is_deleted=True)
CONTACT = view(ContactView, id=ContactId(3))
USER = view(UserView, id=UserId(2))
WATCHERS = {
    "company-1-open",
    "company-1-notification",
    "queue-5-open-owned",
    "queue-5-notification-owned",
    "7",
    "user-2",
}


def told(event: DomainEvent) -> list[tuple[str, str | None, set[str], dict[str, Any]]]:
    """(name, action, rooms, rest of the payload) of each push."""
    return [
        (
            push.name,
            push.payload.get("action"),
            set(push.rooms),
            {key: value for key, value in push.payload.items() if key != "action"},
        )
        for push in wire.pushes(event)
    ]


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """Every module of a package."""
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        yield import_module(found.name)


def declared_events() -> set[type[DomainEvent]]:
    """Every event that the actors can publish, wherever it is written down."""
    return {
        value
        for module in modules(actors)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, DomainEvent) and value is not DomainEvent
    }


def test_every_event_is_in_the_table_or_internal() -> None:
    declared = declared_events()
    assert declared >= set(events.ALL)
    entered = {kind for kind in wire.TABLE if kind.__module__.startswith("actors.")}
    assert entered | wire.INTERNAL == declared
    assert not entered & wire.INTERNAL
    assert len({kind.kind for kind in declared}) == len(declared)


def test_every_row_takes_the_event_it_is_entered_for() -> None:
    for kind in declared_events() - wire.INTERNAL:
        assert get_type_hints(wire.TABLE[kind])["event"] is kind


def sample(wanted: Any, *, whole: bool = True) -> Any:
    """A value of a declared type; inside of a `whole` one what may be None is None."""
    if get_origin(wanted) in (UnionType, Union):
        return sample(get_args(wanted)[0]) if whole else None
    if get_origin(wanted) in (tuple, list):
        return get_origin(wanted)(sample(item, whole=False) for item in get_args(wanted)[:1])
    if get_origin(wanted) is dict:
        return {}
    wanted = getattr(wanted, "__supertype__", wanted)
    if wanted in (int, str, bool, float):
        return wanted(1)
    if wanted is msgspec.Struct:
        return CONTACT
    if wanted in (datetime, UUID):
        return datetime.now(UTC) if wanted is datetime else UUID(int=1)
    return wanted(**{
        name: sample(kind, whole=issubclass(wanted, DomainEvent))
        for name, kind in get_type_hints(wanted).items()
        if name in wanted.__struct_fields__
    })  # fmt: skip


def test_every_payload_is_made_of_the_views_that_its_event_declares() -> None:
    for kind in declared_events() - wire.INTERNAL:
        event = sample(kind)
        if isinstance(event, events.RecordChanged):
            event = msgspec.structs.replace(event, noun="tag", action="update")
        views = {type(value) for value in msgspec.structs.asdict(event).values()
                 if isinstance(value, msgspec.Struct)}  # fmt: skip
        pushes = list(wire.pushes(event))
        assert pushes, kind
        for push in pushes:
            shown = {type(value) for value in push.payload.values()
                     if isinstance(value, msgspec.Struct)}  # fmt: skip
            assert shown <= views
            assert all(isinstance(room, str) for room in push.rooms)
            assert push.rooms
            msgspec.json.encode(push.payload)
        assert not pushes[-1].volatile, "the last one carries the change's number"


def declared_nouns() -> set[str]:
    """Every noun of a plain row that some part of the program announces."""
    root = Path(wire.__file__).parents[2]
    trees = [ast.parse(path.read_text()) for top in ("api", "actors", "storage")
             for path in (root / top).rglob("*.py")]  # fmt: skip
    return {
        word.value.value
        for tree in trees
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        if not (isinstance(call.func, ast.Name) and call.func.id == "Routes")  # the audit's word
        for word in call.keywords
        if word.arg == "noun"
        if isinstance(word.value, ast.Constant) and isinstance(word.value.value, str)
    }


def test_every_noun_is_spoken_of_or_silent_on_purpose() -> None:
    assert declared_nouns() <= set(wire.NOUNS) | wire.SILENT
    assert not wire.SILENT & set(wire.NOUNS)


NAMES = """
    company-1-ticket company-1-appMessage appMessage-1 company-1-contact company-1-user
    company-1-auth company-1-whatsapp company-1-whatsappSession company-1-queue company-1-chatbot
    company-1-prompt company-1-queueIntegration company-1-quickmessage company-1-quickemessage
    company1-tag company1-schedule company-1-schedule company1-file company-1-campaign
    company-1-campaignSettings company-1-ContactList company-1-ContactListItem
    company-1-ContactListItem-9 company-1-chat company-1-chat-1 company-1-chat-user-1
    company-announcement company-1-help company-1-settings settings tag userOnlineChange
"""
"""What frontends of the family listen for, of all that this server has."""


def test_every_name_that_frontends_listen_for_is_spoken() -> None:
    spoken: set[str] = set()
    for kind in declared_events() - wire.INTERNAL:
        event = sample(kind)
        flags = {name for name, value in msgspec.structs.asdict(event).items() if value is True}
        unset = msgspec.structs.replace(event, **dict.fromkeys(flags, False))
        if not isinstance(event, events.RecordChanged):
            spoken |= {push.name for one in (event, unset) for push in wire.pushes(one)}
    item = view(MailingItem, list_id=9)
    for noun in wire.NOUNS:
        record = events.RecordChanged(
            company_id=COMPANY, noun=noun, action="update", record_id=1, record=item
        )
        spoken |= {push.name for push in wire.pushes(record)}
    assert set(NAMES.split()) <= spoken


@pytest.mark.parametrize(
    ("key", "rooms"),
    [
        ("_token", {"company-1-admin"}),
        ("unheard of", {"company-1-admin"}),
        ("openAiKey", {"company-1-admin"}),
        ("userRating", {"company-1-mainchannel"}),
        ("appName", {"company-1-mainchannel"}),
        ("stripeprivatekey", set()),
    ],
)
def test_settings_are_told_to_those_who_may_read_them(key: str, rooms: set[str]) -> None:
    event = events.RecordChanged(
        company_id=COMPANY, noun="setting", action="update", record_id=key, record=CONTACT
    )
    heard = told(event)
    assert {where for _, _, places, _ in heard for where in places} == rooms
    assert {name for name, _, _, _ in heard} == (
        {"company-1-settings", "settings"} if rooms else set()
    )


def test_admins_hear_who_comes_and_goes() -> None:
    online = events.UserChanged(
        company_id=COMPANY, user=view(UserView, id=UserId(2), online=True), presence=True
    )
    change, update = wire.pushes(online)
    assert change.volatile
    assert (change.name, change.payload) == ("userOnlineChange", {"userId": 2, "online": True})
    assert set(change.rooms) == {"super", "company-1-admin"}
    assert update.name == "company-1-user"


def test_a_change_in_place_is_one_update_for_those_who_may_see_it() -> None:
    event = events.TicketChanged(company_id=COMPANY, ticket=ticket())
    [(name, action, heard, rest)] = told(event)
    assert (name, action, heard) == ("company-1-ticket", "update", WATCHERS)
    assert rest == {"ticket": event.ticket, "ticketId": 7}


def test_a_move_is_delete_for_the_old_lists_then_update_for_the_new_watchers() -> None:
    was = TicketPlace("pending", DepartmentId(4), None)
    event = events.TicketChanged(company_id=COMPANY, ticket=ticket(), was=was)
    (_, first, gone, rest), (_, second, heard, _) = told(event)
    assert (first, second, heard) == ("delete", "update", WATCHERS)
    assert gone == {"company-1-pending", "queue-4-pending", "queue-4-notification"}
    assert rest == {"ticketId": 7}


@pytest.mark.parametrize("status", sorted(wire.ONLY_DELETED))
def test_a_ticket_that_leaves_the_lists_is_only_deleted_and_its_conversation_hears_it(
    status: str,
) -> None:
    was = TicketPlace("open", DepartmentId(5), UserId(2))
    event = events.TicketChanged(company_id=COMPANY, ticket=ticket(status), was=was)
    [(_, action, heard, _)] = told(event)
    assert action == "delete"
    assert heard == WATCHERS


def test_a_ticket_without_department_or_owner() -> None:
    event = events.TicketChanged(company_id=COMPANY, ticket=ticket("pending", None, None))
    [(_, _, heard, _)] = told(event)
    assert heard == {
        "company-1-pending",
        "company-1-notification",
        "queue-null-pending",
        "queue-null-notification",
        "7",
    }


def test_removed_and_read_tickets() -> None:
    place = TicketPlace("open", DepartmentId(5), UserId(2))
    removed = events.TicketRemoved(company_id=COMPANY, ticket_id=TicketId(7), was=place)
    assert told(removed) == [("company-1-ticket", "delete", WATCHERS, {"ticketId": 7})]
    read = events.TicketRead(company_id=COMPANY, ticket=ticket())
    assert told(read) == [("company-1-ticket", "updateUnread", WATCHERS, {"ticketId": 7})]


def test_messages() -> None:
    created = events.MessageCreated(
        company_id=COMPANY, message=MESSAGE, ticket=ticket(), contact=CONTACT
    )
    [(name, action, heard, rest)] = told(created)
    assert (name, action, heard) == ("company-1-appMessage", "create", WATCHERS)
    assert set(rest) == {"message", "ticket", "contact"}
    silent = msgspec.structs.replace(created, silent=True)
    assert [heard for _, _, heard, _ in told(silent)] == [{"7"}]
    changed = events.MessageChanged(company_id=COMPANY, message=MESSAGE)
    assert told(changed) == [("company-1-appMessage", "update", {"7"}, {"message": MESSAGE})]
    removed = events.MessageRemoved(company_id=COMPANY, message=MESSAGE)
    assert told(removed) == [("company-1-appMessage", "delete", {"7"}, {"message": MESSAGE})]


def test_a_deleted_message_is_told_under_both_of_the_familys_names() -> None:
    place = TicketPlace("open", DepartmentId(5), UserId(2))
    changed = events.MessageChanged(company_id=COMPANY, message=DELETED, place=place)
    assert [(name, heard) for name, _, heard, _ in told(changed)] == [
        ("company-1-appMessage", WATCHERS),
        ("appMessage-1", WATCHERS),
    ]


def test_contacts_and_users_are_told_to_the_company() -> None:
    everybody = {"company-1-mainchannel"}
    for event, expected in (
        (
            events.ContactChanged(company_id=COMPANY, contact=CONTACT, created=True),
            ("company-1-contact", "create", everybody, {"contact": CONTACT}),
        ),
        (
            events.ContactsImported(company_id=COMPANY, first_id=ContactId(3), count=2),
            ("company-1-contact", "reload", everybody, {"count": 2}),
        ),
        (
            events.ContactRemoved(company_id=COMPANY, contact_id=ContactId(3)),
            ("company-1-contact", "delete", everybody, {"contactId": 3}),
        ),
        (
            events.UserChanged(company_id=COMPANY, user=USER),
            ("company-1-user", "update", everybody, {"user": USER}),
        ),
        (
            events.UserRemoved(company_id=COMPANY, user_id=UserId(2)),
            ("company-1-user", "delete", everybody, {"userId": 2}),
        ),
        (
            events.ConnectionRemoved(company_id=COMPANY, connection_id=ConnectionId(4)),
            ("company-1-whatsapp", "delete", everybody, {"whatsappId": 4}),
        ),
    ):
        assert told(event) == [expected]


SECRETS = {"qrcode", "session", "token", "access_token", "verify_token", "app_secret"}


def test_agents_hear_of_connections_without_their_secrets() -> None:
    connection = view(ConnectionView, **dict.fromkeys(SECRETS, "s"))
    for kind, name, key in (
        (events.ConnectionChanged, "company-1-whatsapp", "whatsapp"),
        (events.SessionChanged, "company-1-whatsappSession", "session"),
    ):
        admins, agents = told(kind(company_id=COMPANY, connection=connection))
        assert (admins[0], admins[2]) == (name, {"company-1-admin"})
        assert (agents[0], agents[2]) == (name, {"company-1-agent"})
        assert admins[3][key] is connection
        assert {getattr(agents[3][key], field) for field in SECRETS} == {""}


def test_a_login_is_told_to_that_users_own_room_with_a_digest() -> None:
    event = events.UserLoggedIn(
        company_id=COMPANY, user_id=UserId(2), email="a@b.c", token_digest="d"
    )
    user = {"id": 2, "email": "a@b.c", "companyId": 1, "token": "d"}
    assert told(event) == [("company-1-auth", "update", {"user-2"}, {"user": user})]


@pytest.mark.parametrize(
    ("noun", "action", "names", "keys"),
    [
        ("department", "create", ["company-1-queue"], ("update", "queue")),
        ("department", "delete", ["company-1-queue"], ("delete", "queueId")),
        ("tag", "create", ["company1-tag", "tag"], ("create", "tag")),
        ("schedule", "delete", ["company1-schedule", "company-1-schedule"], ("delete", "scheduleId")),
        ("something private", "update", [], ()),
    ],
)  # fmt: skip
def test_plain_rows(noun: str, action: str, names: list[str], keys: tuple[str, ...]) -> None:
    event = events.RecordChanged(
        company_id=COMPANY, noun=noun, action=action, record_id=9, record=CONTACT
    )
    heard = told(event)
    assert [name for name, _, _, _ in heard] == names
    for _, said, where, rest in heard:
        assert where == {"company-1-mainchannel"}
        assert (said, *rest) == keys


def test_a_private_quick_reply_is_told_to_its_user_alone() -> None:
    def told(**fields: object) -> set[str]:
        record = view(QuickMessage, user_id=UserId(2), **fields)
        event = events.RecordChanged(
            company_id=COMPANY, noun="quick_message", action="update", record_id=1, record=record
        )
        return {room for push in wire.pushes(event) for room in push.rooms}

    assert told(is_general=False, is_visible=False) == {"user-2"}
    assert told(is_general=True, is_visible=False) == {"company-1-mainchannel"}
    assert told(is_general=False, is_visible=True) == {"company-1-mainchannel"}
