"""Departments, on the wire `queue`."""

from typing import Annotated

from msgspec import UNSET

from actors.events import RecordChanged
from api.endpoint import Ctx, Done, Named, Routes, Upload, admin
from api.endpoint.uploads import stored
from api.errors import Detail, Invalid
from storage import departments
from storage.departments import Department, DepartmentPatch
from storage.ids import CompanyId, DepartmentId
from storage.views import DepartmentView, department_view

routes = Routes("/queue", tag="queue", missing="ERR_QUEUE_NOT_FOUND")
Body = Annotated[DepartmentPatch, Named(DepartmentView, hidden=("media_path", "media_name"))]


@routes.get()
async def list_departments(ctx: Ctx) -> list[DepartmentView]:
    """List the company's departments in the order of the menu."""
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    ordered = sorted(snapshot.departments.values(), key=lambda d: (d.position or 0, d.id))
    return [department_view(department) for department in ordered]


@routes.get("/{department_id}")
async def show(ctx: Ctx, department_id: DepartmentId) -> DepartmentView:
    """Show a department."""
    found = await departments.get(ctx.parts.database, ctx.company_id, department_id)
    return department_view(found)


@routes.post(guard=admin, limit="departments")
async def create(ctx: Ctx, body: Body) -> DepartmentView:
    """Add a department; name and color are unique in the company."""
    if body.name is UNSET or not body.name.strip():
        raise Invalid(Detail("$.name", "missing"))
    if body.color is UNSET or not body.color.strip():
        raise Invalid(Detail("$.color", "missing"))
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        made = await departments.create(tx, ctx.company_id, body)
        tx.publish(_changed(ctx.company_id, made, "create"))
        ctx.settle(tx, department_view(made))
    return department_view(made)


@routes.put("/{department_id}", guard=admin)
async def update(ctx: Ctx, department_id: DepartmentId, body: Body) -> DepartmentView:
    """Change a department."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        changed = await departments.change(tx, ctx.company_id, department_id, body)
        tx.publish(_changed(ctx.company_id, changed, "update"))
    return department_view(changed)


@routes.post("/{department_id}/media-upload", guard=admin, files=1)
async def attach(ctx: Ctx, department_id: DepartmentId, uploads: tuple[Upload, ...]) -> Done:
    """Attach a file to a department's greeting."""
    await departments.get(ctx.parts.database, ctx.company_id, department_id)
    await _set_file(ctx, department_id, DepartmentPatch(**await stored(ctx, uploads)))
    return Done("File attached")


@routes.delete("/{department_id}/media-upload", guard=admin)
async def detach(ctx: Ctx, department_id: DepartmentId) -> Done:
    """Take a file off a department's greeting."""
    await _set_file(ctx, department_id, DepartmentPatch(media_path=None, media_name=None))
    return Done("File deleted")


async def _set_file(ctx: Ctx, department_id: DepartmentId, patch: DepartmentPatch) -> None:
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        changed = await departments.change(tx, ctx.company_id, department_id, patch)
        tx.publish(_changed(ctx.company_id, changed, "update"))


@routes.delete("/{department_id}", guard=admin)
async def remove(ctx: Ctx, department_id: DepartmentId) -> None:
    """Delete a department; its tickets go on without one."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await departments.delete(tx, ctx.company_id, department_id)
        tx.publish(
            RecordChanged(
                company_id=ctx.company_id,
                noun="department",
                action="delete",
                record_id=department_id,
            )
        )


def _changed(company_id: CompanyId, department: Department, action: str) -> RecordChanged:
    return RecordChanged(
        company_id=company_id,
        noun="department",
        action=action,
        record_id=department.id,
        record=department_view(department),
    )
