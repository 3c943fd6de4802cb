"""The running parts of one server, as endpoints see them; put together in `api/app.py` alone."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.rate_limits import PublicLimits, Turns
from storage.bookmarks import Bookmarks

if TYPE_CHECKING:
    from actors.accounts import PgAccounts
    from actors.channels.registry import Channels
    from actors.configuration import SnapshotCache
    from actors.http import HttpClient
    from actors.intake import Intake
    from actors.mailer import Mailer
    from actors.media import MediaStore
    from api.api_tokens import ApiTokens
    from api.audit import Audit
    from api.auth import Auth
    from api.idempotency import Idempotency
    from api.metrics import Metrics
    from api.settings import Settings
    from api.ticket_lists import TicketLists
    from api.webhooks.doors import Doors
    from engine import System
    from storage.database import Database
    from storage.secrets import SecretBox


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything an endpoint may use; never a global."""

    settings: "Settings"
    database: "Database"
    system: "System"
    auth: "Auth"
    audit: "Audit"
    api_tokens: "ApiTokens"
    idempotency: "Idempotency"
    snapshots: "SnapshotCache"
    intake: "Intake"
    media: "MediaStore"
    http: "HttpClient"
    channels: "Channels"
    accounts: "PgAccounts"
    doors: "Doors"
    box: "SecretBox"
    metrics: "Metrics"
    ticket_lists: "TicketLists"
    mailer: "Mailer | None" = None
    limits: PublicLimits = field(default_factory=PublicLimits)
    imports: Turns = field(default_factory=Turns)
    """Of companies: an import holds a worker thread and connections for minutes."""

    marks: Bookmarks = field(default_factory=Bookmarks)
