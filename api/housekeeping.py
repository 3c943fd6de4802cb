"""What is done beside the requests: forgetting in time, and working in what new messages say."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import trio

from api.settings import Settings
from storage import messages, retention
from storage.database import Database
from storage.errors import StorageError
from storage.event_partitions import roll_partitions

log = logging.getLogger("api.housekeeping")
EVERY = 3600.0
ANEW_AFTER = 5.0
TEXTS_EVERY = 5.0
REQUESTS_KEPT = timedelta(hours=48)
SESSIONS_KEPT = timedelta(days=30)
MAILS_KEPT = timedelta(days=30)
TOLD_KEPT = timedelta(days=30)
"""A provider repeats what was not answered for a week."""


async def tended(work: Callable[..., Awaitable[None]], *args: object) -> None:
    """Run what goes on beside the requests: a defect in it is told and it begins anew.

    The server, which has requests to answer, goes on.
    """
    while True:
        try:
            await work(*args)
        except Exception:
            log.exception("%s broke and begins anew", work.__qualname__)
            await trio.sleep(ANEW_AFTER)
        else:
            return


async def keep_house(settings: Settings, database: Database) -> None:
    """Clean up now and every hour, for ever; a database that is away is tried again later."""
    while True:
        try:
            await clean_up(settings, database, datetime.now(UTC))
        except StorageError as error:
            log.warning("not cleaned up: %s", error)
        await trio.sleep(EVERY)


async def clean_up(settings: Settings, database: Database, now: datetime) -> None:
    """Forget what is older than its retention."""
    await roll_partitions(database, now, keep_days=settings.events_retention_days)
    requests = await retention.forget_requests(database, now - REQUESTS_KEPT)
    sessions = await retention.forget_sessions(database, now - SESSIONS_KEPT)
    letters = await retention.forget_mails(database, now - MAILS_KEPT)
    told = await retention.forget_told(database, now - TOLD_KEPT)
    if requests or sessions or letters or told:
        log.info(
            "forgot %s requests, %s sessions, %s letters, %s reports and raw deliveries",
            requests,
            sessions,
            letters,
            told,
        )


async def keep_searchable(database: Database) -> None:
    """Work the texts of new messages into their index every few seconds, for ever.

    Whoever commits the message that fills the list would otherwise do it, and be late.
    """
    while True:
        await trio.sleep(TEXTS_EVERY)
        try:
            await messages.work_in_texts(database)
        except StorageError as error:
            log.warning("new texts not worked in: %s", error)
