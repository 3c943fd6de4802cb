"""The writer against a sequential model: random units, saved together, with cuts at COMMIT.

Units that are saved at the same time may be committed in any order; their verdicts and the rows
they leave must be those of one of the orders.
"""

import itertools
import threading
from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import pytest
import trio
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from storage.errors import Duplicate, Poisoned, StaleVersion, UniqueViolation
from storage.unit import Committed, Unit, Write
from tests.storage.wire_proxy import At, WireProxy, open_proxy
from tests.storage.writer_kit import (
    ADD,
    ADD_SLOT,
    RANK,
    RECEIPT,
    SET_BODY,
    SET_WEIGHT,
    Rig,
    made,
    next_id,
    open_rig,
    unit,
)


class Op(NamedTuple):
    """One write in words: what, on which thing or key, with which number."""

    what: str
    name: str
    number: int


NAMES = st.sampled_from("abc")
OPS = st.one_of(
    st.builds(Op, st.just("add"), NAMES, st.integers(-1, 5)),
    st.builds(Op, st.just("slot"), NAMES, st.integers(1, 2)),
    st.builds(Op, st.just("receipt"), NAMES, st.just(0)),
    st.builds(Op, st.just("body"), NAMES, st.integers(0, 1)),
    st.builds(Op, st.just("weight"), NAMES, st.integers(-1, 1)),
    st.builds(Op, st.just("rank"), NAMES, st.integers(1, 4)),
)


def _distinct(ops: list[Op]) -> bool:
    claims = [(op.what, op.name) for op in ops if op.what in ("add", "receipt", "rank")]
    guarded = [op.name for op in ops if op.what in ("body", "weight")]
    slots = [op.number for op in ops if op.what == "slot"]
    return all(len(set(group)) == len(group) for group in (claims, guarded, slots))


UNITS = st.tuples(st.lists(OPS, max_size=4).filter(_distinct), st.integers(0, 2))


def _one_rank_each(step: list[tuple[list[Op], int]]) -> bool:
    ranked = [op.name for ops, _ in step for op in ops if op.what == "rank"]
    return len(set(ranked)) == len(ranked)


STEPS = st.lists(UNITS, min_size=1, max_size=4).filter(_one_rank_each)
FATES = st.sampled_from([At.PASS] * 6 + [At.CUT_BEFORE, At.CUT_AFTER, At.CUT_REPLY])


class Thing(NamedTuple):
    """One row as the model knows it; its three things exist from the start."""

    version: int
    rank: int


class Model:
    """What a database that took one unit after the other would hold."""

    def __init__(self) -> None:
        self.things = {name: Thing(1, 0) for name in "abc"}
        self.keys: set[str] = set()
        self.slots: set[int] = set()
        self.receipts: set[str] = set()
        self.last_seq = 0

    def state(self) -> tuple[Any, ...]:
        """Everything that can be compared with the rows."""
        return self.things, self.keys, self.slots, self.receipts, self.last_seq

    def save(self, ops: Sequence[Op], events: int, read: dict[str, Thing]) -> set[type]:
        """Apply a unit decided on `read`; returns the verdicts it may get."""
        reasons = {reason for op in ops if (reason := self._refusal(op, read)) is not None}
        if reasons:
            return reasons
        for op in ops:
            self._apply(op)
        self.last_seq += events
        return {Committed}

    def _refusal(self, op: Op, read: dict[str, Thing]) -> type | None:
        if op.what in ("body", "weight") and self.things[op.name].version != read[op.name].version:
            return StaleVersion
        if op.what in ("add", "weight") and op.number < 0:
            return Poisoned
        taken = {
            "add": op.name in self.keys,
            "receipt": op.name in self.receipts,
            "rank": self.things[op.name].rank >= op.number,
            "body": False,
            "weight": False,
        }
        if op.what == "slot":
            return UniqueViolation if op.number in self.slots else None
        return Duplicate if taken[op.what] else None

    def _apply(self, op: Op) -> None:
        thing = self.things[op.name]
        if op.what == "add":
            self.keys.add(op.name)
        elif op.what == "slot":
            self.slots.add(op.number)
        elif op.what == "receipt":
            self.receipts.add(op.name)
        elif op.what == "rank":
            self.things[op.name] = thing._replace(rank=op.number)
        else:
            self.things[op.name] = thing._replace(version=thing.version + 1)


class Portal:
    """A rig in a trio thread of its own, because a state machine is not a coroutine."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._main,))
        self.companies = itertools.count(1)
        self.rig: Rig
        self.proxy: WireProxy
        self._token: trio.lowlevel.TrioToken
        self._stop: trio.Event

    async def _main(self) -> None:
        self._stop = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        async with (
            open_proxy(self._dsn) as self.proxy,
            open_rig(self._dsn, through=self.proxy.dsn, companies=4_000) as self.rig,
        ):
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> "Portal":
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._token.run_sync_soon(self._stop.set)
        self._thread.join()

    def run(self, fn: Callable[..., Awaitable[Any]], *args: object) -> Any:
        """Run an async function in the trio thread."""
        return trio.from_thread.run(fn, *args, trio_token=self._token)


class WriterMachine(RuleBasedStateMachine):
    """One company of its own per run; each step saves up to four units at once."""

    portal: Portal

    def __init__(self) -> None:
        super().__init__()
        self.company = next(self.portal.companies)
        self.model = Model()
        self.ids = {name: next_id() for name in "abc"}
        rows = [ADD(self.company, self.ids[n], None, f"thing {n}", "", 0) for n in "abc"]
        self.portal.run(self.portal.rig.writer.save, unit(*rows, company=self.company))

    def _write(self, op: Op) -> Write:
        company, thing = self.company, self.ids[op.name]
        version = self.model.things[op.name].version
        if op.what == "add":
            return ADD(company, next_id(), None, f"key {op.name}", "", op.number)
        if op.what == "slot":
            return ADD_SLOT(company, next_id(), op.number)
        if op.what == "receipt":
            return RECEIPT(company, op.name)
        if op.what == "body":
            return SET_BODY(company, thing, version - op.number, "text")
        if op.what == "weight":
            return SET_WEIGHT(company, thing, version, op.number)
        return RANK(company, thing, op.number, "ranked")

    @rule(step=STEPS, fate=FATES)
    def save_together(self, step: list[tuple[list[Op], int]], fate: At) -> None:
        units = [
            unit(
                *map(self._write, ops),
                events=[made("x", company=self.company)] * events,
                company=self.company,
            )
            for ops, events in step
        ]
        stale = [any(op.what == "body" and op.number for op in ops) for ops, _ in step]
        verdicts = self.portal.run(self._save_all, units, fate)
        found = self.portal.run(self._rows)
        read = dict(self.model.things)
        for order in itertools.permutations(range(len(step))):
            model = deepcopy(self.model)
            allowed: dict[int, set[type]] = {}
            for place in order:
                seen = {
                    name: thing._replace(version=-1)
                    if stale[place] and _touches(step[place][0], name)
                    else thing
                    for name, thing in read.items()
                }
                allowed[place] = model.save(*step[place], seen)
            if model.state() == found and all(
                type(verdict) in allowed[place] for place, verdict in enumerate(verdicts)
            ):
                self.model = model
                return
        pytest.fail(f"no order of {step} explains {verdicts} and {found}")

    async def _save_all(self, units: list[Unit], fate: At) -> list[object]:
        verdicts: list[object] = [None] * len(units)
        first = self.portal.proxy.commits + 1
        self.portal.proxy.decide = lambda n: fate if n == first else At.PASS

        async def save(place: int) -> None:
            try:
                verdicts[place] = await self.portal.rig.writer.save(units[place])
            except Exception as error:  # noqa: BLE001
                verdicts[place] = error

        async with trio.open_nursery() as nursery:
            for place in range(len(units)):
                nursery.start_soon(save, place)
        return verdicts

    async def _rows(self) -> tuple[Any, ...]:
        rows = await self.portal.rig.sql(
            "SELECT key, slot, version, rank FROM things WHERE company_id = $1", self.company
        )
        receipts = await self.portal.rig.sql(
            "SELECT key FROM receipts WHERE company_id = $1", self.company
        )
        seqs = await self.portal.rig.sql(
            "SELECT seq FROM events WHERE company_id = $1 ORDER BY seq", self.company
        )
        assert [seq for (seq,) in seqs] == list(range(1, len(seqs) + 1))
        things = {
            key.removeprefix("thing "): Thing(version, rank)
            for key, _, version, rank in rows
            if key and key.startswith("thing ")
        }
        keys = {key.removeprefix("key ") for key, *_ in rows if key and key.startswith("key ")}
        slots = {slot for _, slot, *_ in rows if slot is not None}
        return things, keys, slots, {key for (key,) in receipts}, len(seqs)


def _touches(ops: Sequence[Op], name: str) -> bool:
    return any(op.what == "body" and op.number and op.name == name for op in ops)


def _run(dsn: str, examples: int) -> None:
    with Portal(dsn) as portal:

        class Machine(WriterMachine):
            pass

        Machine.portal = portal
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=8,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate,),
            ),
        )


def test_every_verdict_is_that_of_some_order_of_the_units(dsn: str) -> None:
    _run(dsn, 8)


@pytest.mark.prove
def test_every_verdict_is_that_of_some_order_three_hundred_times(dsn: str) -> None:
    _run(dsn, 300)
