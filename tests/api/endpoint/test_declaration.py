"""A signature that cannot be served fails where it is declared."""

from typing import Annotated

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from api.endpoint import Ctx, Named, PublicCtx, Routes, public
from api.openapi import document
from storage.ids import TagId


class Tag(msgspec.Struct, rename="camel"):
    id: TagId
    lane_hours: int = msgspec.field(name="timeLane")


class TagPatch(msgspec.Struct):
    name: str | UnsetType = UNSET
    lane_hours: int | UnsetType = UNSET
    secret: str | UnsetType = UNSET
    next_lane_id: TagId | UnsetType | None = UNSET


class Unbounded(msgspec.Struct):
    count: int


def test_a_patch_takes_the_names_of_the_view_that_shows_it():
    routes = Routes("/tags", tag="tags")

    @routes.put("/{tag_id}")
    async def update(
        ctx: Ctx, tag_id: TagId, body: Annotated[TagPatch, Named(Tag, hidden=("secret",))]
    ) -> Tag: ...

    (endpoint,) = routes
    assert endpoint.body is not None
    raw = b'{"timeLane": "3", "laneHours": 9, "secret": "x", "nextLaneId": "", "id": 4}'
    assert endpoint.body.body(raw) == TagPatch(lane_hours=3, next_lane_id=None)
    described = document(routes, server_url="https://x", version="1")
    properties = described["components"]["schemas"]["TagPatchBody"]["properties"]
    assert set(properties) == {"name", "timeLane", "nextLaneId"}


def test_an_unbounded_number_is_refused():
    routes = Routes("/a", tag="a")

    async def count(ctx: Ctx, body: Unbounded) -> None: ...

    with pytest.raises(TypeError, match="needs bounds"):
        routes.post()(count)


def test_a_parameter_from_nowhere_is_refused():
    async def odd(ctx: Ctx, thing: str) -> None: ...

    with pytest.raises(TypeError, match="thing"):
        Routes("/a", tag="a").get()(odd)


def test_the_context_must_match_the_guard():
    async def open_to_all(ctx: Ctx) -> None: ...

    async def closed(ctx: PublicCtx) -> None: ...

    with pytest.raises(TypeError, match="PublicCtx"):
        Routes("/a", tag="a", guard=public).get()(open_to_all)
    with pytest.raises(TypeError, match="Ctx"):
        Routes("/a", tag="a").get()(closed)


def test_path_parameters_are_ids_or_text():
    async def odd(ctx: Ctx, key: float) -> None: ...

    with pytest.raises(TypeError, match="id or text"):
        Routes("/a", tag="a").get("/{key}")(odd)
