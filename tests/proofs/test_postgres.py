"""Postgres killed, away, or cut off in the middle of COMMIT, while the server is under load."""

import os
import random
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
import trio

from storage.database import open_database
from storage.embedded import EmbeddedPostgres
from storage.migrate import upgrade
from tests.proofs.conftest import Report
from tests.proofs.lines import Line, Lost, signed
from tests.proofs.load import text_body
from tests.proofs.proof import Proof, open_proof
from tests.storage.wire_proxy import At, open_proxy

CUTS = 100
LONG_OUTAGE = 6.0


@asynccontextmanager
async def hurt_postgres(folder: Path) -> AsyncGenerator[EmbeddedPostgres]:
    """A migrated Postgres of this test alone."""
    postgres = EmbeddedPostgres(folder / "hurt").start()
    try:
        await upgrade(postgres.dsn)
        yield postgres
    finally:
        postgres.stop(at_once=True)


async def killed_by_turns(proof: Proof, postgres: EmbeddedPostgres, times: int) -> None:
    """Its main process and single sessions, killed in turn; it is restarted at once."""
    rng = random.Random(6)
    for turn in range(times):
        await trio.sleep(rng.uniform(0.5, 2.0))
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGQUIT if turn % 2 else signal.SIGKILL)
        await proof.load.fates.next_success()


async def under_restarts(postgres: EmbeddedPostgres, folder: Path, times: int) -> Proof:
    async with open_proof(folder, postgres.dsn) as proof, trio.open_nursery() as nursery:
        nursery.start_soon(postgres.supervise)
        await proof.begin()

        async def hurt() -> None:
            await killed_by_turns(proof, postgres, times)
            await trio.sleep(1.0)

        await proof.under_load(hurt)
        assert await proof.verdict() == [], proof.figures()
        assert await crashed(proof) == {}
        nursery.cancel_scope.cancel()
    return proof


async def crashed(proof: Proof) -> dict[str, int]:
    """Kinds of actors that crashed, with how often, from the live tree."""
    line = Line(proof.server.port)
    token = proof.load.tokens[proof.load.companies[0].id]
    answer = await line.call("GET", "/supervisor", headers={"authorization": f"Bearer {token}"})
    await line.close()
    assert answer.status == 200, answer
    found: dict[str, int] = {}
    for kind in answer.json["kinds"]:  # type: ignore[index]
        if kind["crashes"]:
            found[kind["kind"]] = kind["crashes"]
    return found


@pytest.mark.prove
async def test_a_killed_postgres_is_latency(folder: Path, report: Report) -> None:
    async with hurt_postgres(folder) as postgres:
        proof = await under_restarts(postgres, folder, 1)
        report(proof.figures())


@pytest.mark.prove
async def test_ten_kills_of_postgres_under_load(folder: Path, report: Report) -> None:
    async with hurt_postgres(folder) as postgres:
        proof = await under_restarts(postgres, folder, 10)
        report(proof.figures())


async def long_outage(postgres: EmbeddedPostgres, proof: Proof) -> set[int]:
    """Take Postgres away for longer than anybody waits; returns what /health said meanwhile."""
    health: set[int] = set()
    await proof.begin()

    async def hurt() -> None:
        await trio.sleep(0.5)
        postgres.stop(at_once=True)
        line = Line(proof.server.port)
        with trio.move_on_after(LONG_OUTAGE):
            while True:
                health.add((await line.call("GET", "/health")).status)
                await trio.sleep(0.5)
        await line.close()
        postgres.start()
        await proof.load.fates.next_success()
        await trio.sleep(1.0)

    await proof.under_load(hurt)
    return health


@pytest.mark.prove
async def test_a_long_outage_is_503_and_ends_by_itself(folder: Path, report: Report) -> None:
    """Readiness is red meanwhile, everybody is told when to come back, and no actor dies of it."""
    async with hurt_postgres(folder) as postgres, open_proof(folder, postgres.dsn) as proof:
        health = await long_outage(postgres, proof)
        assert await proof.verdict() == [], proof.figures()
        fates = proof.load.fates
        assert health == {503}
        assert fates.customers["503"]
        assert fates.agents["503"]
        assert not fates.customers["lost"]
        assert await crashed(proof) == {}
        report(proof.figures())


async def cut_at_commit(dsn: str, folder: Path, cuts: int, rate: float) -> Proof:
    rng = random.Random(7)
    fates = [At.CUT_AFTER, At.CUT_REPLY, At.CUT_REPLY, At.CUT_BEFORE]
    made = 0
    done = trio.Event()

    def decide(_: int) -> At:
        nonlocal made
        if made == cuts:
            done.set()
            return At.PASS
        if rng.random() > 0.15:
            return At.PASS
        made += 1
        return rng.choice(fates)

    async with open_proxy(dsn) as proxy, open_proof(folder, dsn, server_dsn=proxy.dsn) as proof:
        await proof.begin()

        async def hurt() -> None:
            proxy.decide = decide
            await done.wait()
            await trio.sleep(1.0)

        await proof.under_load(hurt, rate=rate, replies=10.0)
        assert await proof.verdict() == [], proof.figures()
        assert await crashed(proof) == {}
    return proof


@pytest.mark.prove
async def test_some_cuts_at_commit_are_resolved(dsn: str, folder: Path, report: Report) -> None:
    report((await cut_at_commit(dsn, folder, 8, 60.0)).figures())


@pytest.mark.prove
async def test_a_hundred_cuts_at_commit_are_resolved(
    dsn: str, folder: Path, report: Report
) -> None:
    report((await cut_at_commit(dsn, folder, CUTS, 100.0)).figures())


async def refuse_hostile_texts(dsn: str) -> None:
    """Have Postgres refuse one text as it refuses any malformed value."""
    async with open_database(dsn, pool=1) as database:
        await database.execute(
            sa.text(
                "CREATE FUNCTION proof_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " RAISE EXCEPTION 'no hostile texts' USING ERRCODE = '22023'; END $$"
            )
        )
        await database.execute(
            sa.text(
                "CREATE TRIGGER proof_refuse BEFORE INSERT ON messages FOR EACH ROW"
                " WHEN (NEW.body = 'hostile') EXECUTE FUNCTION proof_refuse()"
            )
        )


async def test_a_hostile_message_among_five_hundred_fails_alone(dsn: str, folder: Path) -> None:
    """What Postgres refuses is kept with its cause and answered 200, like all the others."""
    async with open_proof(folder, dsn) as proof:
        await proof.begin(hooks=False)
        await refuse_hostile_texts(dsn)
        company = proof.load.companies[0]
        before = await proof.look.value("SELECT count(*) FROM messages")
        answers: list[int] = []

        async def deliver(n: int) -> None:
            text = "hostile" if n == 250 else f"text {n}"
            sender, provider_id = f"4917700{n:05}", f"wamid.crowd.{n}"
            body = text_body(company.phone_number_id, sender, provider_id, text)
            line = Line(proof.server.port)
            for _ in range(20):
                try:
                    answer = await line.call(
                        "POST", company.webhook, body, signed(company.secret, body)
                    )
                except Lost:
                    continue
                if answer.status == 200:
                    answers.append(answer.status)
                    break
                await trio.sleep(answer.retry_after)
            await line.close()

        async with trio.open_nursery() as nursery:
            for n in range(500):
                nursery.start_soon(deliver, n)
        assert len(answers) == 500
        assert await proof.look.value("SELECT count(*) FROM messages") == before + 499
        ((error, payload),) = await proof.look.rows("SELECT error, payload FROM dead_letters")
        assert "no hostile texts" in error
        assert b"wamid.crowd.250" in payload
        assert await crashed(proof) == {}
