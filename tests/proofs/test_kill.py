"""kill -9 of the serving process: what was acknowledged is there, once and in order."""

import random
from pathlib import Path

import pytest
import trio

from tests.proofs.proof import Proof, open_proof

KILLS = 20
LONGEST_RECOVERY = 5.0


async def killed_at_random(proof: Proof, kills: int, seed: int) -> None:
    rng = random.Random(seed)

    async def hurt() -> None:
        for _ in range(kills):
            await trio.sleep(rng.uniform(0.3, 3.0))
            await proof.kill_and_restart()
        await trio.sleep(1.0)

    await proof.begin()
    await proof.under_load(hurt)


async def test_two_kills_lose_and_double_nothing(dsn: str, folder: Path) -> None:
    async with open_proof(folder, dsn) as proof:
        await killed_at_random(proof, 2, seed=2)
        assert await proof.verdict() == [], proof.figures()
        print(proof.figures())


@pytest.mark.prove
async def test_twenty_kills_lose_and_double_nothing(dsn: str, folder: Path) -> None:
    async with open_proof(folder, dsn) as proof:
        await killed_at_random(proof, KILLS, seed=1)
        assert await proof.verdict() == [], proof.figures()
        print(proof.figures())
        assert max(proof.recoveries) < LONGEST_RECOVERY, proof.figures()
