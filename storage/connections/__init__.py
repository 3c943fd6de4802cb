"""Connections: the stored side of a session with one number or page of a channel."""

from storage.connections.records import Connection as Connection
from storage.connections.records import ConnectionPatch as ConnectionPatch
from storage.connections.records import ConnectionSecrets as ConnectionSecrets
from storage.connections.rows import all_of as all_of
from storage.connections.rows import by_api_token as by_api_token
from storage.connections.rows import by_external_account as by_external_account
from storage.connections.rows import by_webhook_token as by_webhook_token
from storage.connections.rows import change as change
from storage.connections.rows import clear_default as clear_default
from storage.connections.rows import company_of as company_of
from storage.connections.rows import create as create
from storage.connections.rows import delete as delete
from storage.connections.rows import department_ids as department_ids
from storage.connections.rows import digest as digest
from storage.connections.rows import get as get
from storage.connections.rows import read_secrets as read_secrets
from storage.connections.rows import write_secrets as write_secrets
from storage.connections.tables import CHANNELS as CHANNELS
from storage.connections.tables import NETWORKS as NETWORKS
from storage.connections.tables import connection_departments as connection_departments
from storage.connections.tables import connection_secrets as connection_secrets
from storage.connections.tables import connections as connections
from storage.connections.tables import network as network
