"""Scheduled messages to many, with the sendings that took place."""

from api.endpoint import Ctx, crud
from storage import scheduled_messages
from storage.scheduled_messages import ScheduledSending

routes = crud(
    "/schedules-message",
    scheduled_messages.rows,
    noun="scheduled_message",
    missing="ERR_NO_SCHEDULE_FOUND",
    plural="schedules",
    only=("page", "show", "create", "change", "delete"),
    needs=("name", "message"),
    fixed=("status", "sent_at"),
    media=True,
    feature="use_schedules",
)


@routes.get("/{scheduled_message_id}/history")
async def list_sendings(ctx: Ctx, scheduled_message_id: int) -> list[ScheduledSending]:
    """List the sendings of a scheduled message."""
    database, rows = ctx.parts.database, scheduled_messages.sendings
    await scheduled_messages.rows.get(database, ctx.company_id, scheduled_message_id)
    wanted = rows.matching(equal={"scheduled_id": scheduled_message_id})
    return await rows.where(database, ctx.company_id, *wanted)
