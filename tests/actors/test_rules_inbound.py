"""The pure rules: what each input decides."""

import msgspec
import pytest

from actors.channels.base import (
    Identity,
    InboundEdit,
    InboundMessage,
    InboundRevoke,
    Media,
)
from actors.errors import UnknownConnection
from actors.tickets import rules_inbound
from storage.ids import ConnectionId, ContactId
from storage.messages import Message
from tests.actors.company import (
    ANN,
    BOB,
    LINE,
    NOW,
    OTHER_LINE,
    SALES,
    contact,
)
from tests.actors.rules_kit import Scene, lines, message, settings, ticket
from tests.actors.tickets_kit import text


def edit(target: str, body: str = "new", **fields: object) -> InboundEdit:
    return InboundEdit(
        provider_id="e1",
        target_id=target,
        contact=Identity(phone="5511"),
        timestamp=NOW,
        body=body,
        **fields,
    )


def revoke(target: str, **fields: object) -> InboundRevoke:
    return InboundRevoke(
        provider_id="r1",
        target_id=target,
        contact=Identity(phone="5511"),
        timestamp=NOW,
        **fields,
    )


def test_the_first_message_opens_a_waiting_ticket() -> None:
    scene = Scene()
    assert scene.take(text("w1")) == 0
    opened = scene.only()
    assert (opened.status, opened.unread_messages, opened.is_bot) == ("pending", 1, True)
    assert scene.kinds() == ["ticket.changed", "message.created"]


def test_a_message_on_a_running_ticket_publishes_only_itself() -> None:
    scene = Scene(ticket(status="open", user_id=ANN, inactive_notified=True))
    scene.take(text("w1", "a"), text("w2", "b"))
    found = scene.only()
    assert (found.status, found.unread_messages, found.last_message) == ("open", 2, "b")
    assert not found.inactive_notified
    assert scene.kinds() == ["message.created", "message.created"]
    touching = [write for write in scene.done().unit.writes if write.statement.guarded]
    assert [len(write.statement.columns) for write in touching] == [8]


@pytest.mark.parametrize(
    ("window", "age", "reopens"),
    [(0, 1, False), (10, 5, True), (10, 10, True), (10, 11, False)],
)
def test_the_reopen_window(window: int, age: int, reopens: bool) -> None:
    old = ticket(status="closed", user_id=ANN, department_id=SALES)
    scene = Scene(old, minutes=age, config=lines(reopen_minutes=window))
    scene.take(text("w1"))
    assert len(scene.draft.tickets) == (1 if reopens else 2)
    if reopens:
        found = scene.only()
        assert (found.status, found.user_id, found.department_id) == ("pending", None, SALES)


def test_connections_have_tickets_of_their_own() -> None:
    scene = Scene(ticket(connection_id=OTHER_LINE))
    scene.take(text("w1"))
    assert {item.connection_id for item in scene.draft.tickets.values()} == {LINE, OTHER_LINE}


def test_the_wallets_owner_gets_the_new_ticket() -> None:
    scene = Scene(config=settings(wallets_own_tickets=True), wallets=(BOB,))
    scene.take(text("w1"))
    assert (scene.only().status, scene.only().user_id) == ("open", BOB)


@pytest.mark.parametrize(
    ("allow", "as_ticket", "status"),
    [(False, False, None), (True, False, "group"), (True, True, "pending")],
)
def test_groups(allow: bool, as_ticket: bool, status: str | None) -> None:
    scene = Scene(group=True, config=lines(allow_group=allow, group_as_ticket=as_ticket))
    scene.take(text("w1", group_id="g1", participant=Identity(phone="5577"), name="Ann"))
    if status is None:
        assert scene.done().unit is None
        return
    assert (scene.only().status, scene.only().is_group) == (status, True)
    (event,) = [e for e in scene.done().unit.events if e.kind == "message.created"]
    assert event.message.participant == "5577"
    assert event.message.contact.name == "Ann"


def test_who_wrote_into_a_group_is_shown_as_the_contact_they_are() -> None:
    scene = Scene(group=True, config=lines(allow_group=True))
    ann = msgspec.structs.replace(contact(), id=ContactId(99), name="Ann of the book")
    scene.draft.authors = {"5577": ann}
    scene.take(text("w1", group_id="g1", participant=Identity(phone="5577"), name="~ann"))
    scene.take(text("w2", group_id="g1", participant=Identity(phone="5577"), quoted_id="w1"))
    first, second = [e.message for e in scene.done().unit.events if e.kind == "message.created"]
    for shown in (first, second, second.quoted):
        assert (shown.contact_id, shown.contact.id, shown.contact.name) == (99, 99, ann.name)
    stored = [new.message.contact_id for new in scene.draft.messages.values()]
    assert stored == [scene.draft.contact.id] * 2


def test_our_own_message_from_the_phone_reads_the_conversation() -> None:
    scene = Scene(ticket(unread_messages=3))
    scene.take(text("w1"), text("w2", "mine", from_me=True))
    found = scene.only()
    assert (found.unread_messages, found.from_me, found.last_message) == (0, True, "mine")
    assert all(new.message.read for new in scene.draft.messages.values())
    assert [new.message.ack for new in scene.draft.messages.values()] == [0, 2]


def test_the_echo_of_an_automatic_text_is_not_an_agents_message() -> None:
    scene = Scene(ticket())
    scene.take(text("w1", "\u200eBye", from_me=True))
    assert scene.done().unit is None


def test_a_reaction_never_opens_or_reopens_a_ticket() -> None:
    def reaction(key: str) -> InboundMessage:
        return InboundMessage(
            provider_id=key,
            contact=Identity(phone="5511"),
            timestamp=NOW,
            kind="reaction",
            media_type="reactionMessage",
            body="👍",
            reaction_to="m50",
        )

    nowhere = Scene()
    nowhere.take(reaction("w1"))
    assert nowhere.tables() == ["inbound_receipts"]
    late = Scene(ticket(status="closed"), known=(message(),), config=lines(reopen_minutes=60))
    late.take(reaction("w1"))
    assert late.only().status == "closed"
    (new,) = late.draft.messages.values()
    assert new.message.quoted_id == 50


def test_a_quoted_message_is_found_in_the_same_delivery() -> None:
    scene = Scene()
    scene.take(text("w1", "first"), text("w2", "answer", quoted_id="w1"))
    first, answer = scene.draft.messages.values()
    assert answer.message.quoted_id == first.message.id


def test_an_edit_changes_the_message_and_the_tickets_last_text() -> None:
    scene = Scene(ticket(last_message="old"), known=(message(),))
    scene.take(edit("m50"))
    assert scene.only().last_message == "new"
    assert scene.kinds() == ["ticket.changed", "message.changed"]
    assert "inbound_receipts" in scene.tables()


@pytest.mark.parametrize(
    "target",
    [
        message(provider_id="other"),
        message(from_me=True),
        message(is_deleted=True),
        msgspec.structs.replace(message(), contact_id=99),
    ],
)
def test_an_edit_of_what_is_not_the_senders_changes_nothing(target: Message) -> None:
    scene = Scene(ticket(last_message="old"), known=(target,))
    scene.take(edit("m50"))
    assert scene.tables() == ["inbound_receipts"]


@pytest.mark.parametrize(("hide", "body"), [(False, "old"), (True, rules_inbound.DELETED_TEXT)])
def test_a_revoked_message_is_marked_and_hidden_where_the_company_wants_it(
    hide: bool, body: str
) -> None:
    scene = Scene(
        ticket(last_message="old"),
        known=(message(),),
        config=settings(lgpd_enabled=hide, lgpd_hide_deleted=hide),
    )
    scene.take(revoke("m50"))
    (changed,) = scene.draft.changed.values()
    assert (changed.is_deleted, changed.body) == (True, body)
    assert scene.only().last_message == rules_inbound.DELETED_TEXT


def test_a_file_is_fetched_by_an_order_of_its_own() -> None:
    scene = Scene()
    scene.take(text("w1", media=Media(kind="image", id="9", mime="image/png")))
    (order,) = scene.draft.orders
    assert order.kind == "media_fetch"
    assert msgspec.json.decode(order.payload, type=Media).id == "9"


def test_an_input_for_a_connection_nobody_knows_is_not_taken() -> None:
    scene = Scene()
    with pytest.raises(UnknownConnection):
        scene.take(text("w1"), line=ConnectionId(404))
