"""Two servers, one database: one of them serves, and the other one knows it."""

import signal
from pathlib import Path

import pytest
import trio

from tests.proofs.conftest import Report
from tests.proofs.processes import served
from tests.proofs.proof import open_proof


@pytest.mark.prove
async def test_a_second_server_refuses_to_start_and_names_the_first(dsn: str, folder: Path) -> None:
    async with open_proof(folder, dsn) as proof:
        first = proof.server.start()
        await proof.server.ready()
        with served(folder, proof.graph.url, dsn) as second:
            assert await second.start().ended() == 1
            assert f"pid {first.pid}" in second.said()
        await proof.load.say_once(proof.load.companies[0], "49176000001")
        assert await proof.server.stop() == 0


@pytest.mark.prove
async def test_a_paused_owner_writes_nothing_after_a_takeover(
    dsn: str, folder: Path, report: Report
) -> None:
    """It wakes up with requests at hand and batches half done, and ends by itself."""
    async with open_proof(folder, dsn) as proof:
        await proof.begin(hooks=False)
        old = proof.server.program
        assert old is not None

        with served(folder, proof.graph.url, dsn) as heir:

            async def hurt() -> None:
                await trio.sleep(1.0)
                begun = trio.current_time()
                old.send(signal.SIGSTOP)
                proof.load.paused.add(proof.server.port)
                await trio.sleep(1.0)
                heir.start("--take-over")
                await heir.ready()
                epochs = await proof.look.value("SELECT max(epoch) FROM shards")
                proof.load.move(heir.port)
                await proof.load.say_once(proof.load.companies[0], "49176000001")
                proof.recoveries.append(trio.current_time() - begun)
                old.send(signal.SIGCONT)
                await old.ended()
                await trio.sleep(1.0)
                assert await proof.look.value("SELECT max(epoch) FROM shards") == epochs

            await proof.under_load(hurt)
            wrong = await proof.verdict()
            report(proof.figures())
            assert wrong == []
            owners = await proof.look.rows("SELECT DISTINCT owner FROM shards")
            assert [row[0].split("pid ")[1] for row in owners] == [str(heir.program.pid)]  # type: ignore[union-attr]
