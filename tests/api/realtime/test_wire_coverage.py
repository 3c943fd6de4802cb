"""The wire table is complete: every event, noun and name, each payload made of declared views."""

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

import actors
from actors import events
from api.realtime import wire
from storage.events import DomainEvent
from storage.mailing_lists import MailingItem
from tests.api.realtime.test_wire import COMPANY, CONTACT, view


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
    company-announcement company-1-help company-1-settings settings tag userOnlineChange counter
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
