"""Statuses, grouping, and what is kept of bodies that are odd or broken."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from actors.channels.base import Ack, Identity, InboundMessage
from actors.channels.whatsapp_cloud.parse import parse
from tests.actors.channels.fixtures import NAMES, NUMBER, account, body, status
from tests.actors.channels.test_parse import ANA, MESSAGES

STATUSES: dict[str, tuple[str, Ack, int | None]] = {
    "status_sent": ("sent", Ack.SENT, 42),
    "status_delivered": ("delivered", Ack.DELIVERED, 42),
    "status_read": ("read", Ack.READ, None),
    "status_played": ("played", Ack.PLAYED, None),
    "status_failed": ("failed", Ack.FAILED, None),
    "status_future_word": ("warning", Ack.FAILED, None),
}


@pytest.mark.parametrize("name", sorted(STATUSES))
def test_a_status_has_a_rank_and_our_outbox_id(name: str) -> None:
    found = status(name)
    assert (found.status, found.ack, found.outbox_id) == STATUSES[name]
    assert found.provider_id == "wamid.OUT.1"
    assert found.recipient.phone == "5511988887777"
    assert found.failed is (name == "status_failed")


def test_ranks_grow_from_failure_to_played() -> None:
    words = ("status_failed", "status_sent", "status_delivered", "status_read", "status_played")
    ranks = [status(word).ack for word in words]
    assert ranks == sorted(set(ranks))


def test_a_failure_says_why() -> None:
    error = status("status_failed").error
    assert error is not None
    assert (error.code, error.details) == (131047, "More than 24 hours have passed")
    assert status("status_read").recipient.bsuid == "BR.1"


def test_a_group_status_tells_who_read() -> None:
    found = status("status_group")
    assert found.group_id == "GRUPO-1"
    assert found.participant == Identity(phone="5511988887777", bsuid="BR.1")


RAW = {
    "history": "history",
    "app_state": "smb_app_state_sync",
    "template_status": "message_template_status_update",
    "unknown_field": "telepathy",
    "account_errors": "errors",
    "status_call": "status",
    "empty_value": "messages",
}


@pytest.mark.parametrize("name", sorted(RAW))
def test_everything_else_is_kept_raw(name: str) -> None:
    found = account(name)
    (event,) = found.events
    assert event.kind == RAW[name]
    assert msgspec.json.decode(event.raw)
    assert found.conversations == ()
    assert found.statuses == ()
    assert account(name).events == (event,), "a repeated delivery has the same key"


def test_account_news_without_a_number_belong_to_the_business_account() -> None:
    found = account("template_status")
    assert (found.account_id, found.business_id) == ("", "800000000000001")


def test_a_changed_user_id_is_told_to_the_router() -> None:
    (change,) = account("user_id_update").identity_changes
    assert change.previous == Identity(phone="5511988887777", bsuid="BR.1")
    assert change.current == Identity(phone="5511988887777", bsuid="BR.2")


def test_a_batch_is_grouped_by_number_and_person_in_order_of_arrival() -> None:
    parsed = parse(body("batch"))
    first, second = parsed.accounts
    assert (first.account_id, second.account_id) == (NUMBER, "700000000000002")
    talks = {
        conversation.contact: [inbound.body for inbound in conversation.inbounds]  # type: ignore[union-attr]
        for conversation in first.conversations
    }
    carla = Identity(phone="5521911112222", bsuid="BR.77")
    assert talks == {ANA: ["a1", "a2"], carla: ["c1", "c2"]}
    assert [s.provider_id for s in first.statuses] == ["wamid.OUT.9"]
    (other,) = second.conversations
    assert [inbound.provider_id for inbound in other.inbounds] == ["wamid.B.4"]


def test_every_fixture_is_looked_at() -> None:
    special = {
        "location", "location_live", "contact_card", "contact_cards", "contact_shared_number",
        "edit", "edit_caption", "revoke", "text_without_phone", "text_sender_only_in_contacts",
        "system_new_user_id", "group_text", "status_group", "echo_text", "echo_edit",
        "echo_revoke", "user_id_update", "batch",
    }  # fmt: skip
    assert set(NAMES) == set(MESSAGES) | set(STATUSES) | set(RAW) | special


def _mutated(name: str, **changes: Any) -> bytes:
    data = msgspec.json.decode(body(name))
    data["entry"][0]["changes"][0]["value"]["messages"][0].update(changes)
    return msgspec.json.encode(data)


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"timestamp": 1764000000}, 1764000000),
        ({"timestamp": "1764000000000"}, 1764000000),
        ({"timestamp": None}, 5),
        ({"timestamp": "soon"}, 5),
        ({"timestamp": "9" * 400}, 5),
        ({"timestamp": "²"}, 5),
        ({"timestamp": -4}, 5),
    ],
)
def test_a_timestamp_that_is_none_becomes_now(changes: dict[str, Any], seen: int) -> None:
    parsed = parse(_mutated("text", **changes), now=datetime.fromtimestamp(5, UTC))
    (conversation,) = parsed.accounts[0].conversations
    assert conversation.inbounds[0].timestamp == datetime.fromtimestamp(seen, UTC)


def test_one_odd_field_costs_only_itself() -> None:
    raw = _mutated(
        "text", context={"id": 7, "forwarded": "yes"}, text={"body": "oi", "x": [1]}, type="text"
    )
    (conversation,) = parse(raw).accounts[0].conversations
    (found,) = conversation.inbounds
    assert isinstance(found, InboundMessage)
    assert (found.body, found.quoted_id, found.forwarded) == ("oi", "7", False)


def test_one_bad_message_leaves_its_neighbours_alone() -> None:
    data = msgspec.json.decode(body("batch"))
    messages = data["entry"][0]["changes"][0]["value"]["messages"]
    messages[1] = "nonsense"
    messages.insert(0, {"type": "text", "text": {"body": "no id"}})
    parsed = parse(msgspec.json.encode(data))
    assert [u.cause for u in parsed.unparsed] == ["message without id or sender"] * 2
    assert parsed.unparsed[1].raw == b'"nonsense"'
    kept = [i.provider_id for c in parsed.accounts[0].conversations for i in c.inbounds]
    assert kept == ["wamid.B.1", "wamid.B.3", "wamid.B.5"]


def test_a_payload_that_is_no_webhook_is_kept_whole() -> None:
    for raw, cause in (
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no entries"),
        (b"null", "no entries"),
        (b'{"object":"instagram","entry":[{}]}', "another kind of object"),
        (b'{"object":"whatsapp_business_account","entry":[{"id":"1"}]}', "no changes"),
    ):
        parsed = parse(raw)
        (unparsed,) = parsed.unparsed
        assert (unparsed.cause, unparsed.raw) == (cause, raw)
        assert parsed.accounts == ()


def test_nuls_and_lone_surrogates_are_replaced_everywhere() -> None:
    raw = (
        body("text")
        .replace(b"Ana Prado", rb"A\u0000na \ud83d!")
        .replace(b"tudo bem", rb"\udc00\udc01 tudo\\u0000 \u0000")
    )
    (conversation,) = parse(raw).accounts[0].conversations
    (found,) = conversation.inbounds
    assert isinstance(found, InboundMessage)
    assert found.name == "A\ufffdna \ufffd!"
    assert found.body == "Olá, \ufffd\ufffd tudo\\u0000 \ufffd? 😀"
    assert b"\\u0000" not in found.raw.replace(b"\\\\u0000", b"")
    assert "tudo" in msgspec.json.decode(found.raw)["text"]["body"]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    raw = body("text").replace(b"tudo bem", b"tu\xffdo \xed\xa0\x80")
    (conversation,) = parse(raw).accounts[0].conversations
    (found,) = conversation.inbounds
    assert isinstance(found, InboundMessage)
    assert "tu\ufffddo" in found.body
    found.raw.decode()


def test_an_id_too_long_for_an_index_is_no_id() -> None:
    parsed = parse(_mutated("text", id="w" * 600))
    assert [u.cause for u in parsed.unparsed] == ["message without id or sender"]
    assert all(not account.conversations for account in parsed.accounts)
