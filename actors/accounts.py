"""What a channel must know about a connection, its secrets unsealed for the length of a session."""

from actors.channels.base import Account
from actors.ports import Snapshots
from storage.connections import read_secrets
from storage.database import Database
from storage.errors import NotFound
from storage.ids import CompanyId, ConnectionId
from storage.secrets import SecretBox


class PgAccounts:
    """Accounts of stored connections."""

    def __init__(self, database: Database, snapshots: Snapshots, box: SecretBox) -> None:
        self._database = database
        self._snapshots = snapshots
        self._box = box

    async def account(self, company_id: CompanyId, connection_id: ConnectionId) -> Account:
        """Raises NotFound for an unknown connection, DatabaseUnavailable."""
        snapshot = await self._snapshots.current(company_id)
        connection = snapshot.connections.get(connection_id)
        if connection is None:
            message = f"connection {connection_id}"
            raise NotFound(message)
        secrets = await read_secrets(self._database, company_id, connection_id, box=self._box)
        return Account(
            connection_id=connection_id,
            company_id=company_id,
            external_id=connection.external_account_id or "",
            token=secrets.access_token,
            api_version=connection.api_version,
            business_id=connection.waba_id or "",
        )
