"""kill -9 of the serving process: what was acknowledged is there, once and in order."""

import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from storage.embedded import EmbeddedPostgres
from storage.faults import POINTS
from storage.migrate import upgrade
from tests.proofs.conftest import Report
from tests.proofs.proof import Proof, open_proof
from tests.proofs.world import Company, found

KILLS = int(os.environ.get("CHATIA_KILLS", "20"))
"""Kills of a long proof, per kind."""


# Fault points, and up to which of its passes the kill may wait.
PASSES = {
    "writer.taken": 40,
    "writer.fenced": 40,
    "writer.claimed": 40,
    "writer.before_commit": 40,
    "writer.commit_sent": 40,
    "writer.commit_replied": 40,
    "writer.acked": 40,
    "writer.published": 40,
    "http.worked": 20,
    "http.before_200": 150,
    "send.before_mark": 12,
    "send.marked": 12,
    "send.written": 12,
    "send.replied": 12,
    "send.before_sent_commit": 12,
    "actor.loaded": 30,
    "actor.decided": 100,
    "takeover.bumped": 1,
}


async def killed_at(proof: Proof, points: Sequence[str], seed: int) -> None:
    rng = random.Random(seed)

    async def hurt() -> None:
        for point in points:
            await proof.die_at(f"{point}:{rng.randint(1, PASSES[point])}:kill")
        await proof.kill_and_restart()
        await trio.sleep(1.0)

    await proof.begin()
    await proof.under_load(hurt)


async def killed_at_random(proof: Proof, kills: int, seed: int) -> None:
    rng = random.Random(seed)

    async def hurt() -> None:
        for _ in range(kills):
            await trio.sleep(rng.uniform(0.3, 3.0))
            await proof.kill_and_restart()
        await trio.sleep(1.0)

    await proof.begin()
    await proof.under_load(hurt)


def test_every_fault_point_is_proven() -> None:
    assert PASSES.keys() == POINTS


@pytest.mark.prove
@pytest.mark.parametrize("point", PASSES)
async def test_kills_at_a_point_lose_and_double_nothing(
    point: str, dsn: str, folder: Path, report: Report
) -> None:
    async with open_proof(folder, dsn) as proof:
        await killed_at(proof, [point] * KILLS, seed=4)
        wrong = await proof.verdict()
        report(proof.figures())
        assert wrong == []


@pytest.mark.prove
async def test_kills_where_it_hurts_most(dsn: str, folder: Path, report: Report) -> None:
    async with open_proof(folder, dsn) as proof:
        await killed_at(proof, ["writer.commit_sent", "send.written"], seed=5)
        assert await proof.verdict() == [], proof.figures()
        report(proof.figures())


@pytest.mark.prove
async def test_two_kills_lose_and_double_nothing(dsn: str, folder: Path, report: Report) -> None:
    async with open_proof(folder, dsn) as proof:
        await killed_at_random(proof, 2, seed=2)
        assert await proof.verdict() == [], proof.figures()
        report(proof.figures())


@pytest.mark.prove
async def test_twenty_kills_lose_and_double_nothing(dsn: str, folder: Path, report: Report) -> None:
    async with open_proof(folder, dsn) as proof:
        await killed_at_random(proof, KILLS, seed=1)
        wrong = await proof.verdict()
        report(proof.figures())
        assert wrong == []
        assert proof.back_soon(), proof.figures()


@pytest.mark.prove
async def test_twenty_stops_under_load_leave_nothing_in_doubt(
    dsn: str, folder: Path, report: Report
) -> None:
    """SIGTERM drains: what was begun is ended, and no send is left unknown."""
    rng = random.Random(6)
    async with open_proof(folder, dsn) as proof:

        async def hurt() -> None:
            for _ in range(KILLS):
                await trio.sleep(rng.uniform(0.3, 3.0))
                await proof.stop_and_restart()
            await trio.sleep(1.0)

        await proof.begin()
        await proof.under_load(hurt)
        wrong = await proof.verdict()
        report(proof.figures())
        assert wrong == []
        assert proof.states.keys() <= {"sent"}


async def founded(folder: Path) -> tuple[str, list[Company]]:
    """A world in the Postgres that the server will run itself."""
    data = folder / "data"
    data.mkdir(mode=0o711)
    postgres = EmbeddedPostgres(data).start()
    try:
        await upgrade(postgres.dsn)
        return postgres.dsn, await found(postgres.dsn, folder)
    finally:
        postgres.stop()


@pytest.mark.prove
async def test_kills_of_the_server_with_its_own_postgres(folder: Path, report: Report) -> None:
    """The kernel ends that Postgres with the killed server; the next one starts its own."""
    dsn, companies = await founded(folder)
    async with open_proof(folder, dsn, companies=companies, server_dsn="") as proof:
        await killed_at_random(proof, KILLS, seed=3)
        wrong = await proof.verdict()
        report(proof.figures())
        assert await proof.server.stop() == 0
        assert wrong == []
        assert proof.back_soon(), proof.figures()


@pytest.mark.prove
async def test_a_server_that_starts_while_another_stops_serves(folder: Path) -> None:
    """Both have the same data folder; the second waits for the end of the first one's Postgres."""
    dsn, companies = await founded(folder)
    async with open_proof(folder, dsn, companies=companies, server_dsn="") as proof:
        proof.server.start()
        await proof.server.ready()
        await proof.load.say_once(companies[0], "49176000001")
        first = proof.server.program
        assert first is not None
        first.send(signal.SIGTERM)
        proof.server.start()
        assert await first.ended() == 0
        await proof.server.ready()
        await proof.load.say_once(companies[0], "49176000001")
        assert await proof.verdict() == [], proof.server.said()
        assert await proof.server.stop() == 0
