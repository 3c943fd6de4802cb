"""A webhook body → `Parsed`; pure but for the clock, and it never raises.

Whatever is not understood is kept: an unknown field as an `AccountEvent`, an element without id
or sender and a body that is no webhook as `Unparsed`, each with its raw JSON.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from actors.channels.inbound import (
    AccountBatch,
    AccountEvent,
    Conversation,
    Identity,
    IdentityChange,
    Inbound,
    InboundStatus,
    Parsed,
    Unparsed,
)
from actors.channels.whatsapp_cloud import wire
from actors.channels.whatsapp_cloud.elements import identity_change_of, inbound_of, status_of
from actors.channels.whatsapp_cloud.people import LONGEST_ID, People
from actors.channels.whatsapp_cloud.tolerant import BAD_JSON, clean, decoder, tolerant

OBJECT = "whatsapp_business_account"

#: The fields whose value holds messages, statuses or echoes.
_TALK = frozenset(("messages", "smb_message_echoes", "message_echoes", "user_id_update"))


class _Thread:
    """A conversation being collected."""

    __slots__ = ("contact", "group_id", "inbounds", "key", "name")

    def __init__(self, key: str, group_id: str) -> None:
        self.key = key
        self.group_id = group_id
        self.contact = Identity()
        self.name = ""
        self.inbounds: list[Inbound] = []

    def add(self, inbound: Inbound) -> None:
        self.inbounds.append(inbound)
        if self.group_id:
            return
        self.contact = _joined(self.contact, inbound.contact)
        self.name = inbound.name or self.name

    def done(self) -> Conversation:
        return Conversation(
            key=self.key,
            contact=self.contact,
            inbounds=tuple(self.inbounds),
            group_id=self.group_id,
            name=self.name,
        )


def _joined(old: Identity, new: Identity) -> Identity:
    if not old or old == new:
        return new
    return Identity(
        phone=old.phone or new.phone,
        bsuid=old.bsuid or new.bsuid,
        parent_bsuid=old.parent_bsuid or new.parent_bsuid,
        username=new.username or old.username,
    )


class _Account:
    """An account's part being collected, over all entries and changes that name it."""

    def __init__(self, account_id: str, business_id: str, phone: str) -> None:
        self.account_id = account_id
        self.business_id = business_id
        self.phone = phone
        self.threads: list[_Thread] = []
        self.by_alias: dict[tuple[str, str], _Thread] = {}
        self.statuses: list[InboundStatus] = []
        self.changes: list[IdentityChange] = []
        self.events: list[AccountEvent] = []

    def add(self, inbound: Inbound) -> None:
        group = inbound.group_id
        aliases = (("group", group),) if group else inbound.contact.aliases()
        thread = next((self.by_alias[a] for a in aliases if a in self.by_alias), None)
        if thread is None:
            thread = _Thread(":".join(aliases[0]), group)
            self.threads.append(thread)
        for alias in aliases:
            self.by_alias.setdefault(alias, thread)
        thread.add(inbound)

    def done(self) -> AccountBatch:
        return AccountBatch(
            account_id=self.account_id,
            business_id=self.business_id,
            display_phone=self.phone,
            conversations=tuple(thread.done() for thread in self.threads),
            statuses=tuple(self.statuses),
            identity_changes=tuple(self.changes),
            events=tuple(self.events),
        )


class _Delivery:
    """One webhook body being read."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.accounts: dict[tuple[str, str], _Account] = {}
        self.unparsed: list[Unparsed] = []

    def account(self, account_id: str, business_id: str, phone: str = "") -> _Account:
        key = (account_id, "" if account_id else business_id)
        found = self.accounts.get(key)
        if found is None:
            found = self.accounts[key] = _Account(account_id, business_id, phone)
        return found

    def change(self, entry: wire.Entry, change: wire.Change) -> None:
        if change.field in _TALK or not change.field:
            self.talk(entry, change, tolerant(wire.Value, change.value))
            return
        account_id = tolerant(wire.Value, change.value).metadata.phone_number_id
        self.event(self.account(_id(account_id), _id(entry.id)), change.field, change.value)

    def talk(self, entry: wire.Entry, change: wire.Change, value: wire.Value) -> None:
        metadata = value.metadata
        account = self.account(
            _id(metadata.phone_number_id), _id(entry.id), metadata.display_phone_number
        )
        people = People(value.contacts)
        for raw in value.messages:
            self.keep(account, raw, inbound_of(raw, people, echo=False, now=self.now))
        for raw in value.message_echoes:
            self.keep(account, raw, inbound_of(raw, people, echo=True, now=self.now))
        for raw in value.statuses:
            status = status_of(raw, people, self.now)
            if status is None:
                self.event(account, "status", raw)
            else:
                account.statuses.append(status)
        for raw in value.user_id_update:
            changed = identity_change_of(raw, self.now)
            if changed is None:
                self.event(account, "user_id_update", raw)
            else:
                account.changes.append(changed)
        said = value.messages or value.message_echoes or value.statuses or value.user_id_update
        if bytes(value.errors):
            self.event(account, "errors", value.errors)
        elif not said:
            self.event(account, change.field or "unknown", change.value)

    def keep(self, account: _Account, raw: msgspec.Raw, inbound: Inbound | None) -> None:
        if inbound is None:
            self.unparsed.append(Unparsed(cause="message without id or sender", raw=bytes(raw)))
        else:
            account.add(inbound)

    def event(self, account: _Account, kind: str, raw: msgspec.Raw) -> None:
        data = bytes(raw)
        seen = f"{account.account_id}\0{account.business_id}\0{kind}\0".encode()
        key = hashlib.sha256(seen + data).hexdigest()
        account.events.append(AccountEvent(kind=kind[:100], key=key, raw=data))


def _id(text: str) -> str:
    return text if len(text) <= LONGEST_ID else ""


def _changes(envelope: wire.Envelope) -> Iterable[tuple[wire.Entry, wire.Change]]:
    return ((entry, change) for entry in envelope.entry for change in entry.changes)


def parse(raw: bytes, now: datetime | None = None) -> Parsed:
    """`raw` grouped by account (phone-number id) and conversation, in order of arrival.

    NULs, lone surrogates and bytes that are no UTF-8 become U+FFFD. `now` stands in for a missing
    or impossible timestamp.
    """
    body = clean(raw)
    try:
        envelope = decoder(wire.Envelope).decode(body)
    except BAD_JSON:
        envelope = tolerant(wire.Envelope, body)
    if envelope.object not in (OBJECT, "") or not envelope.entry:
        return Parsed(unparsed=(Unparsed(cause=_cause(body, envelope), raw=raw),))
    delivery = _Delivery(now or datetime.now(UTC))
    for entry, change in _changes(envelope):
        delivery.change(entry, change)
    if not delivery.accounts and not delivery.unparsed:
        return Parsed(unparsed=(Unparsed(cause="no changes", raw=raw),))
    return Parsed(
        accounts=tuple(account.done() for account in delivery.accounts.values()),
        unparsed=tuple(delivery.unparsed),
    )


def _cause(body: bytes, envelope: wire.Envelope) -> str:
    if envelope.object not in (OBJECT, ""):
        return "another kind of object"
    try:
        decoder(msgspec.Raw).decode(body)
    except BAD_JSON:
        return "not JSON"
    return "no entries"
