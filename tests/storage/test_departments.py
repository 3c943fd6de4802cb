"""Departments: in menu order, named and coloured once per company."""

import pytest

from storage import departments
from storage.database import Database
from storage.departments import DepartmentPatch
from storage.errors import NotFound, UniqueViolation
from tests.storage.world import found


@pytest.mark.parametrize(
    ("new", "constraint"),
    [
        (DepartmentPatch(name="Support", color="#0"), "uq_departments_company_id_name"),
        (DepartmentPatch(name="Other", color="#112233"), "uq_departments_company_id_color"),
    ],
)
async def test_a_taken_name_or_colour_is_refused(
    database: Database, new: DepartmentPatch, constraint: str
) -> None:
    place = await found(database, "one")
    async with database.begin(place.company_id) as tx:
        with pytest.raises(UniqueViolation) as refused:
            await departments.create(tx, place.company_id, new)
    assert refused.value.constraint == constraint


async def test_a_change_that_is_rolled_back_leaves_nothing(database: Database) -> None:
    place = await found(database, "one")
    with pytest.raises(NotFound):  # noqa: PT012 - the transaction is what is tested
        async with database.begin(place.company_id) as tx:
            patch = DepartmentPatch(name="Renamed", schedules=[{"weekdayEn": "monday"}])
            changed = await departments.change(tx, place.company_id, place.department_id, patch)
            assert changed.schedules == [{"weekdayEn": "monday"}]
            raise NotFound
    row = await departments.get(database, place.company_id, place.department_id)
    assert (row.name, row.schedules) == ("Support", None)
