"""The pure rules: what agents' requests about tickets decide."""

import pytest

from actors.errors import (
    InvalidRequest,
    NoDefaultConnection,
    OtherOpenTicket,
    UnknownConnection,
    UnknownDepartment,
    UnknownTicket,
    UnknownUser,
)
from actors.tickets import rules_agent
from actors.tickets.commands import CreateTicket, UpdateTicket
from storage.ids import ConnectionId, TicketId
from tests.actors.company import ANN, BOB, COMPANY, LINE, OTHER_LINE, SALES, SUPPORT, contact
from tests.actors.rules_kit import SIMULATOR, Scene, lines, settings, ticket


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
