"""Help pages, written by operators, read by everybody."""

from api.endpoint import crud, super_user
from storage import helps

routes = crud(
    "/helps",
    helps.rows,
    noun="help",
    missing="ERR_NO_HELP_FOUND",
    write=super_user,
    needs=("title",),
)
