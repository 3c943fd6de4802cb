"""File lists, on the wire `files`, with the files in them as `options`."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType, field

from actors.events import RecordChanged
from api.endpoint import Ctx, Done, Id, Page, Routes, Short, Text, Upload, admin
from api.endpoint.crud import SIZE
from api.endpoint.uploads import stored
from api.errors import Detail, Invalid
from storage import file_lists
from storage.database import Tx
from storage.file_lists import FileList, FileOption
from storage.ids import CompanyId

routes = Routes("/files", tag="files", missing="ERR_NO_FILE_FOUND")


class FileQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """Part of a name, and which page."""

    search_param: Short = ""
    page_number: Page = 1


class FileListView(FileList, frozen=True, kw_only=True, rename="camel"):
    """A list with its files."""

    options: list[FileOption]


class FilePage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of lists by name."""

    files: list[FileListView]
    count: int
    has_more: bool


class Option(msgspec.Struct, kw_only=True, rename="camel"):
    """A file's entry; one without an id is new."""

    id: Id | None = None
    name: Short = ""
    media_type: Short | None = None


class FileBody(msgspec.Struct, kw_only=True):
    """A list's name, text and, if given, all of its entries."""

    name: Short | UnsetType = UNSET
    message: Text | UnsetType = UNSET
    options: list[Option] | UnsetType = UNSET


class UploadBody(msgspec.Struct, kw_only=True, rename="camel"):
    """Which entries the uploaded files belong to, in order."""

    option_ids: list[Id] = field(name="id", default_factory=list)


@routes.get()
async def list_lists(ctx: Ctx, query: FileQuery) -> FilePage:
    """List file lists by name."""
    rows, number = file_lists.lists, query.page_number
    wanted = rows.matching(query.search_param.strip())
    database = ctx.parts.database
    found, count = await rows.page(database, ctx.company_id, *wanted, number=number, size=SIZE)
    more = count > (number - 1) * SIZE + len(found)
    return FilePage(files=await _shown(ctx, found), count=count, has_more=more)


@routes.get("/list")
async def list_every(ctx: Ctx) -> list[FileListView]:
    """List every file list, for choosing one."""
    return await _shown(ctx, await file_lists.lists.all_of(ctx.parts.database, ctx.company_id))


@routes.get("/{file_list_id}")
async def show(ctx: Ctx, file_list_id: int) -> FileListView:
    """Show a file list."""
    found = await file_lists.lists.get(ctx.parts.database, ctx.company_id, file_list_id)
    return (await _shown(ctx, [found]))[0]


@routes.post(guard=admin)
async def create(ctx: Ctx, body: FileBody) -> FileListView:
    """Add a file list."""
    if body.name is UNSET or not body.name.strip():
        raise Invalid(Detail("$.name", "missing"))
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        message = "" if body.message is UNSET else body.message
        made = await file_lists.lists.insert(tx, ctx.company_id, name=body.name, message=message)
        return await _saved(ctx, tx, made, body, "create")


@routes.put("/{file_list_id}", guard=admin)
async def update(ctx: Ctx, file_list_id: int, body: FileBody) -> FileListView:
    """Change a file list; entries that are not given any more are deleted."""
    given = {"name": body.name, "message": body.message}
    values = {name: value for name, value in given.items() if value is not UNSET}
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        changed = await file_lists.lists.change(tx, ctx.company_id, file_list_id, values)
        return await _saved(ctx, tx, changed, body, "update")


@routes.delete("/{file_list_id}", guard=admin)
async def remove(ctx: Ctx, file_list_id: int) -> Done:
    """Delete a file list with its entries."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await file_lists.lists.delete(tx, ctx.company_id, file_list_id)
        tx.publish(_event(ctx.company_id, "delete", file_list_id, None))
    return Done("File list deleted")


@routes.delete(guard=admin)
async def remove_all(ctx: Ctx) -> None:
    """Delete every file list of the company."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        for row in await file_lists.lists.all_of(tx, ctx.company_id):
            await file_lists.lists.delete(tx, ctx.company_id, row.id)
            tx.publish(_event(ctx.company_id, "delete", row.id, None))


@routes.post("/uploadList/{file_list_id}", guard=admin)
async def upload(
    ctx: Ctx, file_list_id: int, body: UploadBody, uploads: tuple[Upload, ...]
) -> Done:
    """Keep files for the entries of a list; without ids the files become new entries."""
    row = await file_lists.lists.get(ctx.parts.database, ctx.company_id, file_list_id)
    kept = [await stored(ctx, (item,)) for item in uploads]
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        for place, (item, file) in enumerate(zip(uploads, kept, strict=True)):
            option = body.option_ids[place] if place < len(body.option_ids) else None
            values = {"path": file["media_path"], "media_type": item.content_type}
            await file_lists.set_option(
                tx, ctx.company_id, file_list_id, option, {"name": item.filename} | values
            )
        (view,) = await _shown(ctx, [row], tx)
        tx.publish(_event(ctx.company_id, "update", file_list_id, view))
    return Done("Files stored")


async def _saved(ctx: Ctx, tx: Tx, row: FileList, body: FileBody, action: str) -> FileListView:
    if body.options is not UNSET:
        kept = {item.id for item in body.options if item.id is not None}
        await file_lists.keep_options(tx, ctx.company_id, row.id, kept)
        for item in body.options:
            values = {"name": item.name, "media_type": item.media_type}
            await file_lists.set_option(tx, ctx.company_id, row.id, item.id, values)
    (view,) = await _shown(ctx, [row], tx)
    tx.publish(_event(ctx.company_id, action, row.id, view))
    return view


async def _shown(ctx: Ctx, found: Sequence[FileList], tx: Tx | None = None) -> list[FileListView]:
    ids = [row.id for row in found]
    entries = await file_lists.options_of(tx or ctx.parts.database, ctx.company_id, ids)
    return [
        FileListView(
            **msgspec.structs.asdict(row),
            options=[entry for entry in entries if entry.file_id == row.id],
        )
        for row in found
    ]


def _event(
    company_id: CompanyId, action: str, row_id: int, view: FileListView | None
) -> RecordChanged:
    return RecordChanged(
        company_id=company_id, noun="file_list", action=action, record_id=row_id, record=view
    )
