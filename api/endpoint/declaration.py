"""An endpoint is a signature: what it takes, what it returns and who may ask, read once.

    routes = Routes("/tickets", tag="tickets", missing="ERR_NO_TICKET_FOUND")

    @routes.put("/{ticket_id}")
    async def update(ctx: Ctx, ticket_id: TicketId, body: TicketChange) -> TicketView: ...

From such a declaration come the route, the decoding, the OpenAPI document and generated tests.
A signature that cannot be served (an unknown parameter, an unbounded number) fails at import.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect as types

from api.endpoint.context import Ctx, PublicCtx
from api.endpoint.decoding import Decoder, Lenient, Strict
from api.endpoint.forms import MOST_FILES
from api.endpoint.guards import Guard, user
from api.endpoint.patches import Named, Patching
from api.errors import Missing
from api.http_types import Reply, Upload
from storage.plans import Feature, Limit

Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)
Converter = Callable[[str], Any]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One declared route; everything a transport, a document or a test wants to know of it.

    `noun` is what it is about: its handler's module, or what its routes say. `audited` is for a GET that changes something all the same; other methods always are.
    What it asks of the caller's plan: `feature` names the switch that must be on, `paid` that the
    company is not past its due date, `limit` what it adds one to (storage keeps that limit, in the
    transaction that adds). `lacks` is what an installation may be without; it then answers 501.
    `files` is how many uploads it takes at most.
    `repeatable` is a POST of several commits that, done again, does what is missing and changes
    nothing else: none of them takes the idempotency key with it.
    `says` are statuses with a fixed text in place of the error body, for clients that look for it.
    """

    method: str
    path: str
    handler: Handler
    guard: Guard
    tag: str
    noun: str
    status: int = 200
    missing: str | None = None
    deadline: float | None = None
    strict: bool = False
    built: bool = True
    audited: bool = False
    body_limit: int | None = None
    feature: Feature | None = None
    paid: bool = False
    limit: Limit | None = None
    lacks: str = ""
    repeatable: bool = False
    says: tuple[tuple[int, str], ...] = ()
    params: tuple[tuple[str, Converter], ...] = ()
    body_type: Any = None
    query_type: Any = None
    returns: Any = None
    uploads: bool = False
    files: int = MOST_FILES
    body: Decoder[Any] | None = field(default=None, repr=False)
    query: Decoder[Any] | None = field(default=None, repr=False)

    @cached_property
    def name(self) -> str:
        """A stable name: the noun and the handler's name."""
        return f"{self.noun}.{self.handler.__name__}"

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[0]


class Routes:
    """The endpoints of one noun, collected by decorators in the order of their declaration."""

    def __init__(
        self,
        prefix: str = "",
        *,
        tag: str,
        noun: str | None = None,
        guard: Guard = user,
        missing: str | None = None,
        strict: bool = False,
        feature: Feature | None = None,
        paid: bool = False,
    ) -> None:
        """Declare what the endpoints have in common.

        `noun` names handlers of other modules anew, when they are declared a second time. `missing`
        is the family's code for a row of this noun that is not there. `feature` binds
        what adds and changes, and all that programs ask: people of a company that gave a
        feature up may still read and delete.
        """
        self._prefix = prefix
        self.tag = self._tag = tag
        self._noun = noun
        self._guard = guard
        self._missing = missing
        self._strict = strict
        self._feature = feature
        self._paid = paid
        self._endpoints: list[Endpoint] = []

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._endpoints)

    def get(self, path: str = "", **options: Any) -> Callable[[H], H]:
        """Declare a read."""
        return self.route("GET", path, **options)

    def post(self, path: str = "", **options: Any) -> Callable[[H], H]:
        """Declare a POST; an Idempotency-Key is honoured on every one of them."""
        return self.route("POST", path, **options)

    def put(self, path: str = "", **options: Any) -> Callable[[H], H]:
        """Declare a PUT."""
        return self.route("PUT", path, **options)

    def delete(self, path: str = "", **options: Any) -> Callable[[H], H]:
        """Declare a DELETE."""
        return self.route("DELETE", path, **options)

    def route(self, method: str, path: str, **options: Any) -> Callable[[H], H]:
        """Declare an endpoint; options are Endpoint's fields (guard, status, deadline, strict…)."""

        def register(handler: H) -> H:
            asks: Guard = options.get("guard", self._guard)
            bound = method in ("POST", "PUT") or asks.scope
            settings = {
                "guard": self._guard,
                "noun": self._noun or handler.__module__.rpartition(".")[2],
                "missing": self._missing,
                "strict": self._strict,
                "feature": self._feature if bound else None,
                "paid": self._paid,
                "tag": self._tag,
            } | options
            self._endpoints.append(declare(method, self._prefix + path, handler, **settings))
            return handler

        return register


def declare(method: str, path: str, handler: Handler, **settings: Any) -> Endpoint:
    """Read `handler`'s signature into an Endpoint; raises TypeError for what cannot be served."""
    hints = get_type_hints(handler, include_extras=True)
    returns = hints.pop("return", None)
    names = list(inspect.signature(handler).parameters)
    where = f"{handler.__module__}.{handler.__qualname__}"
    wanted = PublicCtx if settings["guard"].public else Ctx
    if not names or hints.get(names[0]) is not wanted:
        message = f"{where}: the first parameter must be ctx: {wanted.__name__}"
        raise TypeError(message)
    template = path_names(path)
    taken = {"body", "query", "uploads", *template, names[0]}
    if unknown := [name for name in names if name not in taken]:
        message = f"{where}: {unknown[0]} is neither in the path nor body, query or uploads"
        raise TypeError(message)
    for kind in ("body", "query"):
        if kind in hints:
            struct, decoder = _decoder(hints[kind], where, strict=settings["strict"])
            settings |= {f"{kind}_type": struct, kind: decoder}
    if "uploads" in hints and hints["uploads"] != tuple[Upload, ...]:
        message = f"{where}: uploads must be tuple[Upload, ...]"
        raise TypeError(message)
    return Endpoint(
        method=method,
        path=path,
        handler=handler,
        params=tuple((name, _converter(hints[name], where)) for name in template),
        returns=_unwrapped(returns),
        uploads="uploads" in hints,
        **settings,
    )


def _decoder(hint: Any, where: str, *, strict: bool) -> tuple[Any, Decoder[Any]]:
    """The wire Struct of a body or query, and what decodes it."""
    struct, named = hint, None
    if get_origin(hint) is Annotated:
        struct, named = get_args(hint)[:2]
    wire = named.struct(struct) if isinstance(named, Named) else struct
    _check_bounded(wire, where)
    decoder: Decoder[Any] = Strict(wire) if strict else Lenient(wire)
    return wire, decoder if named is None else Patching(decoder, struct)


def path_names(path: str) -> tuple[str, ...]:
    """The parameter names of a path template, in order."""
    return tuple(part[1:-1] for part in path.split("/") if part[:1] == "{")


def _unwrapped(returns: Any) -> Any:
    return get_args(returns)[0] if get_origin(returns) is Reply else returns


def _converter(hint: Any, where: str) -> Converter:
    base = hint
    while hasattr(base, "__supertype__"):
        base = base.__supertype__
    if base is int:
        return to_id
    if base is str:
        return to_text
    message = f"{where}: a path parameter is an id or text, not {hint!r}"
    raise TypeError(message)


def to_id(text: str) -> int:
    """A path segment as an id; what no id looks like names no row (404)."""
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text)
    raise Missing


def to_text(text: str) -> str:
    """A path segment as text."""
    if "\x00" in text or len(text) > 512:
        raise Missing
    return text


def _check_bounded(struct: type[msgspec.Struct], where: str) -> None:
    """A number without bounds would reach Postgres and fail there: refuse it at import."""
    node = types.type_info(struct)
    if not isinstance(node, types.StructType):
        message = f"{where}: body and query are Structs"
        raise TypeError(message)
    for struct_field in node.fields:
        for leaf in _leaves(struct_field.type):
            if isinstance(leaf, types.IntType) and leaf.le is None:
                message = f"{where}: {struct.__name__}.{struct_field.name} needs bounds (Int, Id)"
                raise TypeError(message)


def _leaves(node: types.Type) -> Iterator[types.Type]:
    if isinstance(node, types.Metadata):
        yield from _leaves(node.type)
    elif isinstance(node, types.UnionType):
        for member in node.types:
            yield from _leaves(member)
    elif isinstance(node, types.ListType | types.VarTupleType):
        yield from _leaves(node.item_type)
    elif isinstance(node, types.StructType):
        for struct_field in node.fields:
            yield from _leaves(struct_field.type)
    else:
        yield node
