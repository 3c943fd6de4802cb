"""What a verified delivery does: every part to its owner, all of them before the answer."""

import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import trio

from actors.channels.base import AccountBatch, Parsed
from actors.intake import Intake
from api.errors import ApiError, problem
from api.webhooks.doors import Door
from storage import webhook_events
from storage.database import Database
from storage.ids import CompanyId, ConnectionId

Job = Callable[[], Awaitable[object]]
log = logging.getLogger("api.webhooks")

AT_ONCE = 500
"""Conversations of one delivery that are worked on at once."""

MOST_PARTS = 50
"""Parts of one delivery that are kept each by itself."""


async def accept(
    intake: Intake,
    database: Database,
    parsed: Parsed,
    door_of: Callable[[AccountBatch], Awaitable[Door | None]],
    *,
    source: str,
    raw: bytes,
) -> None:
    """Commit everything in `parsed`, or raise so that the provider repeats all of it.

    Batches without a door (another phone number, an unknown account), account news and parts that
    could not be parsed are kept raw and have no effect.
    """
    jobs: list[Job] = []
    kept = [Part(part.cause, part.raw) for part in parsed.unparsed]
    foreign = False
    for batch in parsed.accounts:
        door = await door_of(batch)
        if door is None:
            foreign = True
            continue
        jobs += _jobs(intake, batch, door)
        kept += [
            Part(event.kind, event.raw, door.company_id, door.connection_id)
            for event in batch.events
        ]
    if foreign:
        kept.append(Part("unknown account", raw))
    jobs += [_kept(database, source, part) for part in _bounded(kept, raw)]
    await run_all(jobs)


class Part(NamedTuple):
    """What is kept raw of a delivery, and why."""

    reason: str
    raw: bytes
    company_id: CompanyId | None = None
    connection_id: ConnectionId | None = None


def _bounded(kept: list[Part], raw: bytes) -> list[Part]:
    """The parts one by one, or the whole once: a body may be made of nothing but small ones."""
    if len(kept) <= MOST_PARTS:
        return kept
    companies = {part.company_id for part in kept}
    return [Part("many parts", raw, companies.pop() if len(companies) == 1 else None)]


def _jobs(intake: Intake, batch: AccountBatch, door: Door) -> list[Job]:
    company_id, connection_id = door.company_id, door.connection_id
    jobs: list[Job] = [
        _Bound(intake.identity, company_id, connection_id, change)
        for change in batch.identity_changes
    ]
    jobs += [
        _Bound(intake.deliver, company_id, connection_id, conversation)
        for conversation in batch.conversations
    ]
    if batch.statuses:
        jobs.append(_Bound(intake.statuses, company_id, connection_id, batch.statuses))
    return jobs


class _Bound:
    """A call to make later."""

    __slots__ = ("_args", "_fn")

    def __init__(self, fn: Callable[..., Awaitable[object]], *args: object) -> None:
        self._fn = fn
        self._args = args

    def __call__(self) -> Awaitable[object]:
        return self._fn(*self._args)


def _kept(database: Database, source: str, part: Part) -> Job:
    async def keep() -> None:
        await webhook_events.keep(
            database,
            part.company_id,
            connection_id=part.connection_id,
            source=source,
            reason=part.reason,
            body=part.raw,
        )

    return keep


async def run_all(jobs: list[Job]) -> None:
    """Run every job to its end, AT_ONCE side by side; then raise the worst failure, if any.

    Not one cancels another: what can be committed now is, and a repetition finds it done.
    """
    failures: list[Exception] = []
    left = iter(jobs)

    async def work() -> None:
        for job in left:
            try:
                await job()
            except Exception as error:  # noqa: BLE001 (raised below, after the others have ended)
                failures.append(error)

    if len(jobs) == 1:
        await work()
    else:
        async with trio.open_nursery() as nursery:
            for _ in range(min(len(jobs), AT_ONCE)):
                nursery.start_soon(work)
    if failures:
        worst = max(failures, key=lambda error: problem(error).status)
        raise repeatable(worst) from worst


class Unfinished(ApiError):
    """Not all of a delivery could be committed: the provider repeats the whole of it (503)."""

    status = 503
    code = "ERR_UNAVAILABLE"


def repeatable(error: Exception) -> Exception:
    """What the provider is told of a failure: whatever it was, it must send this again."""
    if problem(error).status in (429, 503):
        return error
    log.error("a delivery was not committed", exc_info=error)
    return Unfinished(retry_after=5.0)
