"""The writer while its Postgres is killed and comes back."""

import os
import signal

import trio

from storage.errors import DatabaseUnavailable, OutcomeUnknown
from tests._postgres import TEMPLATE, TestServer
from tests.storage.writer_kit import adding, open_rig


async def test_killed_servers_cost_latency_but_no_acknowledged_unit(hurt: TestServer) -> None:
    """Twice: ended at once, and killed together with every backend."""
    acknowledged: set[str] = set()
    doubtful: set[str] = set()
    async with trio.open_nursery() as outer, open_rig(hurt.postgres.dsn_of(TEMPLATE)) as rig:
        send, receive = trio.open_memory_channel[None](10)
        outer.start_soon(hurt.postgres.supervise, lambda: send.send_nowait(None))
        stop = trio.Event()

        async def produce(producer: int) -> None:
            n = 0
            while not stop.is_set():
                key = f"{producer}.{n}"
                n += 1
                try:
                    await rig.writer.save(adding(key, company=1 + producer % 5, address=key))
                except DatabaseUnavailable:
                    await trio.lowlevel.checkpoint()
                except OutcomeUnknown:
                    doubtful.add(key)
                else:
                    acknowledged.add(key)

        async with trio.open_nursery() as nursery:
            for producer in range(20):
                nursery.start_soon(produce, producer)
            for how in (signal.SIGQUIT, signal.SIGKILL):
                enough = len(acknowledged) + 200
                while len(acknowledged) < enough:
                    await trio.lowlevel.checkpoint()
                assert hurt.postgres.pid is not None
                os.kill(hurt.postgres.pid, how)
                await receive.receive()
            enough = len(acknowledged) + 200
            while len(acknowledged) < enough:
                await trio.lowlevel.checkpoint()
            stop.set()
        await rig.check_streams()
        stored = {key for (key,) in await rig.sql("SELECT key FROM things")}
        assert acknowledged <= stored <= acknowledged | doubtful
        published = {event.ids()["key"] for _, event in rig.published}
        assert len(rig.published) == len(published)
        assert published == stored
        outer.cancel_scope.cancel()
