"""The parser takes any bytes and any JSON without raising, and loses nothing on the way."""

import re
import string
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.channels.base import InboundMessage, Parsed
from actors.channels.whatsapp_cloud import wire
from actors.channels.whatsapp_cloud.parse import parse
from actors.channels.whatsapp_cloud.tolerant import clean
from tests.actors.channels.fixtures import NAMES, body

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "cloud-api"

_FIELDS = sorted(
    {
        field.encode_name
        for kind in vars(wire).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        for field in msgspec.structs.fields(kind)
    }
)
_TYPES = ["text", "image", "interactive", "system", "edit", "revoke", "reaction", "order", "x"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([*_TYPES, "wamid.1", "v1:7", "v1:" + "9" * 30, "1764000000", "messages"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_FIELDS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=30,
)


def check(raw: bytes) -> Parsed:
    """What holds for every input."""
    parsed = parse(raw)
    assert parsed.accounts or parsed.unparsed, "nothing is dropped"
    for account in parsed.accounts:
        for conversation in account.conversations:
            assert conversation.inbounds
            assert conversation.contact or conversation.group_id
            for inbound in conversation.inbounds:
                assert inbound.provider_id
                assert inbound.contact or inbound.group_id
                assert inbound.timestamp.tzinfo is not None
    encoded = msgspec.json.encode(parsed)
    texts = encoded.decode()
    assert "\x00" not in texts
    assert b"\\u0000" not in encoded.replace(b"\\\\u0000", b"")
    assert msgspec.json.decode(encoded, type=Parsed) == parsed
    return parsed


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes(raw: bytes) -> None:
    check(raw)


@given(values)
@settings(deadline=None)
def test_any_json(value: Any) -> None:
    check(_encoded(value))


@given(st.lists(values, max_size=3), st.sampled_from(["messages", "statuses", "message_echoes"]))
@settings(max_examples=200, deadline=None)
def test_any_elements_in_a_well_formed_envelope(elements: list[Any], where: str) -> None:
    value = {"metadata": {"phone_number_id": "7"}, where: elements, "contacts": elements}
    change = {"field": "messages", "value": value}
    check(_encoded({"object": "whatsapp_business_account", "entry": [{"changes": [change]}]}))


@given(st.sampled_from(NAMES), st.data())
@settings(max_examples=300, deadline=None)
def test_a_fixture_with_any_part_replaced(name: str, data: st.DataObject) -> None:
    document = msgspec.json.decode(body(name))
    place, key = data.draw(st.sampled_from(list(_places(document))))
    place[key] = data.draw(values)
    check(_encoded(document))


@given(st.sampled_from(NAMES), st.integers(0, 4000), st.binary(max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_fixture_with_bytes_overwritten(name: str, at: int, new: bytes) -> None:
    raw = body(name)
    at %= len(raw)
    check(raw[:at] + new + raw[at + len(new) :])


@given(st.text(alphabet=st.characters(), max_size=30))
@settings(deadline=None)
def test_text_arrives_as_it_was_but_for_nuls_and_surrogates(text: str) -> None:
    escaped = "".join(f"\\u{unit:04x}" for char in text for unit in _units(char))
    raw = body("text").replace(b"Ol\\u00e1, tudo bem? \\ud83d\\ude00", escaped.encode())
    inbound = check(raw).accounts[0].conversations[0].inbounds[0]
    assert isinstance(inbound, InboundMessage)
    paired = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
    assert inbound.body == re.sub("[\0\ud800-\udfff]", "\ufffd", paired)


@given(st.text(alphabet=string.hexdigits + "\\ud", max_size=40))
@settings(deadline=None)
def test_cleaning_leaves_no_half_character(text: str) -> None:
    raw = b'"' + text.encode().replace(b'"', b"") + b'"'
    cleaned = clean(raw)
    assert clean(cleaned) == cleaned
    try:
        value = msgspec.json.decode(cleaned, type=str)
    except msgspec.DecodeError as error:
        assert "surrogate" not in str(error)  # noqa: PT017 - any other syntax error is fine
    else:
        value.encode()
        assert "\x00" not in value


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded samples are not on this machine")
def test_every_recorded_sample_parses() -> None:
    kinds: set[str] = set()
    for path in sorted(SAMPLES.rglob("*.json")):
        parsed = check(path.read_bytes())
        if path.parent.name != "vercel-chat":
            assert parsed.unparsed == (), path.name
        for account in parsed.accounts:
            for conversation in account.conversations:
                kinds |= {getattr(i, "kind", type(i).__name__) for i in conversation.inbounds}
    assert {"text", "image", "order", "reaction", "InboundEdit", "InboundRevoke"} <= kinds


def _units(char: str) -> list[int]:
    raw = char.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


def _places(node: Any) -> Any:
    if isinstance(node, dict):
        for key, value in node.items():
            yield node, key
            yield from _places(value)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield node, index
            yield from _places(value)


def _encoded(value: Any) -> bytes:
    import json

    return json.dumps(value).encode()
