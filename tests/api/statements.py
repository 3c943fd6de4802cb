"""The SQL that a request runs: what it costs, counted."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from storage.pool import Lease, Pool

_COUNTING: ContextVar[list[str] | None] = ContextVar("counting", default=None)


@contextmanager
def counted() -> Generator[list[str]]:
    """Every statement of this task, and of those it starts, within the block, in order.

    BEGIN and COMMIT are statements too; what a commit stores of events is part of it. What the
    server does beside the requests (the outbox, the housekeeping) is not counted.
    """
    seen: list[str] = []

    def counting(real: Any) -> Any:
        async def run(self: Any, fn: Any, *args: Any, **more: Any) -> Any:
            if _COUNTING.get() is seen:
                seen.append(args[0] if args else fn.__name__.strip("_").upper())
            return await real(self, fn, *args, **more)

        return run

    token = _COUNTING.set(seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "run", counting(Pool.run))
        patch.setattr(Lease, "run", counting(Lease.run))
        yield seen
    _COUNTING.reset(token)
