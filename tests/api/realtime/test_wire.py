"""The wire table: who hears of what, under the family's names."""

from typing import Any

import msgspec
import pytest

from actors import events
from actors.events import TicketPlace
from api.realtime import wire
from storage.events import DomainEvent
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, TicketId, UserId
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
    _, (_, first, gone, rest), (_, second, heard, _) = told(event)
    assert (first, second, heard) == ("delete", "update", WATCHERS)
    assert gone == {"company-1-pending", "queue-4-pending", "queue-4-notification"}
    assert rest == {"ticketId": 7}


@pytest.mark.parametrize("status", sorted(wire.ONLY_DELETED))
def test_a_ticket_that_leaves_the_lists_is_only_deleted_and_its_conversation_hears_it(
    status: str,
) -> None:
    was = TicketPlace("open", DepartmentId(5), UserId(2))
    event = events.TicketChanged(company_id=COMPANY, ticket=ticket(status), was=was)
    *_, (_, action, heard, _) = told(event)
    assert action == "delete"
    assert heard == WATCHERS


@pytest.mark.parametrize(
    ("was", "now", "series"),
    [
        (None, ticket("pending"), "ticket-create"),
        (TicketPlace("pending", DepartmentId(5), None), ticket(), "ticket-accept"),
        (TicketPlace("open", DepartmentId(5), UserId(2)), ticket("closed"), "ticket-close"),
        (TicketPlace("nps", DepartmentId(5), UserId(2)), ticket("closed"), "ticket-close"),
        (TicketPlace("closed", DepartmentId(5), None), ticket(), "ticket-reopen"),
        (TicketPlace("closed", DepartmentId(5), None), ticket("pending"), "ticket-reopen"),
        (TicketPlace("open", DepartmentId(5), UserId(3)), ticket(), "ticket-transfer"),
        (TicketPlace("open", DepartmentId(5), UserId(2)), ticket("pending", 5, None), None),
        (TicketPlace("open", DepartmentId(5), UserId(2)), ticket("nps"), None),
    ],
)
def test_dashboards_of_admins_hear_what_to_count_anew(
    was: TicketPlace | None, now: TicketView, series: str | None
) -> None:
    event = events.TicketChanged(company_id=COMPANY, ticket=now, was=was, created=was is None)
    heard = [push for push in wire.pushes(event) if push.name == "counter"]
    expected = [] if series is None else [{"companyId": 1, "serie": series}]
    assert [push.payload for push in heard] == expected
    assert all(push.volatile and push.rooms == ("company-1-admin",) for push in heard)


def test_a_message_is_nothing_to_count() -> None:
    [push] = wire.pushes(events.TicketChanged(company_id=COMPANY, ticket=ticket()))
    assert push.name == "company-1-ticket"


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
