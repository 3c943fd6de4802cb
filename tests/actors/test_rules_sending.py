"""The pure rules: what a message of an agent becomes, and when it is refused."""

import msgspec
import pytest

from actors.channels.base import (
    Location,
    OutLocation,
    OutMedia,
    OutTemplate,
    OutText,
    Unsendable,
)
from actors.channels.registry import Channels
from actors.errors import (
    InvalidRequest,
    NoDefaultConnection,
    NotConnected,
    NotDeletable,
    NotEditable,
    NotSupported,
)
from actors.texts import rendered
from actors.tickets import rules_sending
from actors.tickets.commands import SendMessage
from storage.ids import ConnectionId, TicketId
from tests.actors.company import ANN, COMPANY, LINE, NOW, SALES, contact, snapshot
from tests.actors.rules_kit import SIMULATOR, Scene, lines, message, ticket
from tests.actors.sessions_kit import FarEnd


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
