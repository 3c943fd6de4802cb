"""Schedules: messages to one contact at a later time."""

from collections.abc import Sequence

import msgspec
from msgspec import field

from api.endpoint import Ctx, crud, user
from api.endpoint.crud import with_file
from storage import contacts, schedules
from storage.database import Statements
from storage.ids import ContactId, UserId
from storage.schedules import Schedule


class Person(msgspec.Struct, frozen=True):
    """Whom a schedule speaks of."""

    id: int
    name: str


class ScheduleView(Schedule, frozen=True, kw_only=True, rename="camel"):
    """A schedule with the names that its calendar shows."""

    contact: Person | None
    user: Person | None
    sender: Person | None = field(name="ticketUser")


async def shown(ctx: Ctx, source: Statements, found: Sequence[Schedule]) -> list[ScheduleView]:
    """Schedules with contact and users by name."""
    snapshot = await ctx.snapshot()
    wanted = [row.contact_id for row in found if row.contact_id is not None]
    named = await contacts.names_of(source, ctx.company_id, wanted)

    def contact(contact_id: ContactId | None) -> Person | None:
        return None if contact_id is None else Person(contact_id, named.get(contact_id, ""))

    def member(user_id: UserId | None) -> Person | None:
        known = None if user_id is None else snapshot.users.get(user_id)
        return None if known is None else Person(known.id, known.name)

    return [
        ScheduleView(
            **msgspec.structs.asdict(with_file(row, snapshot.urls.file)),
            contact=contact(row.contact_id),
            user=member(row.user_id),
            sender=member(row.ticket_user_id),
        )
        for row in found
    ]


routes = crud(
    "/schedules",
    schedules.rows,
    noun="schedule",
    missing="ERR_NO_SCHEDULE_FOUND",
    plural="schedules",
    only=("page", "show", "create", "change", "delete"),
    write=user,
    needs=("body", "send_at", "contact_id"),
    fixed=("status", "sent_at", "sent_times", "user_id"),
    filters={"contact_id": ContactId, "user_id": UserId},
    stamp=lambda ctx: {"user_id": ctx.user_id},
    media=True,
    view=ScheduleView,
    show=shown,
    feature="use_schedules",
)
