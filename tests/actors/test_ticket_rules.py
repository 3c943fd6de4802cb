"""The pure rules: what each input and each request decides, without a database or a clock."""

from datetime import timedelta

import msgspec
import pytest

from actors.channels.base import (
    Identity,
    InboundEdit,
    InboundMessage,
    InboundRevoke,
    Location,
    Media,
    OutLocation,
    OutMedia,
    OutTemplate,
    OutText,
    Unsendable,
)
from actors.channels.registry import Channels
from actors.channels.simulator import Simulator
from actors.errors import (
    InvalidRequest,
    NoDefaultConnection,
    NotConnected,
    NotDeletable,
    NotEditable,
    NotSupported,
    OtherOpenTicket,
    UnknownConnection,
    UnknownDepartment,
    UnknownTicket,
    UnknownUser,
)
from actors.texts import rendered
from actors.tickets import rules_agent, rules_inbound, rules_sending
from actors.tickets.commands import CreateTicket, SendMessage, UpdateTicket
from actors.tickets.decision import Decision
from actors.tickets.draft import Draft
from actors.tickets.showing import Showing
from actors.tickets.state import Conversations
from storage.company_settings import CompanySettings
from storage.ids import ConnectionId, MessageId, TicketId
from storage.messages import Message
from storage.tickets import Ticket
from tests.actors.memory import (
    ANN,
    BOB,
    COMPANY,
    LINE,
    NOW,
    OTHER_LINE,
    SALES,
    SUPPORT,
    Numbers,
    connection,
    contact,
    snapshot,
)
from tests.actors.sessions_kit import FarEnd
from tests.actors.tickets_kit import Nowhere, text

SIMULATOR = Channels(Simulator(Nowhere()))


def ticket(ticket_id: int = 1, **fields: object) -> Ticket:
    values = {"status": "pending", "connection_id": LINE, "uuid": str(ticket_id), **fields}
    return Ticket(
        company_id=COMPANY,
        id=TicketId(ticket_id),
        contact_id=contact().id,
        **{"created_at": NOW, "updated_at": NOW, **values},
    )


def message(message_id: int = 50, **fields: object) -> Message:
    values = {"provider_id": f"m{message_id}", "body": "old", "connection_id": LINE, **fields}
    return Message(
        company_id=COMPANY,
        id=MessageId(message_id),
        ticket_id=TicketId(1),
        contact_id=contact().id,
        created_at=NOW,
        updated_at=NOW,
        **values,
    )


class Scene:
    """A draft about one contact, and what came of it."""

    def __init__(
        self,
        *tickets: Ticket,
        known: tuple[Message, ...] = (),
        minutes: int = 0,
        group: bool = False,
        config: dict[str, object] | None = None,
        wallets: tuple[int, ...] = (),
    ) -> None:
        person = contact(is_group=group, number="g1" if group else "5511")
        self.state = Conversations(person, tickets, wallets=wallets)
        self.snapshot = snapshot(**(config or {}))
        self.draft = Draft(
            self.state,
            self.snapshot,
            NOW + timedelta(minutes=minutes),
            Numbers().next_nowait,
            {item.provider_id: item for item in known if item.provider_id},
        )

    def take(self, *inputs: object, line: ConnectionId = LINE) -> int:
        return rules_inbound.take(self.draft, line, inputs)

    def done(self) -> Decision:
        return Decision(self.draft, Showing(self.state, self.snapshot), "ticket:1:1")

    def kinds(self) -> list[str]:
        unit = self.done().unit
        return [] if unit is None else [event.kind for event in unit.events]

    def tables(self) -> list[str]:
        unit = self.done().unit
        return [] if unit is None else [write.statement.table.name for write in unit.writes]

    def only(self) -> Ticket:
        (found,) = self.draft.tickets.values()
        return found


def lines(**fields: object) -> dict[str, object]:
    return {"connections": {LINE: connection(LINE, is_default=True, **fields)}}


def settings(**fields: object) -> dict[str, object]:
    return {
        "settings": CompanySettings(company_id=COMPANY, created_at=NOW, updated_at=NOW, **fields)
    }


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


def test_an_input_for_a_connection_nobody_knows_has_no_effect() -> None:
    scene = Scene()
    scene.take(text("w1"), line=ConnectionId(404))
    assert scene.done().unit is None


def update(**fields: object) -> UpdateTicket:
    values = {"by": ANN, "ticket_id": TicketId(1), **fields}
    return UpdateTicket(company_id=COMPANY, contact_id=contact().id, **values)


@pytest.mark.parametrize(
    ("before", "asked", "after", "logs"),
    [
        ({}, {"status": "open", "user_id": ANN}, ("open", ANN, None), ["open"]),
        (
            {"status": "open", "user_id": ANN},
            {"status": "pending", "user_id": None},
            ("pending", None, None),
            ["pending"],
        ),
        (
            {"status": "open", "user_id": ANN},
            {"user_id": BOB, "transferred": True},
            ("open", BOB, None),
            ["transfered", "receivedTransfer"],
        ),
        (
            {"status": "open", "user_id": ANN},
            {"status": "pending", "user_id": None, "department_id": SUPPORT, "transferred": True},
            ("pending", None, SUPPORT),
            ["transfered", "receivedTransfer"],
        ),
        ({}, {"department_id": SALES}, ("pending", None, SALES), ["queue"]),
        ({"status": "closed"}, {"status": "open", "user_id": ANN}, ("open", ANN, None), ["reopen"]),
        ({}, {"status": "closed"}, ("closed", ANN, None), ["closed"]),
        (
            {"status": "open", "user_id": BOB},
            {"status": "closed"},
            ("closed", BOB, None),
            ["closed"],
        ),
        ({"status": "open", "user_id": ANN}, {}, ("open", ANN, None), []),
    ],
)
def test_moves(
    before: dict[str, object],
    asked: dict[str, object],
    after: tuple[object, ...],
    logs: list[str],
) -> None:
    scene = Scene(ticket(**before), config=lines())
    moved = rules_agent.update(scene.draft, SIMULATOR, update(**asked))
    assert (moved.status, moved.user_id, moved.department_id) == after
    written = [
        write.values[5]
        for write in scene.draft.writes
        if write.statement.table.name == "ticket_logs"
    ]
    assert written == logs


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"ticket_id": TicketId(9)}, UnknownTicket),
        ({"user_id": 404}, UnknownUser),
        ({"department_id": 404}, UnknownDepartment),
        ({"connection_id": ConnectionId(404)}, UnknownConnection),
        ({"status": "flying"}, InvalidRequest),
    ],
)
def test_moves_that_are_refused(asked: dict[str, object], refusal: type[Exception]) -> None:
    scene = Scene(ticket())
    with pytest.raises(refusal):
        rules_agent.update(scene.draft, SIMULATOR, update(**asked))


def test_a_ticket_cannot_move_to_a_connection_with_an_active_one() -> None:
    scene = Scene(ticket(), ticket(2, connection_id=OTHER_LINE))
    with pytest.raises(OtherOpenTicket):
        rules_agent.update(scene.draft, SIMULATOR, update(connection_id=OTHER_LINE))


@pytest.mark.parametrize(
    ("state", "farewell", "waiting", "connected", "sends"),
    [
        ("open", True, False, "CONNECTED", True),
        ("open", False, False, "CONNECTED", False),
        ("open", True, False, "DISCONNECTED", False),
        ("pending", True, False, "CONNECTED", False),
        ("pending", True, True, "CONNECTED", True),
    ],
)
def test_when_the_closing_text_leaves(
    state: str, farewell: bool, waiting: bool, connected: str, sends: bool
) -> None:
    config = lines(closing_message="Bye {{firstName}}", status=connected)
    scene = Scene(
        ticket(status=state, user_id=ANN if state == "open" else None),
        config={**config, **settings(farewell_waiting=waiting)},
    )
    rules_agent.update(scene.draft, SIMULATOR, update(status="closed", farewell=farewell))
    bodies = [new.message.body for new in scene.draft.messages.values()]
    assert bodies == (["\u200eBye Zoe"] if sends else [])
    assert scene.draft.ticket(TicketId(1)).status == "closed"


def test_a_transfer_may_close_one_case_and_open_another() -> None:
    scene = Scene(
        ticket(status="open", user_id=ANN, department_id=SALES),
        config={**lines(), **settings(close_on_transfer=True)},
    )
    successor = rules_agent.update(
        scene.draft,
        SIMULATOR,
        update(status="pending", user_id=None, department_id=SUPPORT, transferred=True),
    )
    assert successor.id != 1
    assert scene.draft.ticket(TicketId(1)).status == "closed"
    assert (successor.status, successor.department_id) == ("pending", SUPPORT)


def test_a_transfer_tells_the_customer_where_it_goes() -> None:
    scene = Scene(
        ticket(status="open", user_id=ANN),
        config={
            **lines(),
            **settings(tell_transfer=True, transfer_message="You go to ${queue.name}"),
        },
    )
    rules_agent.update(scene.draft, SIMULATOR, update(department_id=SUPPORT, transferred=True))
    (new,) = scene.draft.messages.values()
    assert new.message.body == "\u200eYou go to Support"


@pytest.mark.parametrize(
    ("wanted", "config", "found"),
    [
        (None, {}, LINE),
        (OTHER_LINE, {}, OTHER_LINE),
        (ConnectionId(404), {}, UnknownConnection),
        (None, {"connections": {}}, NoDefaultConnection),
    ],
)
def test_which_connection_an_agent_opens_a_ticket_on(
    wanted: ConnectionId | None, config: dict[str, object], found: object
) -> None:
    scene = Scene(config=config)
    command = CreateTicket(
        company_id=COMPANY, contact_id=contact().id, by=ANN, connection_id=wanted, user_id=ANN
    )
    if isinstance(found, int):
        assert rules_agent.create(scene.draft, command).connection_id == found
    else:
        with pytest.raises(found):
            rules_agent.create(scene.draft, command)


def send(content: object, **fields: object) -> SendMessage:
    return SendMessage(
        company_id=COMPANY,
        contact_id=contact().id,
        ticket_id=TicketId(1),
        by=ANN,
        content=content,
        **fields,
    )


def test_a_sent_message_carries_our_id_where_the_channel_takes_it() -> None:
    ours, theirs = Scene(ticket()), Scene(ticket(), config=lines(channel="cloud"))
    sent = rules_sending.send(ours.draft, SIMULATOR, send(OutText(body="x")), None)
    (order,) = ours.draft.orders
    assert sent.provider_id == order.provider_id is not None
    unnamed = rules_sending.send(theirs.draft, Channels(FarEnd()), send(OutText(body="x")), None)
    (order,) = theirs.draft.orders
    assert unnamed.provider_id is None
    assert order.provider_id is None


def test_an_answer_quotes_by_the_providers_id() -> None:
    scene = Scene(ticket())
    rules_sending.send(scene.draft, SIMULATOR, send(OutText(body="x")), message())
    (order,) = scene.draft.orders
    assert msgspec.json.decode(order.payload)["quoted_id"] == "m50"


@pytest.mark.parametrize(
    ("content", "body", "kind"),
    [
        (OutText(body="hi {{firstName}}"), "hi Zoe", "conversation"),
        (OutMedia(kind="image", link="https://x/a.png", caption="see"), "see", "image"),
        (OutMedia(kind="document", stored="k", filename="a.pdf"), "a.pdf", "application"),
        (OutTemplate(name="hello", language="pt_BR"), "hello", "templateMessage"),
        (OutLocation(location=Location(latitude=1, longitude=2)), "📍", "locationMessage"),
    ],
)
def test_what_agents_see_of_what_was_sent(content: object, body: str, kind: str) -> None:
    scene = Scene(ticket())
    sent = rules_sending.send(scene.draft, SIMULATOR, send(content), None)
    assert (sent.body, sent.media_type) == (body, kind)


@pytest.mark.parametrize(
    ("config", "refusal"),
    [
        (lines(status="DISCONNECTED"), NotConnected),
        (lines(channel="telex"), NotConnected),
        ({"connections": {}}, NoDefaultConnection),
    ],
)
def test_sends_that_cannot_leave_are_refused_before_they_are_stored(
    config: dict[str, object], refusal: type[Exception]
) -> None:
    scene = Scene(ticket(), config=config)
    with pytest.raises(refusal):
        rules_sending.send(scene.draft, SIMULATOR, send(OutText(body="x")), None)


def test_what_the_channel_can_never_send_is_refused_with_its_code() -> None:
    scene = Scene(ticket(), config=lines(channel="cloud"))
    with pytest.raises(InvalidRequest) as refused:
        rules_sending.send(scene.draft, Channels(FarEnd()), send(OutText(body="unsendable")), None)
    assert refused.value.code == "ERR_TOO_LONG"
    assert isinstance(refused.value.__cause__, Unsendable)


def test_a_ticket_that_lost_its_connection_is_bound_to_the_default_one() -> None:
    scene = Scene(ticket(connection_id=None))
    rules_sending.send(scene.draft, SIMULATOR, send(OutText(body="x")), None)
    assert scene.only().connection_id == LINE


def test_only_our_own_messages_can_be_edited_and_deleted() -> None:
    scene = Scene(ticket())
    with pytest.raises(NotEditable):
        rules_sending.edit(scene.draft, SIMULATOR, message(), "new")
    with pytest.raises(NotDeletable):
        rules_sending.delete(scene.draft, SIMULATOR, message())
    cloud = Scene(ticket(), config=lines(channel="cloud"))
    with pytest.raises(NotSupported):
        rules_sending.edit(cloud.draft, Channels(FarEnd()), message(from_me=True), "new")


def test_editing_and_deleting_our_message_orders_it_at_the_channel() -> None:
    scene = Scene(ticket(last_message="old"))
    rules_sending.edit(scene.draft, SIMULATOR, message(from_me=True), "new")
    rules_sending.delete(scene.draft, SIMULATOR, message(51, from_me=True))
    assert [order.kind for order in scene.draft.orders] == ["edit", "revoke"]
    assert scene.only().last_message == "new"


def test_a_private_note_is_removed_without_a_trace() -> None:
    scene = Scene(ticket())
    rules_sending.delete(scene.draft, SIMULATOR, message(from_me=True, is_private=True))
    assert scene.kinds() == ["message.removed"]
    assert scene.tables() == ["messages"]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("{{ firstName }} / {{name}}", "Zoe / Zoe Q"),
        ("{{unknown}} {{", "{{unknown}} {{"),
        ("{{gretting}}, {{queue}} {{connection}}", "Boa tarde, Sales c11"),
        ("{{{firstName}}}", "{Zoe}"),
    ],
)
def test_variables_in_texts(body: str, shown: str) -> None:
    one = ticket(department_id=SALES)
    assert rendered(body, one, contact(), snapshot(), NOW) == shown


def test_configuration_that_was_deleted_is_forgotten_as_the_database_does() -> None:
    scene = Scene(ticket(department_id=404, user_id=404, connection_id=ConnectionId(404)))
    scene.state.forget_deleted(scene.snapshot)
    (found,) = scene.state.tickets.values()
    assert (found.department_id, found.user_id, found.connection_id) == (None, None, None)
