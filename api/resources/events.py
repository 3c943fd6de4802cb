"""The company's event log: for integrators who want proof that they missed nothing.

Every committed change has the company's next number, without gaps, and every socket event carries
it as `seq`. The log keeps what kind of change it was and which rows it spoke of, not their
contents: those are read through the other routes.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from api.endpoint import Ctx, Routes, admin
from storage import event_log

routes = Routes("/events", tag="events", guard=admin, strict=True)


class EventQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The greatest number already known (0: none), and how many events to give at most."""

    since: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class EventShown(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One committed change: its number, what happened, and the rows it happened to."""

    seq: int
    kind: str
    ids: dict[str, int | str]
    created_at: datetime


class EventsShown(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Events in order. `complete` is false where some after `since` are no longer kept."""

    events: list[EventShown]
    has_more: bool
    complete: bool
    last_seq: int


@routes.get()
async def list_events(ctx: Ctx, query: EventQuery) -> EventsShown:
    """List the company's committed changes after a number, in order and without gaps."""
    page = await event_log.page(ctx.parts.database, ctx.company_id, query.since, query.limit)
    shown = [
        EventShown(seq=event.seq, kind=event.kind, ids=event.ids, created_at=event.created_at)
        for event in page.events
    ]
    return EventsShown(
        events=shown, has_more=page.has_more, complete=page.complete, last_seq=page.last_seq
    )
