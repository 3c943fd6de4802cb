"""Bytes that are lent: never more than there are, in the order of asking, and all come back."""

import random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.memory_budget import MemoryBudget


async def test_no_more_is_lent_than_there_is_and_all_comes_back(autojump_clock: MockClock) -> None:
    budget, rng = MemoryBudget(100), random.Random(1)
    held = most = 0

    async def use(size: int) -> None:
        nonlocal held, most
        with trio.move_on_after(rng.uniform(1, 30)):
            async with budget.hold(size):
                held += size
                most = max(most, held)
                try:
                    await trio.sleep(rng.uniform(0, 3))
                finally:
                    held -= size

    async with trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(use, rng.randint(1, 60))
    assert 50 < most <= 100
    assert budget.left == 100


async def test_a_large_one_is_not_passed_by_small_ones_for_ever() -> None:
    budget, order = MemoryBudget(10), []

    async def use(name: str, size: int) -> None:
        async with budget.hold(size):
            order.append(name)

    async with trio.open_nursery() as nursery, budget.hold(5):
        for name, size in (("large", 1000), ("small", 1)):
            nursery.start_soon(use, name, size)
            await wait_all_tasks_blocked()
        assert order == []
    assert order == ["large", "small"]


async def test_who_gives_up_waiting_lets_the_next_one_go_on() -> None:
    budget = MemoryBudget(10)
    async with budget.hold(5):
        with trio.move_on_after(0), pytest.raises(trio.Cancelled):
            async with budget.hold(10):
                raise AssertionError
        async with budget.hold(5):
            assert budget.left == 0
    assert budget.left == 10
