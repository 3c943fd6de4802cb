"""Menu options of departments, on the wire `queue-options`."""

from typing import Any

import msgspec
from msgspec import field

from api.endpoint import Ctx, Id, Short, crud
from api.errors import Detail, Invalid
from storage import department_options
from storage.department_options import DepartmentOption


def _check(values: dict[str, Any]) -> None:
    if values.get("department_id", 1) is None:
        raise Invalid(Detail("$.queueId", "missing"))


class OptionQuery(msgspec.Struct, kw_only=True):
    """Options of a department, below one of them; `-1` or `null` asks for those at the top."""

    department_id: Id | None = field(name="queueId", default=None)
    option_id: Id | None = field(name="queueOptionId", default=None)
    parent: Short = field(name="parentId", default="")


routes = crud(
    "/queue-options",
    department_options.rows,
    noun="department_option",
    missing="ERR_NO_QUEUE_OPTION_FOUND",
    only=("show", "create", "change", "delete"),
    needs=("title", "department_id"),
    check=_check,
    media=True,
)


@routes.get()
async def list_options(ctx: Ctx, query: OptionQuery) -> list[DepartmentOption]:
    """List the options of a department, below one of them or at the top."""
    rows = department_options.rows
    wanted = rows.matching(equal={"department_id": query.department_id, "id": query.option_id})
    if query.parent:
        digits = query.parent if query.parent.isdigit() and len(query.parent) < 16 else ""
        wanted += department_options.children_of(int(digits) if digits else None)
    return await rows.where(ctx.parts.database, ctx.company_id, *wanted)
