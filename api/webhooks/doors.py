"""Which connection a delivery is for, decided by its URL or by the installation's secret.

Looked up once and kept until any connection of the installation changes.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from actors.events import ConnectionChanged, ConnectionRemoved
from storage import connections
from storage.connections import ConnectionSecrets
from storage.database import Database
from storage.events import DomainEvent
from storage.ids import CompanyId, ConnectionId
from storage.secrets import SecretBox

_KEPT = 10_000
K = TypeVar("K")


class Door(NamedTuple):
    """The connection behind a webhook, with the account that may speak through it."""

    company_id: CompanyId
    connection_id: ConnectionId
    account_id: str
    secrets: ConnectionSecrets


class Doors:
    """Finds connections by webhook token or by the provider's account id. One per process."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box
        self._by_token: OrderedDict[bytes, Door] = OrderedDict()
        self._by_account: OrderedDict[tuple[str, str], Door] = OrderedDict()
        self._by_api_token: OrderedDict[bytes, Door] = OrderedDict()
        self._generation = 0

    async def by_token(self, token: str) -> Door | None:
        """The connection whose webhook URL ends in `token`, or None."""
        digest = hashlib.sha256(token.encode()).digest()
        if digest in self._by_token:
            return self._by_token[digest]
        generation = self._generation
        found = await connections.by_webhook_token(self._database, token)
        door = await self._door(found)
        self._keep(self._by_token, digest, door, generation)
        return door

    async def by_api_token(self, token: str) -> Door | None:
        """The connection whose external API token this is, or None."""
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        if digest in self._by_api_token:
            return self._by_api_token[digest]
        generation = self._generation
        found = await connections.by_api_token(self._database, token)
        door = await self._door(found)
        self._keep(self._by_api_token, digest, door, generation)
        return door

    async def by_account(self, channel: str, account_id: str) -> Door | None:
        """The connection of a provider's account (unique over the installation), or None."""
        key = (channel, account_id)
        if key in self._by_account:
            return self._by_account[key]
        generation = self._generation
        found = await connections.by_external_account(self._database, channel, account_id)
        door = await self._door(found)
        self._keep(self._by_account, key, door, generation)
        return door

    def published(self, pairs: Sequence[tuple[int, DomainEvent]]) -> None:
        """Forget everything when a committed event changes a connection."""
        if any(isinstance(event, ConnectionChanged | ConnectionRemoved) for _, event in pairs):
            self.forget()

    def forget(self) -> None:
        """Look everything up again, what is being looked up included."""
        self._generation += 1
        self._by_token.clear()
        self._by_api_token.clear()
        self._by_account.clear()

    async def _door(self, found: connections.Connection | None) -> Door | None:
        if found is None:
            return None
        secrets = await connections.read_secrets(
            self._database, found.company_id, found.id, box=self._box
        )
        return Door(found.company_id, found.id, found.external_account_id or "", secrets)

    def _keep(self, kept: OrderedDict[K, Door], key: K, door: Door | None, generation: int) -> None:
        """Remember a door; not that there is none: guesses would push the others out."""
        if door is None or generation != self._generation:
            return  # or a connection changed while this was looked up
        kept[key] = door
        if len(kept) > _KEPT:
            kept.popitem(last=False)
