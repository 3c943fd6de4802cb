"""Quick replies: one's own, and those of the whole company."""

from api.endpoint import crud, user
from storage import quick_messages
from storage.ids import UserId

routes = crud(
    "/quick-messages",
    quick_messages.rows,
    noun="quick_message",
    missing="ERR_NO_QUICK_MESSAGE_FOUND",
    write=user,
    needs=("shortcode",),
    fixed=("user_id",),
    filters={"user_id": UserId},
    narrow=lambda ctx: quick_messages.usable_by(ctx.user_id),
    stamp=lambda ctx: {"user_id": ctx.user_id},
    media=True,
)
