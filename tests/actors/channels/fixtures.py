"""The webhook bodies of tests/fixtures/whatsapp_cloud, written from the API's documentation."""

from pathlib import Path

from actors.channels.base import AccountBatch, Inbound, InboundMessage, InboundStatus
from actors.channels.whatsapp_cloud.parse import parse

FOLDER = Path(__file__).parents[2] / "fixtures" / "whatsapp_cloud"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
NUMBER = "700000000000001"


def body(name: str) -> bytes:
    return (FOLDER / f"{name}.json").read_bytes()


def account(name: str) -> AccountBatch:
    """The only account of a fixture that holds nothing unparsed."""
    parsed = parse(body(name))
    assert parsed.unparsed == ()
    (found,) = parsed.accounts
    assert found.account_id in (NUMBER, "")
    return found


def only(name: str) -> Inbound:
    (conversation,) = account(name).conversations
    (inbound,) = conversation.inbounds
    return inbound


def message(name: str) -> InboundMessage:
    found = only(name)
    assert isinstance(found, InboundMessage)
    return found


def status(name: str) -> InboundStatus:
    (found,) = account(name).statuses
    return found
