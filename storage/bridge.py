"""The border between trio and the database thread: one asyncio loop on uvloop, wake-ups batched.

asyncpg speaks asyncio only. Its loop runs on a thread of its own; both directions queue plain
callables and wake the other side once per batch, because a wake-up costs more than a call.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar, TypeVarTuple, cast

import asyncpg
import trio
import uvloop
from trio.lowlevel import Abort

from storage.errors import DatabaseUnavailable
from storage.sqlstates import is_transient, translated

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Callback = Callable[[], object]

CONNECT_TIMEOUT = 5
"""Seconds one connection attempt may take."""

CONNECT_PAUSE = 0.05
"""Seconds between two attempts while Postgres is awaited."""


class AsyncpgConnection(Protocol):
    """What this program uses of an asyncpg connection; every coroutine runs on the loop thread."""

    async def fetch(self, query: str, *args: object) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: object) -> Any: ...
    async def fetchval(self, query: str, *args: object) -> Any: ...
    async def execute(self, query: str, *args: object) -> str: ...
    async def prepare(self, query: str, *, name: str | None = None) -> Any: ...
    async def close(self, *, timeout: float | None = None) -> None: ...
    def terminate(self) -> None: ...
    def is_closed(self) -> bool: ...
    def is_in_transaction(self) -> bool: ...
    def add_termination_listener(self, callback: Callable[[Any], object]) -> None: ...


async def connect(
    dsn: str, *, settings: Mapping[str, str] | None = None, application_name: str = "chatia"
) -> AsyncpgConnection:
    """Open one asyncpg connection; call it on the loop thread: `await bridge.call(connect, dsn)`.

    `settings` are session settings sent with the start-up packet (values as in postgresql.conf),
    so they cost no round trip and hold from the first statement on.
    """
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT,
        statement_cache_size=512,
        max_cached_statement_lifetime=0,
        server_settings={"application_name": application_name, **(settings or {})},
    )
    return cast("AsyncpgConnection", connection)


async def connect_patiently(
    dsn: str, patience: float, *, settings: Mapping[str, str] | None = None, application_name: str
) -> AsyncpgConnection:
    """Like `connect`, but for `patience` seconds a Postgres that is not there yet is awaited.

    Raises:
        DatabaseUnavailable: it does not answer.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return await connect(dsn, settings=settings, application_name=application_name)
        except Exception as error:
            if not is_transient(error) or time.monotonic() > deadline:
                message = f"no connection: {error}"
                raise DatabaseUnavailable(message) from error
        await asyncio.sleep(CONNECT_PAUSE)


class Waiter(Generic[T]):
    """One trio task parked until the loop thread has answered it, exactly once."""

    __slots__ = ("_bridge", "_error", "_raise_cancel", "_task", "_value")

    def __init__(self, bridge: "Bridge") -> None:
        self._bridge = bridge
        self._task: trio.lowlevel.Task | None = None
        self._value: T | None = None
        self._error: BaseException | None = None
        self._raise_cancel: Callable[[], Any] | None = None

    async def wait(self, on_cancel: Callback | None = None) -> T:
        """Park the calling trio task; returns the answer or raises the failure.

        `on_cancel` runs on the loop thread when the trio task is cancelled; the wait goes on until
        the answer has come, so nothing is left running behind the caller's back. Without it the
        wait cannot be cancelled. An answer that was quicker than the cancel is returned.
        """
        self._task = trio.lowlevel.current_task()

        def abort(raise_cancel: Callable[[], Any]) -> Abort:
            if on_cancel is not None:
                self._raise_cancel = raise_cancel
                self._bridge.loop_call_soon(on_cancel)
            return Abort.FAILED

        await trio.lowlevel.wait_task_rescheduled(abort)
        error, self._error = self._error, None
        if error is None:
            return cast("T", self._value)
        if isinstance(error, asyncio.CancelledError):
            if self._raise_cancel is not None:
                self._raise_cancel()
            message = "the database thread was stopped"
            raise DatabaseUnavailable(message)
        try:
            raise error
        finally:
            del error  # it holds this frame by its traceback: leave no cycle behind

    def answer(self, value: T) -> None:
        """Give the result; on the loop thread."""
        self._value = value
        self._bridge.trio_call_soon(self._wake)

    def fail(self, error: BaseException) -> None:
        """Give the failure; on the loop thread. Driver errors become storage errors here."""
        self._error = translated(error)
        self._bridge.trio_call_soon(self._wake)

    def _wake(self) -> None:
        assert self._task is not None
        trio.lowlevel.reschedule(self._task)


class _Call(Waiter[T]):
    """A coroutine function to run as a task of the loop."""

    __slots__ = ("_args", "_cancelled", "_fn", "_running")

    def __init__(
        self, bridge: "Bridge", fn: Callable[..., Awaitable[T]], args: tuple[object, ...]
    ) -> None:
        super().__init__(bridge)
        self._fn = fn
        self._args = args
        self._cancelled = False
        self._running: asyncio.Future[T] | None = None

    def start(self) -> None:
        if self._cancelled:
            self.fail(asyncio.CancelledError())
            return
        try:
            self._running = asyncio.ensure_future(self._fn(*self._args))
        except Exception as error:  # noqa: BLE001 (it is raised again in the trio task)
            self.fail(error)
        else:
            # Not a wrapping coroutine: one that is cancelled before its first step never runs.
            self._running.add_done_callback(self._settle)

    def cancel(self) -> None:
        self._cancelled = True
        if self._running is not None:
            self._running.cancel()

    def _settle(self, done: asyncio.Future[T]) -> None:
        if done.cancelled():
            self.fail(asyncio.CancelledError())
        elif (error := done.exception()) is not None:
            self.fail(error)
        else:
            self.answer(done.result())


class Bridge:
    """Calls from trio into the loop thread and back. Made by `open_bridge`."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._token = trio.lowlevel.current_trio_token()
        self._inbound: deque[Callback] = deque()
        self._outbound: deque[Callback] = deque()
        self._inbound_armed = False
        self._outbound_armed = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="database", daemon=True)

    async def call(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts, shield: bool = False) -> T:
        """Run `await fn(*args)` on the loop thread and return its result.

        A trio cancel cancels the coroutine and waits for its end. With `shield=True` it is never
        cancelled once handed over: the caller learns the outcome first.

        Raises:
            DatabaseUnavailable: the bridge is closed, or Postgres does not answer.
            StorageError: any other driver error that `storage.sqlstates` translates.
        """
        self.check_open()
        call: _Call[T] = _Call(self, fn, args)
        self.loop_call_soon(call.start)
        return await call.wait(None if shield else call.cancel)

    def loop_call_soon(self, callback: Callback) -> None:
        """Run `callback()` on the loop thread, in order of hand-over; it must not raise or wait."""
        self._inbound.append(callback)
        # The flag is read after the append and cleared before the drain, so no item is stranded.
        if not self._inbound_armed:
            self._inbound_armed = True
            try:
                self._loop.call_soon_threadsafe(self._drain_inbound)
            except RuntimeError:  # the loop is closed: whoever waits has been answered by then
                if not self._closed:
                    raise

    def trio_call_soon(self, callback: Callback) -> None:
        """Run `callback()` on the trio thread, in order of hand-over; it must not raise or wait."""
        self._outbound.append(callback)
        if not self._outbound_armed:
            self._outbound_armed = True
            self._token.run_sync_soon(self._drain_outbound)

    def check_open(self) -> None:
        """Raise `DatabaseUnavailable` once the thread is being stopped: nobody would answer."""
        if self._closed:
            message = "the database thread has stopped"
            raise DatabaseUnavailable(message)

    def _drain_inbound(self) -> None:
        self._inbound_armed = False
        queue = self._inbound
        while queue:
            queue.popleft()()

    def _drain_outbound(self) -> None:
        self._outbound_armed = False
        queue = self._outbound
        while queue:
            queue.popleft()()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._end_tasks())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _end_tasks(self) -> None:
        mine = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() if task is not mine]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _start(self) -> None:
        self._thread.start()

    async def _stop(self) -> None:
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)
        self._drain_outbound()


@asynccontextmanager
async def open_bridge() -> AsyncGenerator[Bridge]:
    """Run the database thread for the length of the block.

    Leaving the block cancels what still runs on the loop and joins the thread; every trio task
    that still waits for an answer gets one.
    """
    bridge = Bridge()
    bridge._start()  # noqa: SLF001 (the bridge's life belongs to this block)
    try:
        yield bridge
    finally:
        await bridge._stop()  # noqa: SLF001
