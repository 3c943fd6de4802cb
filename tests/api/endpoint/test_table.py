"""Paths are matched as the family's clients write them."""

import pytest

from api.endpoint.context import PublicCtx
from api.endpoint.declaration import Routes
from api.endpoint.guards import public
from api.endpoint.table import RouteTable
from storage.ids import TicketId

routes = Routes("/tickets", tag="t", guard=public)


@routes.get()
async def listed(ctx: PublicCtx) -> None: ...


@routes.get("/{ticket_id}")
async def shown(ctx: PublicCtx, ticket_id: TicketId) -> None: ...


@routes.put("/{ticket_id}")
async def changed(ctx: PublicCtx, ticket_id: TicketId) -> None: ...


@routes.get("/u/{uuid}")
async def by_uuid(ctx: PublicCtx, uuid: str) -> None: ...


@routes.post("/closeAll")
async def close_all(ctx: PublicCtx) -> None: ...


table = RouteTable(routes)


def handlers(path: str) -> dict[str, str]:
    found = table.find(path)
    return {} if found is None else {m: e.handler.__name__ for m, e in found[0].items()}


@pytest.mark.parametrize("path", ["/tickets", "/tickets/", "/Tickets", "tickets", "//tickets//"])
def test_case_and_slashes_do_not_matter(path: str):
    assert handlers(path) == {"GET": "listed"}


def test_fixed_segments_win_over_parameters():
    assert handlers("/tickets/closeall") == {"POST": "close_all"}
    assert handlers("/tickets/7") == {"GET": "shown", "PUT": "changed"}


def test_parameters_keep_their_case():
    found = table.find("/TICKETS/U/AbC")
    assert found is not None
    assert found[1] == ["AbC"]


def test_a_fixed_segment_that_leads_nowhere_gives_way_to_the_parameter():
    assert table.find("/tickets/u") is not None
    assert handlers("/tickets/u") == {"GET": "shown", "PUT": "changed"}


@pytest.mark.parametrize("path", ["/", "/ticket", "/tickets/7/8/9", "/tickets/u/1/2"])
def test_unknown_paths_are_unknown(path: str):
    assert table.find(path) is None


def test_one_method_and_path_cannot_be_declared_twice():
    with pytest.raises(ValueError, match="declared twice"):
        RouteTable([*routes, *routes])
