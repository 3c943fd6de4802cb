"""kill -9 of the serving process: what was acknowledged is there, once and in order."""

import random
import signal
from pathlib import Path

import pytest
import trio

from storage.embedded import EmbeddedPostgres
from storage.migrate import upgrade
from tests.proofs.conftest import Report
from tests.proofs.proof import Proof, open_proof
from tests.proofs.world import Company, found

KILLS = 20


async def killed_at_random(proof: Proof, kills: int, seed: int) -> None:
    rng = random.Random(seed)

    async def hurt() -> None:
        for _ in range(kills):
            await trio.sleep(rng.uniform(0.3, 3.0))
            await proof.kill_and_restart()
        await trio.sleep(1.0)

    await proof.begin()
    await proof.under_load(hurt)


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
