"""The border between trio and the database thread: no database is needed."""

import asyncio
import threading

import pytest
import trio
import trio.testing

from storage.bridge import Bridge, open_bridge
from storage.errors import DatabaseUnavailable


async def _double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


async def _refuse() -> None:
    message = "no"
    raise LookupError(message)


async def test_a_call_runs_on_the_other_thread_and_returns() -> None:
    async with open_bridge() as bridge:
        assert await bridge.call(_double, 21) == 42
        assert await bridge.call(_thread) != threading.get_ident()


async def _thread() -> int:
    return threading.get_ident()


async def test_an_exception_crosses_the_border() -> None:
    async with open_bridge() as bridge:
        with pytest.raises(LookupError, match="no"):
            await bridge.call(_refuse)


async def test_every_one_of_many_concurrent_calls_gets_its_own_answer() -> None:
    answers: dict[int, int] = {}

    async def ask(bridge: Bridge, value: int) -> None:
        answers[value] = await bridge.call(_double, value)

    async with open_bridge() as bridge, trio.open_nursery() as nursery:
        for value in range(500):
            nursery.start_soon(ask, bridge, value)
    assert answers == {value: 2 * value for value in range(500)}


async def test_a_burst_of_calls_costs_one_wake_up_in_each_direction() -> None:
    async with open_bridge() as bridge:
        inbound, outbound = 0, 0
        drain_in, drain_out = bridge._drain_inbound, bridge._drain_outbound

        def count_in() -> None:
            nonlocal inbound
            inbound += 1
            drain_in()

        def count_out() -> None:
            nonlocal outbound
            outbound += 1
            drain_out()

        bridge._drain_inbound = count_in  # type: ignore[method-assign]
        bridge._drain_outbound = count_out  # type: ignore[method-assign]
        gate = threading.Event()
        bridge.loop_call_soon(gate.wait)  # the loop is busy while the burst is queued
        async with trio.open_nursery() as nursery:
            for value in range(200):
                nursery.start_soon(bridge.call, _double, value)
            await trio.testing.wait_all_tasks_blocked()
            gate.set()
        assert inbound <= 2
        assert outbound < 20


async def test_a_cancelled_call_is_cancelled_over_there_and_waited_for() -> None:
    ended: list[str] = []
    started = trio.Event()

    async def endless() -> None:
        bridge.trio_call_soon(started.set)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("over there")

    async with open_bridge() as bridge:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bridge.call, endless)
            await started.wait()
            nursery.cancel_scope.cancel()
        assert ended == ["over there"]


async def test_a_call_cancelled_before_its_first_step_is_answered_and_never_runs() -> None:
    ran: list[bool] = []

    async def note() -> None:
        ran.append(True)

    async with open_bridge() as bridge:
        gate = threading.Event()
        bridge.loop_call_soon(gate.wait)  # the call and its cancel both queue up behind this
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bridge.call, note)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            trio.lowlevel.current_trio_token().run_sync_soon(gate.set)
        assert ran == []


async def test_a_shielded_call_is_finished_although_the_caller_is_cancelled() -> None:
    done: list[bool] = []

    async def slow(gate: asyncio.Event) -> str:
        await gate.wait()
        done.append(True)
        return "kept"

    async with open_bridge() as bridge:
        gate = asyncio.Event()
        with trio.CancelScope() as scope:
            scope.cancel()
            bridge.loop_call_soon(gate.set)
            assert await bridge.call(lambda: slow(gate), shield=True) == "kept"
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
    assert done == [True]


async def test_an_answer_that_beat_the_cancel_is_kept() -> None:
    started = trio.Event()

    async def stubborn() -> str:
        bridge.trio_call_soon(started.set)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "finished anyway"
        return "never"

    async with open_bridge() as bridge:
        results: list[str] = []

        async def ask() -> None:
            results.append(await bridge.call(stubborn))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await started.wait()
            nursery.cancel_scope.cancel()
        assert results == ["finished anyway"]


async def test_callbacks_keep_their_order_in_both_directions() -> None:
    over_there: list[int] = []
    back_here: list[int] = []
    finished = trio.Event()
    async with open_bridge() as bridge:
        for number in range(300):
            bridge.loop_call_soon(lambda n=number: over_there.append(n))
            bridge.loop_call_soon(
                lambda n=number: bridge.trio_call_soon(lambda: back_here.append(n))
            )
        bridge.loop_call_soon(lambda: bridge.trio_call_soon(finished.set))
        await finished.wait()
    assert over_there == back_here == list(range(300))


async def test_closing_answers_whoever_still_waits() -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    outcomes: list[str] = []

    async def ask(bridge: Bridge) -> None:
        try:
            await bridge.call(endless, shield=True)
        except DatabaseUnavailable as error:
            outcomes.append(str(error))

    async with trio.open_nursery() as nursery, open_bridge() as bridge:
        nursery.start_soon(ask, bridge)
        await trio.testing.wait_all_tasks_blocked()
    assert outcomes == ["the database thread was stopped"]
    with pytest.raises(DatabaseUnavailable, match="has stopped"):
        await bridge.call(_double, 1)
