"""A patch record as a body: its fields under the wire names of a view, numbers and texts bounded.

    async def update(ctx: Ctx, body: Annotated[UserPatch, Named(UserView)]) -> UserView: ...

The names are those of the view that shows the same noun, so they are written once.
"""

from types import GenericAlias, UnionType
from typing import Any, Generic, NewType, TypeVar, Union, get_args, get_origin

import msgspec

from api.endpoint.decoding import Decoder, Form
from api.endpoint.fields import Id, Int, Text

T = TypeVar("T", bound=msgspec.Struct)


class Named:
    """Marks a body as a patch whose wire names are those of `view`.

    `hidden` fields are ignored when a client sends them; `names` adds or overrides wire names.
    """

    def __init__(
        self, view: type[msgspec.Struct], *, hidden: tuple[str, ...] = (), **names: str
    ) -> None:
        self._names = {f.name: f.encode_name for f in msgspec.structs.fields(view)} | names
        self._hidden = hidden

    def struct(self, patch: type[msgspec.Struct]) -> type[msgspec.Struct]:
        """The body's own Struct: `patch` with wire names and bounds."""
        fields: list[tuple[str, Any, Any]] = []
        for item in msgspec.structs.fields(patch):
            if item.name in self._hidden:
                continue
            default = msgspec.field(
                name=self._names.get(item.name) or _camel(item.name), default=item.default
            )
            fields.append((item.name, bounded(item.type), default))
        return msgspec.defstruct(f"{patch.__name__}Body", fields, kw_only=True)


class Patching(Generic[T]):
    """Decodes a wire Struct and hands it on as the patch it stands for."""

    def __init__(self, inner: Decoder[Any], patch: type[T]) -> None:
        self._inner = inner
        self._patch = patch

    def body(self, raw: bytes) -> T:
        """Decode a JSON body."""
        return self._patch(**msgspec.structs.asdict(self._inner.body(raw)))

    def fields(self, form: Form) -> T:
        """Decode a form's fields."""
        return self._patch(**msgspec.structs.asdict(self._inner.fields(form)))


def bounded(hint: Any) -> Any:
    """`hint` with Int, Id and Text in the places of int, id types and str."""
    if isinstance(hint, NewType):
        return Id
    if hint is int:
        return Int
    if hint is str:
        return Text
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return Union[tuple(bounded(member) for member in get_args(hint))]  # noqa: UP007 (computed)
    if origin in (list, tuple):
        members = tuple(m if m is ... else bounded(m) for m in get_args(hint))
        return GenericAlias(origin, members)
    return hint


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
