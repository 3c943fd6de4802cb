"""A plain resource in one call: page, list, show, create, change, delete, and its file.

    routes = crud("/helps", helps.rows, noun="help", write=super_user, needs=("title",))

Every row is the caller's company's: another company's is 404, also inside bodies (409). What the
record's fields are is what the body takes, under the same wire names, all optional; keys, times
and fields named in `fixed` are ignored. Each write is published for browsers and caches.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from actors.events import INSTALLATION_NOUNS, RecordChanged
from api.endpoint.context import Ctx
from api.endpoint.declaration import Routes
from api.endpoint.fields import Page, Short
from api.endpoint.guards import Guard, admin, user
from api.endpoint.patches import bounded
from api.endpoint.sealing import Sealing
from api.endpoint.times import is_moment, moments
from api.endpoint.uploads import stored
from api.errors import Detail, Forbidden, Invalid
from api.http_types import Upload
from storage.database import Statements
from storage.errors import NotFound
from storage.ids import CompanyId
from storage.plain_rows import FIXED
from storage.plans import Feature
from storage.repo import Repo

R = TypeVar("R", bound=msgspec.Struct)
Values = dict[str, Any]
Show = Callable[[Ctx, Statements, Sequence[Any]], Awaitable[Sequence[msgspec.Struct]]]
ALL = ("page", "list", "show", "create", "change", "delete")
SIZE = 20


class Done(msgspec.Struct, frozen=True):
    """An answer in words."""

    message: str


def crud(
    prefix: str,
    rows: Repo[R],
    *,
    noun: str,
    missing: str | None = None,
    plural: str = "records",
    only: Sequence[str] = ALL,
    read: Guard = user,
    write: Guard = admin,
    needs: Sequence[str] = (),
    fixed: Sequence[str] = (),
    filters: Mapping[str, Any] | None = None,
    secret: Sequence[str] = (),
    narrow: Callable[[Ctx], tuple[Any, ...]] = lambda _: (),
    narrow_writes: Callable[[Ctx], tuple[Any, ...]] = lambda _: (),
    stamp: Callable[[Ctx], Values] = lambda _: {},
    check: Callable[[Values], None] = lambda _: None,
    media: bool = False,
    view: type[msgspec.Struct] | None = None,
    show: Show | None = None,
    feature: Feature | None = None,
) -> Routes:
    """Declare a plain resource over `rows`; more routes may be added to what it returns.

    Args:
        prefix: its path.
        rows: its table.
        noun: its name in events (`company-{id}-…` by the wire table) and in path parameters.
        missing: the family's code for a row that is not there.
        plural: the key of the rows in a page, exactly as clients read it.
        only: which of the six endpoints there are.
        read: who may read.
        write: who may write.
        needs: texts that a new row must have, and that no change may empty.
        fixed: fields that clients do not write, besides keys and times.
        filters: query parameters (wire name to type) that name a column to be equal.
        secret: text fields sealed at rest and shown masked.
        narrow: conditions under which the caller sees a row, from the noun's storage module.
        narrow_writes: conditions besides under which the caller may change or delete one.
        stamp: values that the server sets on a new row.
        check: raises Invalid for values that do not fit together.
        media: whether a file may be attached (`media_path`, `media_name`).
        view: what is shown of a row when that is more than the row.
        show: builds the views of some rows, reading from the given transaction or database.
        feature: the plan's switch without which nothing is added or changed.
    """
    if ("company_id" in rows.table.c) == (noun in INSTALLATION_NOUNS):
        message = f"{noun}: rows without a company are those of INSTALLATION_NOUNS, and only those"
        raise ValueError(message)
    routes = Routes(prefix, tag=prefix.strip("/"), guard=read, missing=missing, feature=feature)
    resource = _Resource(
        rows, noun, tuple(needs), tuple(secret), narrow, narrow_writes, stamp, check, show
    )
    hidden = {*FIXED, *fixed, *(("media_path", "media_name") if media else ())}
    body = body_of(rows.record, hidden)
    shown = view or rows.record
    query = _query_of(rows.record, filters or {})
    paged = msgspec.defstruct(
        f"{rows.record.__name__}Page",
        [
            ("rows", GenericList[shown], msgspec.field(name=plural)),
            ("count", int),
            ("has_more", bool, msgspec.field(name="hasMore")),
        ],
        kw_only=True,
    )
    words = noun.replace("_", " ")
    key = f"{noun}_id"
    one = {key: int}
    declared: dict[str, tuple[str, str, Any, dict[str, Any], str]] = {
        "page": ("GET", "", resource.page(paged), {"query": query, "return": paged}, "List a page"),
        "list": ("GET", "/list", resource.all_of, {"return": GenericList[shown]}, "List every"),
        "show": ("GET", f"/{{{key}}}", resource.one, one | {"return": shown}, "Show one"),
        "create": ("POST", "", resource.create, {"body": body, "return": shown}, "Add a"),
        "change": (
            "PUT",
            f"/{{{key}}}",
            resource.change,
            one | {"body": body, "return": shown},
            "Change a",
        ),
        "delete": ("DELETE", f"/{{{key}}}", resource.delete, one | {"return": Done}, "Delete a"),
    }
    for name in only:
        method, path, work, hints, verb = declared[name]
        guard = read if method == "GET" else write
        _enter(routes, method, path, work, name, hints, f"{verb} {words}.", guard)
    if media:
        place = f"/{{{key}}}/media-upload"
        taking = one | {"uploads": tuple[Upload, ...], "return": Done}
        give, take = resource.attach, resource.detach
        _enter(routes, "POST", place, give, "attach", taking, f"Attach a file to a {words}.", write)
        gone = one | {"return": Done}
        _enter(routes, "DELETE", place, take, "detach", gone, f"Take a {words}'s file off.", write)
    return routes


GenericList: Any = list
"""`list` for element types that are known only when the server starts."""


def body_of(record: type[msgspec.Struct], hidden: set[str]) -> type[msgspec.Struct]:
    """What a client may write of a record: its fields under their wire names, all optional."""
    fields: list[tuple[str, Any, Any]] = []
    for item in msgspec.structs.fields(record):
        if item.name in hidden:
            continue
        hint = _writable(item.type)
        default = msgspec.field(name=item.encode_name, default=UNSET)
        fields.append((item.name, hint | UnsetType, default))
    return msgspec.defstruct(f"{record.__name__}Body", fields, kw_only=True)


def _writable(hint: Any) -> Any:
    """Times and amounts come as text in several spellings; everything else as what it is."""
    text: Any = Short
    if is_moment(hint):
        return text | None
    return text if hint is Decimal else bounded(hint)


def _query_of(record: type[msgspec.Struct], filters: Mapping[str, Any]) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any, Any]] = [
        ("search_param", Short, ""),
        ("page_number", Page, 1),
    ]
    fields += [(name, bounded(hint) | None, None) for name, hint in filters.items()]
    names = {item.name: item.encode_name for item in msgspec.structs.fields(record)}
    return msgspec.defstruct(
        f"{record.__name__}Query",
        fields,
        kw_only=True,
        rename=lambda name: names.get(name) or _WORDS[name],
    )


_WORDS = {"search_param": "searchParam", "page_number": "pageNumber"}


def _enter(
    routes: Routes,
    method: str,
    path: str,
    work: Callable[..., Awaitable[Any]],
    name: str,
    hints: dict[str, Any],
    summary: str,
    guard: Guard,
) -> None:
    """Declare `work` with the signature that these hints spell."""
    ids = [key for key in hints if key not in ("body", "query", "uploads", "return")]

    async def handler(ctx: Ctx, **given: Any) -> Any:
        return await work(ctx, *(given.pop(key) for key in ids), **given)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = ["ctx", *(key for key in hints if key != "return")]
    handler.__annotations__ = {"ctx": Ctx} | hints
    handler.__name__ = handler.__qualname__ = name
    handler.__module__ = f"api.resources.{routes.tag.replace('-', '_').replace('/', '_')}"
    handler.__doc__ = summary
    signature = inspect.Signature([inspect.Parameter(item, kind) for item in names])
    vars(handler)["__signature__"] = signature
    routes.route(method, path, guard=guard, files=1)(handler)


class _Resource:
    """The work behind the endpoints of one plain resource."""

    def __init__(
        self,
        rows: Repo[Any],
        noun: str,
        needs: tuple[str, ...],
        secret: tuple[str, ...],
        narrow: Callable[[Ctx], tuple[Any, ...]],
        narrow_writes: Callable[[Ctx], tuple[Any, ...]],
        stamp: Callable[[Ctx], Values],
        check: Callable[[Values], None],
        show: Show | None,
    ) -> None:
        self._rows = rows
        self._noun = noun
        self._needs = needs
        self._sealing = Sealing(noun, secret)
        self._narrow = narrow
        self._narrow_writes = narrow_writes
        self._stamp = stamp
        self._check = check
        self._show = show or self._shown

    def page(self, envelope: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        async def page(ctx: Ctx, query: Any) -> Any:
            given = msgspec.structs.asdict(query)
            text, number = given.pop("search_param").strip(), given.pop("page_number")
            wanted = (*self._rows.matching(text, given), *self._narrow(ctx))
            found, count = await self._rows.page(
                ctx.parts.database, ctx.company_id, *wanted, number=number, size=SIZE
            )
            more = count > (number - 1) * SIZE + len(found)
            return envelope(
                rows=await self._show(ctx, ctx.parts.database, found), count=count, has_more=more
            )

        return page

    async def all_of(self, ctx: Ctx) -> Any:
        wanted = self._narrow(ctx)
        database = ctx.parts.database
        return await self._show(
            ctx, database, await self._rows.where(database, ctx.company_id, *wanted)
        )

    async def one(self, ctx: Ctx, row_id: int) -> Any:
        return (await self._show(ctx, ctx.parts.database, [await self._own(ctx, row_id)]))[0]

    async def create(self, ctx: Ctx, body: Any) -> Any:
        values = await self._values(ctx, body)
        for name in self._needs:
            if name not in values:
                raise Invalid(Detail(f"$.{_wire(body, name)}", "missing"))
        values |= self._stamp(ctx)
        async with ctx.parts.database.begin(ctx.company_id) as tx:
            made = await self._rows.insert(tx, ctx.company_id, **values)
            (shown,) = await self._show(ctx, tx, [made])
            tx.publish(self._event(ctx.company_id, "create", made.id, shown))
            ctx.settle(tx, shown)
        return shown

    async def change(self, ctx: Ctx, row_id: int, body: Any) -> Any:
        return await self._write(ctx, row_id, await self._values(ctx, body))

    async def delete(self, ctx: Ctx, row_id: int) -> Done:
        await self._writable(ctx, row_id)
        async with ctx.parts.database.begin(ctx.company_id) as tx:
            await self._rows.delete(tx, ctx.company_id, row_id)
            tx.publish(self._event(ctx.company_id, "delete", row_id, None))
        return Done(f"{self._noun.replace('_', ' ').capitalize()} deleted")

    async def attach(self, ctx: Ctx, row_id: int, uploads: tuple[Upload, ...]) -> Done:
        await self._writable(ctx, row_id)
        done = Done("File attached")
        await self._write(ctx, row_id, await stored(ctx, uploads), done)
        return done

    async def detach(self, ctx: Ctx, row_id: int) -> Done:
        await self._write(ctx, row_id, {"media_path": None, "media_name": None})
        return Done("File deleted")

    async def _write(
        self, ctx: Ctx, row_id: int, values: Values, answer: Done | None = None
    ) -> Any:
        await self._writable(ctx, row_id)
        await ctx.snapshot()
        async with ctx.parts.database.begin(ctx.company_id) as tx:
            changed = await self._rows.change(tx, ctx.company_id, row_id, values)
            (shown,) = await self._show(ctx, tx, [changed])
            tx.publish(self._event(ctx.company_id, "update", row_id, shown))
            ctx.settle(tx, answer or shown)
        return shown

    async def _writable(self, ctx: Ctx, row_id: int) -> None:
        """Raises NotFound for a row that the caller does not see, Forbidden for one only seen."""
        await self._own(ctx, row_id)
        if wanted := self._narrow_writes(ctx):
            wanted += self._rows.matching(equal={"id": row_id})
            if not await self._rows.where(ctx.parts.database, ctx.company_id, *wanted):
                raise Forbidden

    async def _own(self, ctx: Ctx, row_id: int) -> Any:
        """The row, if the caller may see it. Raises NotFound."""
        wanted = (*self._rows.matching(equal={"id": row_id}), *self._narrow(ctx))
        found = await self._rows.where(ctx.parts.database, ctx.company_id, *wanted)
        if not found:
            raise NotFound
        return found[0]

    async def _values(self, ctx: Ctx, body: Any) -> Values:
        given = {name: value for name, value in msgspec.structs.asdict(body).items()}
        values = {name: value for name, value in given.items() if value is not UNSET}
        for name in self._needs:
            if name in values and not str(values[name] or "").strip():
                raise Invalid(Detail(f"$.{_wire(body, name)}", "empty"))
        self._check(values)
        snapshot = await ctx.snapshot()
        values = moments(self._rows.record, values, snapshot.zone)
        return self._sealing.sealed(ctx.parts.box, ctx.company_id, values)

    async def _shown(self, ctx: Ctx, _: Statements, found: Sequence[Any]) -> Sequence[Any]:
        snapshot = await ctx.snapshot()
        return [
            self._sealing.masked(ctx.parts.box, ctx.company_id, with_file(row, snapshot.urls.file))
            for row in found
        ]

    def _event(self, company_id: CompanyId, action: str, row_id: int, shown: Any) -> RecordChanged:
        return RecordChanged(
            company_id=company_id, noun=self._noun, action=action, record_id=row_id, record=shown
        )


def with_file(row: Any, address: Callable[[CompanyId, str | None], str | None]) -> Any:
    """The row with its file's place made an address."""
    path = getattr(row, "media_path", None)
    if not path:
        return row
    return msgspec.structs.replace(row, media_path=address(row.company_id, path))


def _wire(body: msgspec.Struct, name: str) -> str:
    return next(f.encode_name for f in msgspec.structs.fields(body) if f.name == name)
