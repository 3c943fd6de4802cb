"""Who is online: written in the end, whatever kept it from being written at first."""

from typing import cast

import pytest
import trio
from trio.testing import MockClock

from actors.configuration import SnapshotCache
from api.presence import Presence
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.ids import CompanyId, UserId

COMPANY = CompanyId(1)
ANN, BOB = UserId(1), UserId(2)


class Written(Presence):
    """Writes into a list; `failures` come first, in turn."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__(cast("Database", None), cast("SnapshotCache", None))
        self.failures = list(failures)
        self.rows: list[tuple[UserId, bool]] = []

    async def _write(self, company_id: CompanyId, user_id: UserId, online: bool) -> None:
        await trio.sleep(0.01)
        if self.failures:
            raise self.failures.pop(0)
        self.rows.append((user_id, online))


async def written(presence: Written, *changes: tuple[UserId, bool], seconds: float = 60) -> None:
    """Let it run on these changes for a while."""
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(presence.run)
            for user_id, online in changes:
                presence.changed(COMPANY, user_id, online)


async def test_what_comes_and_goes_in_a_moment_is_written_once(autojump_clock: MockClock) -> None:
    presence = Written()
    await written(presence, (ANN, True), (BOB, True), (ANN, False), (ANN, True))
    assert presence.rows == [(ANN, True), (BOB, True)]


async def test_it_is_written_when_the_database_is_back(autojump_clock: MockClock) -> None:
    presence = Written(*[DatabaseUnavailable("away")] * 3)
    await written(presence, (ANN, True), (BOB, True))
    assert sorted(presence.rows) == [(ANN, True), (BOB, True)]


async def test_of_what_waits_for_the_database_the_newest_counts(autojump_clock: MockClock) -> None:
    presence = Written(DatabaseUnavailable("away", retry_after=10.0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(presence.run)
        presence.changed(COMPANY, ANN, True)
        await trio.sleep(5)
        presence.changed(COMPANY, ANN, False)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert presence.rows == [(ANN, False)]


async def test_a_defect_is_told_and_stops_nobody_else(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    presence = Written(ValueError("defect"))
    await written(presence, (ANN, True), (BOB, True))
    assert presence.rows == [(BOB, True)]
    assert "presence of user 1 not written" in caplog.text
