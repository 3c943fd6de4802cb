"""All the harm of the long proofs once, in one life: what `make test` has time for."""

import os
import random
import signal
from pathlib import Path

import trio

from tests.proofs.conftest import Report
from tests.proofs.processes import served
from tests.proofs.proof import open_proof
from tests.proofs.test_postgres import hurt_postgres
from tests.storage.wire_proxy import At, WireProxy, open_proxy


def cut_some(proxy: WireProxy, cuts: int) -> trio.Event:
    """Cut connections at COMMIT; the event is set after that many."""
    rng = random.Random(8)
    left = cuts
    done = trio.Event()

    def decide(_: int) -> At:
        nonlocal left
        if not left:
            done.set()
        if not left or rng.random() > 0.2:
            return At.PASS
        left -= 1
        return rng.choice([At.CUT_AFTER, At.CUT_REPLY, At.CUT_BEFORE])

    proxy.decide = decide
    return done


async def test_one_life_with_every_harm(folder: Path, report: Report) -> None:
    async with (
        hurt_postgres(folder) as postgres,
        open_proxy(postgres.dsn) as proxy,
        open_proof(folder, postgres.dsn, server_dsn=proxy.dsn) as proof,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(postgres.supervise)
        await proof.begin(hooks=False)
        with served(folder, proof.graph.url, proxy.dsn) as heir:

            async def hurt() -> None:
                with trio.fail_after(60):
                    await cut_some(proxy, 4).wait()
                assert postgres.pid is not None
                os.kill(postgres.pid, signal.SIGQUIT)
                await proof.load.fates.next_success()
                await proof.die_at("send.replied:2:kill")
                await proof.kill_and_restart()
                await proof.stop_and_restart()
                old = proof.server.program
                assert old is not None
                assert await heir.start().ended() == 1
                assert f"pid {old.pid}" in heir.said()
                old.send(signal.SIGSTOP)
                proof.load.paused.add(proof.server.port)
                heir.start("--take-over")
                await heir.ready()
                proof.load.move(heir.port)
                await proof.load.fates.next_success()
                old.send(signal.SIGCONT)
                await old.ended()

            await proof.under_load(hurt, rate=60.0, replies=10.0, settle=False)
            assert await proof.verdict() == [], proof.figures()
            report(proof.figures())
        nursery.cancel_scope.cancel()
