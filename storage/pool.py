"""The connection pool: lanes on the database thread that take jobs from one queue.

A lane is one connection and one asyncio task that serves jobs for as long as the connection lives.
That spares a task, an acquire and a session reset per statement (a reset query between users
halves the throughput; lanes never need one, because a lease ends by COMMIT or ROLLBACK).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, TypeVarTuple

from storage.bridge import AsyncpgConnection, Bridge, Waiter, connect
from storage.errors import DatabaseUnavailable, OutcomeUnknown
from storage.sqlstates import (
    connection_lost,
    is_transient,
    never_sent,
    outcome_unknown,
    server_leaves,
    translated,
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Work = Callable[..., Awaitable[Any]]

RECONNECT_EVERY = 0.1
"""Seconds between two connection attempts while Postgres is away."""

ATTEMPTS = 3
"""A job whose connection breaks runs on another one, if that can do no harm, up to so many times."""


class _Job(Waiter[Any]):
    """One piece of work for whichever lane is free; `read` says it may be cancelled, repeated."""

    __slots__ = ("args", "attempts", "cancelled", "fn", "lane", "pool", "read")

    def __init__(self, pool: "Pool", fn: Work, args: tuple[object, ...], *, read: bool) -> None:
        super().__init__(pool.bridge)
        self.pool = pool
        self.fn = fn
        self.args = args
        self.read = read
        self.attempts = 0
        self.cancelled = False
        self.lane: _Lane | None = None

    def enqueue(self) -> None:
        self.pool.enqueue(self)

    def cancel(self) -> None:
        """Withdraw when still queued; cancel when running and a read; else let it finish."""
        if self.lane is None:
            self.cancelled = True
            self.pool.withdraw(self)
        elif self.read and not self.cancelled:
            self.cancelled = True
            self.lane.task.cancel()


class _Lane:
    """One connection and the task that serves it."""

    def __init__(self, pool: "Pool", connection: AsyncpgConnection) -> None:
        self.pool = pool
        self.connection = connection
        self.wake: asyncio.Future[None] | None = None
        connection.add_termination_listener(self._terminated)
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def _terminated(self, _connection: Any) -> None:
        if self.wake is not None and not self.wake.done():
            self.wake.set_result(None)

    async def _serve(self) -> None:
        connection = self.connection
        jobs = self.pool.jobs
        try:
            while not connection.is_closed():
                if jobs:
                    await self._do(jobs.popleft())
                else:
                    await self._idle()
        finally:
            self.pool.lane_ended(self)
            if not self.pool.closed:
                connection.terminate()

    async def _idle(self) -> None:
        self.wake = asyncio.get_running_loop().create_future()
        self.pool.idle.append(self)
        try:
            await self.wake
        finally:
            self.wake = None
            if self in self.pool.idle:
                self.pool.idle.remove(self)

    async def _do(self, job: _Job) -> None:
        job.lane = self
        try:
            value = await job.fn(self.connection, *job.args)
        except asyncio.CancelledError as error:
            job.fail(error)
            if self.pool.closed or not job.cancelled:
                raise
            self.task.uncancel()
        except BaseException as error:  # noqa: BLE001 (it is raised again in the trio task)
            self._failed(job, error)
        else:
            job.answer(value)
        finally:
            job.lane = None  # a cancel that comes from now on must not hit the next job

    def _failed(self, job: _Job, error: BaseException) -> None:
        if connection_lost(error) or server_leaves(error):
            self.connection.terminate()
            job.attempts += 1
            harmless = job.read or never_sent(error)
            if harmless and job.attempts < ATTEMPTS and not job.cancelled:
                self.pool.jobs.appendleft(job)
                return
        if outcome_unknown(error) and not job.read:
            unknown = OutcomeUnknown("connection lost while a write was on its way")
            unknown.__cause__ = error
            error = unknown
        job.fail(error)


class Lease:
    """One connection for one trio task: a transaction."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._connection: AsyncpgConnection | None = None
        self._released: asyncio.Event = asyncio.Event()

    async def run(
        self,
        fn: Callable[[AsyncpgConnection, *Ts], Awaitable[T]],
        *args: *Ts,
        shield: bool,
    ) -> T:
        """Run `await fn(connection, *args)` on the loop thread."""
        assert self._connection is not None
        return await self._bridge.call(fn, self._connection, *args, shield=shield)

    def release(self) -> None:
        """Give the connection back; an open transaction on it is dropped with the connection."""
        self._bridge.loop_call_soon(self._released.set)

    async def hold(self, connection: AsyncpgConnection, granted: Callable[[], None]) -> None:
        """Keep the lane busy until released; on the loop thread."""
        self._connection = connection
        granted()
        await self._released.wait()
        if connection.is_in_transaction():
            connection.terminate()


class _Grant(_Job):
    """Answers as soon as a lane holds the lease, and keeps that lane until the release."""

    __slots__ = ("granted", "lease")

    def __init__(self, pool: "Pool", lease: Lease) -> None:
        super().__init__(pool, lease.hold, (self._grant,), read=False)
        self.lease = lease
        self.granted = False

    def _grant(self) -> None:
        self.granted = True
        super().answer(self.lease)

    def answer(self, value: object) -> None:
        """The hold ended; the grant was the answer."""

    def fail(self, error: BaseException) -> None:
        """A pool that closes under a lease has nobody left to tell."""
        if not self.granted:
            super().fail(error)


class _Post(_Job):
    """A job that nobody waits for: its outcome is handed to a callback on the trio thread."""

    __slots__ = ("then",)

    def __init__(
        self, pool: "Pool", fn: Work, args: tuple[object, ...], then: Callable[[Any], object]
    ) -> None:
        super().__init__(pool, fn, args, read=True)
        self.then = then

    def answer(self, value: object) -> None:
        self.pool.bridge.trio_call_soon(lambda: self.then(value))

    def fail(self, error: BaseException) -> None:
        meaning = translated(error)
        self.pool.bridge.trio_call_soon(lambda: self.then(meaning))


class Pool:
    """Up to `size` lanes; one more is opened whenever a job finds none idle.

    While Postgres is away jobs wait up to `patience` seconds, then all of them, and every new one,
    are answered `DatabaseUnavailable` at once until a connection succeeds again.
    """

    def __init__(
        self,
        bridge: Bridge,
        dsn: str,
        *,
        size: int,
        patience: float,
        settings: Mapping[str, str],
        application_name: str,
    ) -> None:
        self.bridge = bridge
        self.jobs: deque[_Job] = deque()
        self.idle: list[_Lane] = []
        self._dsn = dsn
        self._size = size
        self._patience = patience
        self._settings = settings
        self._application_name = application_name
        self._lanes: set[_Lane] = set()
        self._connecting: asyncio.Task[None] | None = None
        self._giving_up: asyncio.TimerHandle | None = None
        self._away = False
        self._last_error: BaseException | None = None
        self.closed = False

    # -- trio side ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the first lane.

        Raises:
            DatabaseUnavailable: no answer within `patience` seconds.
        """
        await self.run(_nothing, read=True)

    async def run(
        self,
        fn: Callable[[AsyncpgConnection, *Ts], Awaitable[T]],
        *args: *Ts,
        read: bool,
    ) -> T:
        """Run `await fn(connection, *args)` on a free lane.

        `fn` runs one statement. A read may be cancelled, and is repeated when its connection breaks;
        a write is neither, once it was sent.

        Raises:
            DatabaseUnavailable: Postgres is away for longer than `patience`; nothing was done.
            OutcomeUnknown: a write's connection broke before its answer came.
        """
        self.bridge.check_open()
        job = _Job(self, fn, args, read=read)
        self.bridge.loop_call_soon(job.enqueue)
        value: T = await job.wait(job.cancel)
        return value

    def run_soon(
        self,
        fn: Callable[[AsyncpgConnection, *Ts], Awaitable[T]],
        *args: *Ts,
        then: Callable[[T | BaseException], object],
    ) -> None:
        """Run a read as `run` does, without waiting: `then` gets its result or its failure.

        `then` is called on the trio thread and must neither wait nor raise.
        """
        self.bridge.check_open()
        self.bridge.loop_call_soon(_Post(self, fn, args, then).enqueue)

    async def lease(self) -> Lease:
        """Wait for a connection of one's own; `release()` it. Cancellable until granted."""
        self.bridge.check_open()
        grant = _Grant(self, Lease(self.bridge))
        self.bridge.loop_call_soon(grant.enqueue)
        lease: Lease = await grant.wait(grant.cancel)
        return lease

    async def close(self) -> None:
        """Close every connection; jobs still queued get `DatabaseUnavailable`."""
        await self.bridge.call(self._shut, shield=True)

    # -- loop side ----------------------------------------------------------------------------

    def enqueue(self, job: _Job) -> None:
        """Give the job to the lane that was busy last (its caches are warm), or let it wait."""
        if job.cancelled:
            job.fail(asyncio.CancelledError())
        elif self.closed or self._away:
            job.fail(self._unavailable())
        else:
            self.jobs.append(job)
            if self.idle:
                wake = self.idle.pop().wake
                if wake is not None and not wake.done():
                    wake.set_result(None)
            else:
                self._grow()

    def withdraw(self, job: _Job) -> None:
        """Answer a cancelled job that no lane has taken; not queued yet means `enqueue` will."""
        if job in self.jobs:
            self.jobs.remove(job)
            job.fail(asyncio.CancelledError())

    def lane_ended(self, lane: _Lane) -> None:
        """A connection broke: make sure there is one, so that recovery does not await a caller."""
        self._lanes.discard(lane)
        if not self._lanes or self.jobs:
            self._grow()

    def _grow(self) -> None:
        if self.closed:
            return
        loop = asyncio.get_running_loop()
        if not self._lanes and self._giving_up is None:
            self._giving_up = loop.call_later(self._patience, self._give_up)
        if self._connecting is None and len(self._lanes) < self._size:
            self._connecting = loop.create_task(self._connect())

    async def _connect(self) -> None:
        """Open one lane, trying until it succeeds or the other lanes suffice."""
        try:
            connected = await self._try_connect()
            while not connected and not self._lanes:
                await asyncio.sleep(RECONNECT_EVERY)
                connected = await self._try_connect()
        finally:
            self._connecting = None
        if not self._lanes or len(self.jobs) > 1:  # the new lane takes one of them
            self._grow()

    async def _try_connect(self) -> bool:
        try:
            connection = await connect(
                self._dsn, settings=self._settings, application_name=self._application_name
            )
        except Exception as error:  # noqa: BLE001 (whatever it is, the callers are told)
            self._last_error = error
            if not self._lanes and not is_transient(error):
                self._give_up()  # a wrong password or database name does not mend by waiting
            return False
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        self._away = False
        self._lanes.add(_Lane(self, connection))
        return True

    def _give_up(self) -> None:
        if self._lanes:
            return
        self._away = True
        while self.jobs:
            self.jobs.popleft().fail(self._unavailable())

    def _unavailable(self) -> DatabaseUnavailable:
        why = "the pool is closed" if self.closed else f"no connection: {self._last_error}"
        error = DatabaseUnavailable(why)
        error.__cause__ = self._last_error
        return error

    async def _shut(self) -> None:
        self.closed = True
        if self._giving_up is not None:
            self._giving_up.cancel()
        while self.jobs:
            self.jobs.popleft().fail(self._unavailable())
        tasks = [lane.task for lane in self._lanes]
        if self._connecting is not None:
            tasks.append(self._connecting)
        connections = [lane.connection for lane in self._lanes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*map(_close, connections), return_exceptions=True)


async def _nothing(_connection: AsyncpgConnection) -> None:
    """Prove that a connection stands."""


async def _close(connection: AsyncpgConnection) -> None:
    if not connection.is_closed():
        await connection.close(timeout=2.0)
