"""Every mechanism is needed: without it, the proofs that should notice do notice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.proofs.processes import ROOT
from tests.proofs.proof import Proof, open_proof
from tests.proofs.test_postgres import hurt_postgres, long_outage

MUTANT = "tests.proofs.mutant"


def invariants(wrong: list[str]) -> set[str]:
    return {text.partition(":")[0] for text in wrong}


@pytest.mark.prove
async def test_an_id_remembered_before_its_commit_loses_messages(folder: Path) -> None:
    async with (
        hurt_postgres(folder) as postgres,
        open_proof(folder, postgres.dsn, CHATIA_MUTATION="remember_before_commit") as proof,
    ):
        proof.server.module = MUTANT
        await long_outage(postgres, proof)
        assert "I1" in invariants(await proof.verdict()), proof.figures()


async def killed_while_sending(proof: Proof) -> None:
    async def hurt() -> None:
        for n in (1, 2, 3):
            await proof.die_at(f"send.replied:{n}:kill")
        await proof.kill_and_restart()
        await trio.sleep(1.0)

    await proof.begin(hooks=False)
    await proof.under_load(hurt)


@pytest.mark.prove
async def test_an_unknown_send_that_is_sent_again_doubles_it(dsn: str, folder: Path) -> None:
    async with open_proof(folder, dsn, CHATIA_MUTATION="resend_unknown") as proof:
        proof.server.module = MUTANT
        await killed_while_sending(proof)
        assert "I13" in invariants(await proof.verdict()), proof.figures()


@pytest.mark.prove
@pytest.mark.parametrize("mutation", ["apply_before_verdict", "remember_before_commit"])
def test_an_actor_that_runs_ahead_of_the_database_is_caught(mutation: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", MUTANT]
    done = subprocess.run(
        [*command, "tests/actors/test_ticket_verdicts.py"],
        cwd=ROOT,
        env={**os.environ, "CHATIA_MUTATION": mutation},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "failed" in done.stdout
