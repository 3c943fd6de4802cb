"""A process that owns the database is killed at every fault point of its writer, and succeeded."""

import sys
from pathlib import Path

import pytest
import trio

from storage import faults
from storage.database import open_database
from tests.storage.writer_kit import adding, number_from, open_rig, prepare

ROOT = Path(__file__).resolve().parents[2]
POINTS = sorted(point for point in faults.POINTS if point.startswith("writer."))


async def _die(dsn: str, fault: str, prefix: str) -> set[str]:
    """Run the doomed program to its end; returns the keys it acknowledged."""
    command = [sys.executable, "-m", "tests.storage.doomed", dsn, fault, prefix]
    ended = await trio.run_process(
        command, capture_stdout=True, capture_stderr=True, check=False, cwd=ROOT
    )
    assert ended.returncode == -9, ended.stderr.decode()
    return set(ended.stdout.decode().split())


async def _kill_and_compare(dsn: str, point: str, kills: int) -> None:
    async with open_database(dsn, pool=1) as database:
        await prepare(database, dsn)
    acknowledged: set[str] = set()
    for n in range(kills):
        acknowledged |= await _die(dsn, f"{point}:{3 + 2 * n}:kill", f"{point}.{n}")
    async with open_rig(dsn, prepared=True) as rig:
        highest = await rig.sql("SELECT max(id) FROM things")
        number_from(highest[0][0] + 1)
        await rig.writer.save(adding("successor"))
        stored = [key for (key,) in await rig.sql("SELECT key FROM things")]
        assert acknowledged <= set(stored)
        assert len(stored) == len(set(stored))
        await rig.check_streams()
        assert set(rig.owner.epochs.values()) == {kills + 1}


async def test_a_killed_owner_is_succeeded_at_once_and_has_lost_nothing(dsn: str) -> None:
    await _kill_and_compare(dsn, "writer.commit_sent", 1)


@pytest.mark.prove
@pytest.mark.parametrize("half", [1, 2])
@pytest.mark.parametrize("point", POINTS)
async def test_twenty_kills_at_each_point_lose_nothing_acknowledged(
    dsn: str, point: str, half: int
) -> None:
    del half  # two tests of ten kills each stay below the time limit of one
    await _kill_and_compare(dsn, point, 10)


@pytest.mark.parametrize(
    "bad", ["nowhere:1:kill", "writer.taken:0:kill", "writer.taken:1:explode", "x"]
)
def test_a_fault_that_does_not_exist_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="fault"):
        faults.arm(bad)


def test_an_armed_fault_strikes_once_at_its_pass() -> None:
    faults.arm("http.before_200:2:raise,send.marked:1:cut")
    cut: list[str] = []
    faults.hit("http.before_200")
    with pytest.raises(faults.FaultInjected):
        faults.hit("http.before_200")
    faults.hit("http.before_200")
    for _ in range(2):
        faults.hit("send.marked", cut=lambda: cut.append("cut"))
    assert cut == ["cut"]
    faults.arm("actor.loaded:1:raise")
    faults.disarm()
    faults.hit("actor.loaded")


@pytest.mark.parametrize("action", ["raise", "cut"])
@pytest.mark.parametrize(
    "point", [p for p in POINTS if p not in ("writer.acked", "writer.published")]
)
async def test_a_fault_that_spares_the_process_costs_nobody_a_unit(
    dsn: str, point: str, action: str
) -> None:
    async with open_rig(dsn) as rig:
        faults.arm(f"{point}:2:{action}")
        try:
            for n in range(4):
                await rig.writer.save(adding(f"{n}"))
        finally:
            faults.disarm()
        assert [key for _, key in await rig.keys()] == ["0", "1", "2", "3"]
        await rig.check_streams()
        assert [seq for seq, _ in rig.published] == [1, 2, 3, 4]
